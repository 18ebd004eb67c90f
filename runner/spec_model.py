"""The schema of `problem.toml`, and what is wrong with one that breaks it.

Owns the field rules and the rules between fields (declared axes, ranges, names). Reads no file
and never sees the reference.
"""

from __future__ import annotations

import keyword
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from runner.contract import Slug
from runner.errors import Fault
from runner.spec_lines import SpecLines
from runner.spec_module import ModuleModel, Part, read_form

DTYPES = frozenset(
    {"float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8"}
    | {"bool"}
)
INTEGER_DTYPES = frozenset({"int8", "int16", "int32", "int64", "uint8"})
MAX_RANK = 8
MAX_WORKLOADS = 32
MAX_INPUTS = 32
MAX_TENSORS = 4096  # of a module, whose parameters are counted too
# A spec whose smallest tensor cannot be allocated is a mistake, not a workload.
MAX_AXIS = 1 << 31

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
Size = Annotated[int, Field(ge=0, le=MAX_AXIS, strict=True)]
# [low, high], both included, or [low, high, step]: multiples of step only.
Range = Annotated[tuple[Size, ...], Field(min_length=2, max_length=3, strict=False)]


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class TensorModel(_Closed):
    name: Name
    shape: Annotated[tuple[Name | Size, ...], Field(max_length=MAX_RANK, strict=False)]
    dtype: str
    low: int | Name | None = None
    high: int | Name | None = None
    contiguous: bool = True
    part: Part = "input"
    state: Annotated[str, StringConstraints(max_length=500)] | None = None


class ToleranceModel(_Closed):
    multiplier: Annotated[float, Field(gt=0, le=1000, strict=False)] = 2.0
    reason: str = ""


class SpecModel(_Closed):
    name: Slug
    entry: Name
    summary: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    family: Annotated[str, StringConstraints(max_length=64)] = ""
    policy: Literal["triton-only", "mixed"] = "triton-only"
    library_ops: Annotated[tuple[Name, ...], Field(max_length=64, strict=False)] = ()
    baselines: Annotated[tuple[Name, ...], Field(strict=False)] = ("eager", "compile")
    hints: Annotated[str, StringConstraints(max_length=4000)] = ""
    axes: dict[Name, Range]
    inputs: Annotated[
        tuple[TensorModel, ...], Field(min_length=1, max_length=MAX_TENSORS, strict=False)
    ]
    outputs: Annotated[tuple[TensorModel, ...], Field(min_length=1, max_length=16, strict=False)]
    tests: Annotated[
        tuple[dict[Name, Size], ...], Field(min_length=1, max_length=MAX_WORKLOADS, strict=False)
    ]
    benchmarks: Annotated[
        tuple[dict[Name, Size], ...], Field(min_length=1, max_length=MAX_WORKLOADS, strict=False)
    ]
    tolerance: ToleranceModel = ToleranceModel()
    module: ModuleModel | None = None


def collect_model_faults(
    document: dict[str, Any], lines: SpecLines, file: str
) -> tuple[SpecModel | None, list[Fault]]:
    """Validate a parsed spec; every fault with its line. The model is None when fields are bad."""
    try:
        spec = SpecModel.model_validate(document)
    except ValidationError as error:
        faults = [
            _field_fault(item["loc"], item["msg"], lines, file)
            for item in error.errors()
            # "at least 1 item" only repeats that the items there are faulty.
            if not (item["type"] == "too_short" and _is_written(document, item["loc"]))
        ]
        # Rules between fields are checked as far as the fields allow: one round trip, all faults.
        return None, list(dict.fromkeys(faults + _loose_rule_faults(document, lines, file)))
    return spec, _rule_faults(spec, lines, file)


def _field_fault(loc: tuple[str | int, ...], message: str, lines: SpecLines, file: str) -> Fault:
    path = tuple(part for part in loc if part not in ("constrained-str", "int", "str"))
    shown = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")
    return Fault(file, lines.locate(path), f"{shown}: {message[:1].lower()}{message[1:]}")


def _is_written(document: dict[str, Any], loc: tuple[str | int, ...]) -> bool:
    return len(loc) == 1 and bool(document.get(str(loc[0])))


def _loose_rule_faults(document: dict[str, Any], lines: SpecLines, file: str) -> list[Fault]:
    """The rules between fields on the tables that are valid by themselves."""
    parts: dict[str, Any] = {}
    for key, default in _EMPTY.items():
        probe = {**_EMPTY, key: document.get(key, default)}
        try:
            SpecModel.model_validate(probe)
        except ValidationError:
            probe[key] = default
        parts[key] = probe[key]
    if parts["axes"] is _EMPTY["axes"]:
        return []  # without axes every shape would seem wrong
    for table in ("tests", "benchmarks"):
        if parts[table] is _EMPTY[table]:
            parts[table] = [{axis: _first(sizes) for axis, sizes in parts["axes"].items()}]
    return _rule_faults(SpecModel.model_validate(parts), lines, file)


# A valid spec that breaks no rule: stands in for the tables that are not valid.
_EMPTY: dict[str, Any] = {
    "name": "x",
    "entry": "x",
    "summary": "x",
    "axes": {},
    "inputs": [{"name": "x", "shape": [], "dtype": "float32"}],
    "outputs": [{"name": "y", "shape": [], "dtype": "float32"}],
    "tests": [{}],
    "benchmarks": [{}],
}


