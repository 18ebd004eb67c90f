"""The issue form on GitHub, the bot that reads it and the problem that fills it agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.issue_form import BUDGETS_S, FIELDS, parse_form
from runner.problem import parse_problem

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "problems" / "relative_position_attention"


@pytest.fixture(scope="module")
def form() -> dict[str, Any]:
    text = (ROOT / ".github" / "ISSUE_TEMPLATE" / "kernel-request.yml").read_text()
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


@pytest.fixture(scope="module")
def fields(form: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {field["id"]: field for field in form["body"] if field["type"] != "markdown"}


def as_github_writes_it(fields: dict[str, dict[str, Any]]) -> str:
    """The body of an issue whose author filed the form as it stands."""
    sections = []
    for field in fields.values():
        attributes = field["attributes"]
        if field["type"] == "dropdown":
            value = attributes["options"][attributes["default"]]
        else:
            value = attributes.get("value", "").strip("\n") or "_No response_"
        if "render" in attributes:
            value = f"```{attributes['render']}\n{value}\n```"
        sections.append(f"### {attributes['label']}\n\n{value}")
    return "\n\n".join(sections) + "\n"


def test_labels_are_the_headings_that_the_bot_reads(fields: dict[str, dict[str, Any]]) -> None:
    assert tuple(field["attributes"]["label"] for field in fields.values()) == FIELDS


def test_budgets_are_those_that_the_bot_knows(fields: dict[str, dict[str, Any]]) -> None:
    assert fields["budget"]["attributes"]["options"] == list(BUDGETS_S)


def test_filing_the_form_adds_the_label_that_starts_a_run(form: dict[str, Any]) -> None:
    assert form["labels"] == ["kernel-request"]


def test_what_a_request_cannot_do_without_is_required(fields: dict[str, dict[str, Any]]) -> None:
    required = [name for name, field in fields.items() if field["validations"]["required"]]

    assert required == ["spec", "reference", "budget"]


@pytest.mark.parametrize(
    ("field", "file"),
    [("spec", "problem.toml"), ("reference", "reference.py"), ("baselines", "baseline.py")],
)
def test_the_example_is_the_problem_of_the_repository(
    fields: dict[str, dict[str, Any]], field: str, file: str
) -> None:
    assert fields[field]["attributes"]["value"] == (EXAMPLE / file).read_text()


def test_the_example_as_it_stands_is_a_request_without_faults(
    fields: dict[str, dict[str, Any]],
) -> None:
    read = parse_form(as_github_writes_it(fields))

    assert read.faults == ()
    assert read.budget_s == 900
    problem = parse_problem(read.problem_toml, read.reference_py, read.baseline_py)
    assert problem.name == "relative_position_attention"


def test_the_readme_example_is_a_spec_without_faults() -> None:
    readme = (ROOT / "README.md").read_text()
    toml_text = readme.split("```toml\n")[1].split("```")[0]
    reference_text = readme.split("```python\n")[1].split("```")[0]

    problem = parse_problem(toml_text, reference_text)

    assert problem.entry == "rms_norm"
