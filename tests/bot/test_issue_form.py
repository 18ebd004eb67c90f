"""The issue form: what GitHub writes, and what hostile values do to it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot import issue_form
from bot.issue_form import FIELDS, parse_form

Body = Callable[..., str]


def test_a_filled_form_gives_its_texts_and_budget(issue_body: Body) -> None:
    form = parse_form(
        issue_body(spec='name = "a"\n', reference="def a(): ...\n", budget="30 minutes")
    )
    assert form.problem_toml == 'name = "a"\n'
    assert form.reference_py == "def a(): ...\n"
    assert form.baseline_py is None
    assert form.budget_s == 1800
    assert form.faults == ()


def test_line_numbers_are_those_of_the_text_that_was_typed(issue_body: Body) -> None:
    body = issue_body().replace("```toml\n", "```toml\n\n\n")
    assert parse_form(body).problem_toml.startswith('\n\nname = "add_one"')


def test_windows_line_ends_change_nothing(issue_body: Body) -> None:
    body = issue_body()
    assert parse_form(body.replace("\n", "\r\n")) == parse_form(body)


HOSTILE = [
    "x = 1\n### Reference (reference.py)\n\ndef evil(): ...\n",
    '"""Doc\n\n```python\ncode\n```\n"""\ndef a(): ...\n',
    "### Budget\n\n60 minutes\n",
    "a\n\n\nb\n",
    "### Spec (problem.toml)\n",
    "    indented\n",
    "_No response_ is what people write\n",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("field", ["spec", "reference", "baseline"])
def test_headings_and_fences_inside_a_value_stay_inside(
    issue_body: Body, field: str, text: str
) -> None:
    form = parse_form(issue_body(**{field: text}))
    values = {
        "spec": form.problem_toml,
        "reference": form.reference_py,
        "baseline": form.baseline_py,
    }
    assert values[field] == text
    assert form.faults == ()
    assert form.budget_s == 900


def test_what_people_write_at_the_end_is_ignored(issue_body: Body) -> None:
    body = issue_body() + "\n\n### Budget\n\n60 minutes\n\n### Reference (reference.py)\n\nno"
    form = parse_form(body)
    assert form.budget_s == 900
    assert "no" not in form.reference_py


@pytest.mark.parametrize(
    "empty",
    ["_No response_", "```python\n_No response_\n```", "```python\n\n```", "", "```python\n```"],
)
def test_every_form_of_no_response_is_empty(issue_body: Body, empty: str) -> None:
    body = issue_body().replace(
        "### Extra baselines (baseline.py)\n\n_No response_",
        f"### Extra baselines (baseline.py)\n\n{empty}",
    )
    form = parse_form(body)
    assert form.baseline_py is None
    assert form.budget_s == 900


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", ["Spec (problem.toml)", "Reference (reference.py)"]),
        ("just words", ["is missing from the issue"]),
        ("### Spec (problem.toml)\n\n_No response_\n\n### Budget\n\n15 minutes", ["is empty"]),
    ],
)
def test_missing_sections_are_faults(body: str, words: list[str]) -> None:
    text = " ".join(str(fault) for fault in parse_form(body).faults)
    assert all(word in text for word in words)


def test_an_unknown_budget_is_a_fault_and_none_is_said_to_be_none(issue_body: Body) -> None:
    (fault,) = parse_form(issue_body(budget="3 weeks")).faults
    assert "15 minutes" in fault.message
    assert parse_form(issue_body(budget="_No response_")).budget_s is None


def test_the_digest_is_of_the_texts_alone(issue_body: Body) -> None:
    one = parse_form(issue_body(budget="15 minutes")).spec_sha256
    assert one == parse_form(issue_body(budget="60 minutes")).spec_sha256
    assert one != parse_form(issue_body(reference="def add_one(x): return x\n")).spec_sha256
    assert one != parse_form(issue_body(baseline="def b(x): return x\n")).spec_sha256


def test_the_fields_are_the_forms_own_in_order() -> None:
    assert FIELDS[0] == issue_form.SPEC
    assert len(set(FIELDS)) == 5