def _first(sizes: Sequence[int]) -> int:
    """The smallest size of a range, as far as the range has one."""
    step = step_of(sizes)
    return -(-sizes[0] // step) * step


def step_of(sizes: Sequence[int]) -> int:
    """The step of a range; 1 where it has none."""
    return max(1, sizes[2]) if len(sizes) > 2 else 1


def _rule_faults(spec: SpecModel, lines: SpecLines, file: str) -> list[Fault]:
    faults: list[Fault] = []
    for axis, sizes in spec.axes.items():
        if message := _range_fault(axis, sizes):
            faults.append(Fault(file, lines.key(axis, "axes"), message))
    if message := _policy_fault(spec):
        faults.append(Fault(file, lines.key("library_ops") or lines.key("policy"), message))
    if message := _module_fault(spec):
        faults.append(Fault(file, lines.key("module") or lines.key("inputs"), message))
    if keyword.iskeyword(spec.entry):
        line = lines.key("entry")
        faults.append(Fault(file, line, f"entry {spec.entry!r} is a Python keyword"))
    faults += _tensor_faults("inputs", spec.inputs, spec, lines, file)
    faults += _tensor_faults("outputs", spec.outputs, spec, lines, file)
    for table, workloads in (("tests", spec.tests), ("benchmarks", spec.benchmarks)):
        for index, axes in enumerate(workloads):
            for message, key in _workload_faults(axes, spec):
                line = lines.key(key, table, index)
                faults.append(Fault(file, line, f"{table}[{index}]: {message}"))
    return faults


def _range_fault(axis: str, sizes: Sequence[int]) -> str | None:
    low, high = sizes[:2]
    if low > high:
        return f"axis {axis}: range [{low}, {high}] is empty"
    if len(sizes) > 2 and sizes[2] < 1:
        return f"axis {axis}: the step must be at least 1"
    if _first(sizes) > high:
        return f"axis {axis}: no multiple of {sizes[2]} lies in [{low}, {high}]"
    return None


def _module_fault(spec: SpecModel) -> str | None:
    """What `[module]` promises must hold, and what belongs to it needs it."""
    if spec.module is None:
        if any(row.part != "input" or row.state is not None for row in spec.inputs):
            return "part and state are for the tensors of a [module]"
        if len(spec.inputs) > MAX_INPUTS:
            return f"inputs: more than {MAX_INPUTS}"
        return None
    if spec.axes:
        return "module: its sizes are fixed, so [axes] has nothing to say"
    parts = [row.part != "input" for row in spec.inputs]
    if parts != sorted(parts):
        return "module: parameters and buffers come after the inputs"
    if any((row.part == "input") != (row.state is None) for row in spec.inputs):
        return "module: parameters and buffers, and only they, have a state"
    try:
        read_form(spec.module, [row.name for row in spec.inputs])
    except ValueError as error:
        return f"module.{error}"
    return None


def _policy_fault(spec: SpecModel) -> str | None:
    if spec.policy == "mixed" and not spec.library_ops:
        return (
            'policy "mixed" needs library_ops: the torch operators that may be called, '
            'for example ["mm"]'
        )
    if spec.policy != "mixed" and spec.library_ops:
        return f'library_ops needs policy "mixed", not "{spec.policy}"'
    return None


def _tensor_faults(
    table: str, rows: tuple[TensorModel, ...], spec: SpecModel, lines: SpecLines, file: str
) -> list[Fault]:
    faults: list[Fault] = []
    seen: set[str] = set()

    def fault(index: int, key: str, message: str) -> None:
        faults.append(Fault(file, lines.key(key, table, index), f"{table}[{index}]: {message}"))

    for index, row in enumerate(rows):
        if row.name in seen:
            fault(index, "name", f"a second tensor named {row.name!r}")
        if keyword.iskeyword(row.name):
            fault(index, "name", f"{row.name!r} is a Python keyword")
        seen.add(row.name)
        if row.dtype not in DTYPES:
            fault(
                index, "dtype", f"unknown dtype {row.dtype!r}; known: {', '.join(sorted(DTYPES))}"
            )
        if not row.contiguous and table == "outputs":
            fault(index, "contiguous", "contiguous = false is for inputs")
        for dim in row.shape:
            if isinstance(dim, str) and dim not in spec.axes:
                fault(index, "shape", f"axis {dim!r} is not declared under [axes]")
        for key, bound in (("low", row.low), ("high", row.high)):
            if bound is None:
                continue
            if row.dtype not in INTEGER_DTYPES:
                fault(index, key, f"{key} is for integer inputs, not {row.dtype}")
            elif isinstance(bound, str) and bound not in spec.axes:
                fault(index, key, f"axis {bound!r} is not declared under [axes]")
    return faults


def _workload_faults(axes: dict[str, int], spec: SpecModel) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for axis, size in axes.items():
        if axis not in spec.axes:
            found.append((f"axis {axis!r} is not declared under [axes]", axis))
            continue
        low, high = spec.axes[axis][:2]
        step = step_of(spec.axes[axis])
        if low <= high and not low <= size <= high:
            found.append((f"{axis} = {size} is outside its declared range [{low}, {high}]", axis))
        elif size % step:
            found.append((f"{axis} = {size} is not a multiple of {step}, as declared", axis))
    missing = [axis for axis in spec.axes if axis not in axes]
    if missing:
        found.append((f"has no size for {', '.join(missing)}", ""))
    return found
