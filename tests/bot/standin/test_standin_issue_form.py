"""The issue form: the body that GitHub makes of the answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.standin import Person, Repository, StandIn
from bot.standin.issue_form import FormFault, parse_form

FORM_PATH = ".github/ISSUE_TEMPLATE/kernel-request.yml"
FORM = """\
name: Kernel request
description: x
title: "kernel: "
labels: [kernel-request, missing-here]
body:
  - type: markdown
    attributes: {value: hello}
  - type: textarea
    attributes: {label: Spec, render: toml}
    validations: {required: true}
  - type: textarea
    attributes: {label: Extra, render: python}
  - type: dropdown
    attributes: {label: Budget, options: [15 minutes, 30 minutes], default: 0}
    validations: {required: true}
  - type: textarea
    attributes: {label: Notes}
"""


def test_fills_in_the_form_as_the_page_would() -> None:
    body = parse_form(FORM).body({"Spec": 'name = "x"\n\n', "Budget": "30 minutes"})
    assert body == (
        '### Spec\n\n```toml\nname = "x"\n```\n\n### Extra\n\n_No response_\n\n'
        "### Budget\n\n30 minutes\n\n### Notes\n\n_No response_"
    )


def test_a_question_left_out_takes_the_forms_own_value() -> None:
    assert "### Budget\n\n15 minutes" in parse_form(FORM).body({"Spec": "x"})


@pytest.mark.parametrize(
    ("answers", "fault"),
    [
        ({}, "Spec is required"),
        ({"Spec": "x", "Budget": "7 minutes"}, "not one of the choices"),
        ({"Spec": "x", "Colour": "red"}, "does not ask for Colour"),
    ],
)
def test_refuses_what_the_page_would_not_send(answers: dict[str, str], fault: str) -> None:
    with pytest.raises(FormFault, match=fault):
        parse_form(FORM).body(answers)


def test_the_projects_own_form_is_complete_as_it_stands() -> None:
    form = parse_form((Path(__file__).parents[3] / FORM_PATH).read_text(encoding="utf-8"))
    assert form.labels == ("kernel-request",)
    assert form.body({}).startswith("### Spec (problem.toml)\n\n```toml\nname = ")


def test_opening_a_form_puts_on_the_labels_that_exist_whoever_opens_it(standin: StandIn) -> None:
    repo: Repository = standin.create_repository("octo/forms", files={FORM_PATH: FORM.encode()})
    owner: Person = standin.person("ada", repo, "write")
    owner.request("POST", "/labels", {"name": "kernel-request", "color": "0e8a16"})
    eve = standin.person("eve", repo, "read")
    number = eve.open_form(FORM_PATH, "x", {"Spec": "a"})
    assert repo.issues[number].title == "kernel: x"
    assert [label.name for label in repo.issues[number].labels] == ["kernel-request"]
    payload = standin.deliveries[-1].payload
    assert (payload["action"], payload["sender"]["login"]) == ("labeled", "eve")
