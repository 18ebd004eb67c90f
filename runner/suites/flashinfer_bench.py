"""FlashInfer-Bench definitions with their workloads, as specs.

Owns the layout of a trace set (definitions/**/NAME.json, workloads/**/NAME.jsonl) and what of it a
spec can say: inputs that are random, and scalars that are the same everywhere. Inputs from
safetensors files are refused: their values mean something that shapes do not tell. Runs nothing.
Format: docs/flashinfer_trace of github.com/flashinfer-ai/flashinfer-bench.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.errors import Fault, ProblemError
from runner.problem import Problem, parse_problem
from runner.suites.spec_text import write_function_spec

_DEFINITIONS, _WORKLOADS = "definitions", "workloads"
_MAX_TESTS, _MAX_BENCHMARKS = 16, 4
_REFERENCE_ENTRY = "run"


def is_trace_set(path: Path) -> bool:
    """Whether `path` holds definitions."""
    return any((path / _DEFINITIONS).glob("**/*.json"))


def list_definitions(path: Path) -> list[Path]:
    """The files of all definitions, in order of their names."""
    return sorted((path / _DEFINITIONS).glob("**/*.json"), key=lambda file: file.stem)


def load_definition(path: Path) -> Problem:
    """The problem of a definition. Raises ProblemError with what a spec cannot say."""
    try:
        definition = json.loads(path.read_text(encoding="utf-8"))
        rows = list(_workloads(path))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise _fault(path, f"is not JSON: {error}") from error
    try:
        return _problem(path, definition, rows)
    except (KeyError, TypeError, AttributeError) as error:
        raise _fault(path, f"is not a definition: {type(error).__name__}: {error}") from error


def _problem(
    path: Path, definition: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> Problem:
    if not rows:
        raise _fault(path, f"has no workload under {_WORKLOADS}/")
    name = re.sub(r"[^a-z0-9]+", "_", str(definition["name"]).lower()).strip("_")[:60]
    entry = f"k_{name}" if not name[:1].isalpha() or keyword.iskeyword(name) else name
    inputs: Mapping[str, Any] = definition["inputs"]
    scalars = {key: _scalar(path, key, rows) for key, row in inputs.items() if row["shape"] is None}
    tensors = {key: row for key, row in inputs.items() if row["shape"] is not None}
    _check_random(path, tensors, rows)
    axes, sizes = _axes(definition, rows)
    header = {
        "name": entry,
        "entry": entry,
        "summary": str(definition.get("description") or definition["name"])[:300],
        "family": str(definition.get("op_type", ""))[:64],
        "tests": sizes[:_MAX_TESTS],
        "benchmarks": _spread(sizes),
    }
    tables = {
        "inputs": [_tensor(key, row) for key, row in tensors.items()],
        "outputs": [_tensor(key, row) for key, row in definition["outputs"].items()],
    }
    arguments = ", ".join(repr(scalars[key]) if key in scalars else key for key in inputs)
    reference = (
        f"{definition['reference']}\n\n\n"
        f"def {entry}({', '.join(tensors)}):\n    return {_REFERENCE_ENTRY}({arguments})\n"
    )
    return parse_problem(write_function_spec(header, axes, tables), reference)


def _workloads(path: Path) -> Iterator[Mapping[str, Any]]:
    """The workloads of the definition in `path`, in the order of their file."""
    root = next(parent for parent in path.parents if parent.name == _DEFINITIONS).parent
    for file in sorted((root / _WORKLOADS).glob(f"**/{path.stem}.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.strip():
                row = json.loads(line)
                yield row["workload"] if isinstance(row.get("workload"), dict) else row


def _scalar(path: Path, name: str, rows: Sequence[Mapping[str, Any]]) -> bool | int | float:
    """The one value of a scalar input: a spec has tensors only, so it becomes a constant."""
    values = [row["inputs"][name].get("value") for row in rows]
    first = values[0]
    if not isinstance(first, bool | int | float) or any(value != first for value in values):
        raise _fault(path, f"its scalar {name} has no single value")
    return first


def _check_random(
    path: Path, tensors: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> None:
    for name in tensors:
        kinds = {str(row["inputs"][name]["type"]) for row in rows}
        if kinds != {"random"}:
            other = ", ".join(sorted(kinds - {"random"}))
            raise _fault(path, f"its input {name} is of type {other}, not random")


def _axes(
    definition: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, list[int]], list[dict[str, int]]]:
    """Ranges, and the distinct workloads, the smallest first.

    Where constraints tie axes to each other only the largest workload is taken, as it is: sizes
    that are drawn from ranges would break them.
    """
    constants = {
        name: int(axis["value"])
        for name, axis in definition["axes"].items()
        if axis["type"] == "const"
    }
    distinct = {json.dumps(row["axes"], sort_keys=True): row["axes"] for row in rows}
    sizes = [
        {name: int(axes[name]) if name in axes else constants[name] for name in definition["axes"]}
        for axes in distinct.values()
    ]
    sizes.sort(key=lambda row: sum(row.values()))
    if definition.get("constraints"):
        sizes = sizes[-1:]
    ranges = {
        name: [min(row[name] for row in sizes), max(row[name] for row in sizes)]
        for name in definition["axes"]
    }
    return ranges, sizes


def _spread(sizes: Sequence[dict[str, int]]) -> list[dict[str, int]]:
    """A few of them from the smallest to the largest, the largest included."""
    if len(sizes) <= _MAX_BENCHMARKS:
        return list(sizes)
    last = len(sizes) - 1
    return [sizes[last * turn // (_MAX_BENCHMARKS - 1)] for turn in range(_MAX_BENCHMARKS)]


def _tensor(name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "shape": list(row["shape"]), "dtype": str(row["dtype"])}


def _fault(path: Path, message: str) -> ProblemError:
    return ProblemError((Fault(path.name, None, message),))
