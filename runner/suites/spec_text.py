"""Writes a spec (`problem.toml`) for a problem that came in another format.

Owns the TOML. What is written is read again by `runner.problem` like any other spec.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def write_spec(header: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """The spec of a module. `facts`: as `runner.verifier.modules.describe` reports them."""
    keys = {key: value for key, value in header.items() if key != "library_calls"}
    outputs = facts["outputs"]
    lines = [_row(key, value) for key, value in keys.items()]
    lines += ["tests = [{}]", "benchmarks = [{}]", "", "[axes]", ""]
    for row in facts["tensors"]:
        state = {"state": row["state"]} if row["state"] is not None else {}
        keys_of_row = [key for key in ("name", "shape", "dtype", "low", "high") if key in row]
        fields = {key: row[key] for key in keys_of_row}
        lines += _table("inputs", {**fields, "part": row["part"], **state})
    for number, row in enumerate(outputs):
        name = "out" if len(outputs) == 1 else f"out_{number}"
        lines += _table("outputs", {"name": name, "shape": row["shape"], "dtype": row["dtype"]})
    module = {
        "init": facts["init"],
        "call": facts["call"],
        "library_calls": header["library_calls"],
        "random": facts["random"],
        "recipe": facts["recipe"],
    }
    lines += ["[module]", *(_row(key, value) for key, value in module.items())]
    return "\n".join(lines) + "\n"


def write_function_spec(
    header: Mapping[str, Any],
    axes: Mapping[str, Sequence[int]],
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
) -> str:
    """The spec of a function. `tables`: the rows of inputs and outputs, in order."""
    lines = [_row(key, value) for key, value in header.items()]
    lines += ["", "[axes]", *(_row(axis, list(sizes)) for axis, sizes in axes.items()), ""]
    for table in ("inputs", "outputs"):
        for row in tables[table]:
            lines += _table(table, row)
    return "\n".join(lines) + "\n"


def _table(name: str, row: Mapping[str, Any]) -> list[str]:
    return [f"[[{name}]]", *(_row(key, value) for key, value in row.items()), ""]


def _row(key: str, value: Any) -> str:
    return f"{key} = {toml_value(value)}"


def toml_value(value: Any) -> str:
    """A value as TOML. A JSON string is a TOML string, but for the escapes of two halves."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        inner = ", ".join(_row(str(key), item) for key, item in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    return str(value)
