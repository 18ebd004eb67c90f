"""The issue form: an issue's body → the texts of a kernel request.

Owns the form's fields and how GitHub writes them into a body. Values are hostile: they may hold
headings and fences of their own, so the body is read in the form's order, never by headings alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from runner.contract import sha256_hex
from runner.errors import Fault

SPEC = "Spec (problem.toml)"
REFERENCE = "Reference (reference.py)"
BASELINE = "Extra baselines (baseline.py)"
BUDGET = "Budget"
NOTES = "Anything else"
FIELDS = (SPEC, REFERENCE, BASELINE, BUDGET, NOTES)
BUDGETS_S = {"15 minutes": 900.0, "30 minutes": 1800.0, "60 minutes": 3600.0}
_RENDERED = frozenset({SPEC, REFERENCE, BASELINE})
_NO_RESPONSE = "_No response_"
_OPENING = re.compile(r"\A(`{3,}|~{3,})[^\n`]*\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestForm:
    """The form's values. Texts end with a newline; faults are what the form itself lacks.

    `budget_s` is None where the form says none.
    """

    problem_toml: str
    reference_py: str
    baseline_py: str | None
    budget_s: float | None
    faults: tuple[Fault, ...]

    @property
    def spec_sha256(self) -> str:
        return spec_digest(self.problem_toml, self.reference_py, self.baseline_py)


def spec_digest(problem_toml: str, reference_py: str, baseline_py: str | None) -> str:
    """Identity of what is asked for: the three texts, not the words around them."""
    return sha256_hex("\0".join((problem_toml, reference_py, baseline_py or "")))


def parse_form(body: str) -> RequestForm:
    """Read an issue's body. Never raises: what is missing or unreadable is a fault."""
    values = _split(body.replace("\r\n", "\n"))
    faults: list[Fault] = []
    for field in (SPEC, REFERENCE):
        if not values.get(field):
            missing = "is empty" if field in values else "is missing from the issue"
            faults.append(Fault("issue", None, f"the section '### {field}' {missing}"))
    return RequestForm(
        problem_toml=values.get(SPEC) or "",
        reference_py=values.get(REFERENCE) or "",
        baseline_py=values.get(BASELINE) or None,
        budget_s=_read_budget(values.get(BUDGET) or "", faults),
        faults=tuple(faults),
    )


def _read_budget(text: str, faults: list[Fault]) -> float | None:
    choice = text.strip()
    if choice and choice not in BUDGETS_S:
        faults.append(Fault("issue", None, f"the budget is one of: {', '.join(BUDGETS_S)}"))
    return BUDGETS_S.get(choice)


def _split(body: str) -> dict[str, str]:
    """Field → value, read in the form's order. A field that is not in the body is not in here."""
    values: dict[str, str] = {}
    start = _find_heading(body, FIELDS[0], 0)
    present = [FIELDS[0]] if start is not None else []
    position = start[1] if start else 0
    for field in FIELDS[1:]:
        fenced = bool(present) and present[-1] in _RENDERED and _opens_fence(body, position)
        found = _find_heading(body, field, position, after_fence=fenced)
        if found is None:
            continue
        if present:
            values[present[-1]] = _value(body[position : found[0]])
        present.append(field)
        position = found[1]
    if present:
        values[present[-1]] = _value(body[position:])
    return values


def _find_heading(
    body: str, field: str, position: int, *, after_fence: bool = False
) -> tuple[int, int] | None:
    """Where `### field` starts and where its value starts, at or after `position`.

    `after_fence`: the value before it is fenced, so only a heading that follows a closing fence
    ends it; a heading inside the fence is part of the value.
    """
    heading = rf"^### {re.escape(field)}[ \t]*$\n?"
    pattern = rf"^(?:`{{3,}}|~{{3,}})[ \t]*\n\s*(?P<heading>{heading})"
    found = re.compile(pattern if after_fence else f"(?P<heading>{heading})", re.MULTILINE).search(
        body, position
    )
    return (found.start("heading"), found.end("heading")) if found else None


def _opens_fence(body: str, position: int) -> bool:
    return _OPENING.match(body[position:].lstrip("\n")) is not None


def _value(text: str) -> str:
    """The value without its fence, ending with a newline; empty for no response."""
    text = text.strip("\n")
    opening = _OPENING.match(text)
    if opening:
        mark = opening[1]
        text = text[opening.end() :]
        # The last line that closes the fence: a docstring may hold fences of its own.
        closing = text.rfind(f"\n{mark}") if not text.startswith(mark) else -1
        text = text[: closing + 1] if closing >= 0 else text.removeprefix(mark)
    if text.strip() in ("", _NO_RESPONSE):
        return ""
    return text if text.endswith("\n") else text + "\n"
