"""Fill in an issue form, as the web page would.

Owns the reading of a form's template and the body that GitHub makes of the answers. Refuses answers
to questions that the form does not ask, and a required one that is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

NO_RESPONSE = "_No response_"


class FormFault(ValueError):
    """Answers that do not fit the form; the web page would not send them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One question. `options` are the choices of a dropdown; `value` is what it is filled with."""

    label: str
    kind: str
    render: str | None
    required: bool
    options: tuple[str, ...]
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueForm:
    """A form: the title and labels that its issues get, and its questions in order."""

    title: str
    labels: tuple[str, ...]
    fields: tuple[Field, ...]

    def body(self, answers: Mapping[str, str]) -> str:
        """The issue's body for answers by label. Questions left out take the form's own value."""
        unknown = set(answers) - {field.label for field in self.fields}
        if unknown:
            raise FormFault(f"the form does not ask for {', '.join(sorted(unknown))}")
        parts = [
            f"### {field.label}\n\n{_shown(field, answers.get(field.label, field.value))}"
            for field in self.fields
        ]
        return "\n\n".join(parts)


def _shown(field: Field, answer: str) -> str:
    if not answer.strip():
        if field.required:
            raise FormFault(f"{field.label} is required")
        return NO_RESPONSE
    if field.options and answer not in field.options:
        raise FormFault(f"{answer!r} is not one of the choices of {field.label}")
    if field.render:
        return f"```{field.render}\n{answer.rstrip()}\n```"
    return answer.strip()


def parse_form(text: str) -> IssueForm:
    """Read an issue form's YAML file."""
    document = yaml.safe_load(text)
    fields = tuple(_field(item) for item in document["body"] if item["type"] != "markdown")
    labels = document.get("labels") or []
    if isinstance(labels, str):
        labels = [label.strip() for label in labels.split(",")]
    return IssueForm(title=document.get("title") or "", labels=tuple(labels), fields=fields)


def _field(item: dict[str, Any]) -> Field:
    attributes = item.get("attributes") or {}
    options = tuple(str(option) for option in attributes.get("options") or ())
    default = attributes.get("default")
    value = str(attributes.get("value") or "")
    if options:
        value = options[int(default)] if default is not None else ""
    return Field(
        label=attributes["label"],
        kind=item["type"],
        render=attributes.get("render"),
        required=bool((item.get("validations") or {}).get("required", False)),
        options=options,
        value=value,
    )
