"""Problem specs: `problem.toml` plus `reference.py` → `Problem`.

Owns parsing and checking, and names every fault with its line. Torch-free, and never runs the
reference: both texts may come from an issue and are hostile until shown otherwise.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from runner.contract import KernelRequest, Workload, sha256_hex
from runner.errors import Fault, ProblemError, RunnerError
from runner.recipe import MODEL_CLASS
from runner.spec_lines import SpecLines
from runner.spec_model import DTYPES, SpecModel, collect_model_faults, step_of
from runner.spec_module import ModuleForm, Part, read_form

__all__ = ["DTYPES", "Problem", "TensorSpec", "Tolerance", "load_problem", "parse_problem"]

SPEC_FILE = "problem.toml"
REFERENCE_FILE = "reference.py"
BASELINE_FILE = "baseline.py"
# What the runner itself can supply; every other baseline is a function of baseline.py.
BUILT_IN_BASELINES = frozenset({"eager", "compile", "compile_max_autotune"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """One input or output: a symbolic shape and a dtype.

    `low` and `high` bound the values of integer inputs, [low, high); each is an int or an axis.
    An input that is not `contiguous` may come with any strides. `part`: what it is of a module,
    `state` its name there, for example "linear.weight".
    """

    name: str
    shape: tuple[str | int, ...]
    dtype: str
    low: int | str | None = None
    high: int | str | None = None
    contiguous: bool = True
    part: Part = "input"
    state: str | None = None

    def concrete_shape(self, workload: Workload) -> tuple[int, ...]:
        """The shape in elements for `workload`."""
        return tuple(workload.axes[dim] if isinstance(dim, str) else dim for dim in self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """Allowed error as a multiple of the low-precision reference's own error against float64."""

    multiplier: float = 2.0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One checked problem. The texts are kept as given: their digest is its identity.

    `axes`: the lowest and the highest size of each, in steps of `steps`. `library_ops`: the torch
    operators that a candidate may call, by name without overload; empty unless the policy is mixed.
    `module`: the task is a class, `Model` in the reference and `entry` in a candidate.
    """

    name: str
    entry: str
    summary: str
    family: str
    policy: Literal["triton-only", "mixed"]
    library_ops: tuple[str, ...]
    baselines: tuple[str, ...]
    hints: str
    axes: Mapping[str, tuple[int, int]]
    steps: Mapping[str, int]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    tests: tuple[Workload, ...]
    benchmarks: tuple[Workload, ...]
    tolerance: Tolerance
    toml_text: str
    reference_text: str
    baseline_text: str | None
    module: ModuleForm | None = None

    @property
    def sha256(self) -> str:
        """Digest of what defines the task: the spec and the reference."""
        return problem_digest(self.toml_text, self.reference_text)


def problem_digest(toml_text: str, reference_text: str) -> str:
    """The digest that a `Problem` of these texts has."""
    return sha256_hex(f"{toml_text}\0{reference_text}")


def problem_of(request: KernelRequest) -> Problem:
    """The problem that a request carries. Raises ProblemError."""
    return parse_problem(request.problem_toml, request.reference_py, request.baseline_py)


def load_problem(folder: Path) -> Problem:
    """Read a problem folder. Raises ProblemError, also where a file is missing or not UTF-8, and
    RunnerError where there is no such folder.
    """
    if not folder.exists():
        raise RunnerError(f"there is no folder {folder}")
    if not folder.is_dir():
        raise RunnerError(f"{folder} is a file: name the folder that has {SPEC_FILE}")
    texts: dict[str, str] = {}
    faults: list[Fault] = []
    for name in (SPEC_FILE, REFERENCE_FILE, BASELINE_FILE):
        try:
            texts[name] = (folder / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            if name != BASELINE_FILE:
                faults.append(Fault(name, None, f"is missing from {folder}"))
        except UnicodeDecodeError:
            faults.append(Fault(name, None, "is not UTF-8 text"))
        except OSError as error:
            faults.append(Fault(name, None, f"cannot be read: {error.strerror}"))
    if faults:
        raise ProblemError(tuple(faults))
    return parse_problem(texts[SPEC_FILE], texts[REFERENCE_FILE], texts.get(BASELINE_FILE))


def parse_problem(toml_text: str, reference_text: str, baseline_text: str | None = None) -> Problem:
    """Parse and check a spec. Raises ProblemError with every fault found."""
    faults: list[Fault] = []
    document = _parse_toml(toml_text, faults)
    spec: SpecModel | None = None
    if document is not None:
        spec, model_faults = collect_model_faults(document, SpecLines(toml_text), SPEC_FILE)
        faults += model_faults
    entry, names = _entry_and_inputs(document)
    if spec is not None and spec.module is not None:
        faults += _module_faults(reference_text)
    else:
        faults += _reference_faults(reference_text, entry, names)
    if spec is not None:
        faults += _baseline_faults(spec.baselines, baseline_text, SpecLines(toml_text))
    if spec is None or faults:
        raise ProblemError(tuple(faults))
    return Problem(
        name=spec.name,
        entry=spec.entry,
        summary=spec.summary,
        family=spec.family,
        policy=spec.policy,
        library_ops=spec.library_ops,
        baselines=spec.baselines,
        hints=spec.hints,
        axes={axis: (sizes[0], sizes[1]) for axis, sizes in spec.axes.items()},
        steps={axis: step_of(sizes) for axis, sizes in spec.axes.items()},
        inputs=tuple(TensorSpec(**row.model_dump()) for row in spec.inputs),
        outputs=tuple(TensorSpec(**row.model_dump()) for row in spec.outputs),
        tests=tuple(Workload(axes=row) for row in spec.tests),
        benchmarks=tuple(Workload(axes=row) for row in spec.benchmarks),
        tolerance=Tolerance(**spec.tolerance.model_dump()),
        toml_text=toml_text,
        reference_text=reference_text,
        baseline_text=baseline_text,
        module=None
        if spec.module is None
        else read_form(spec.module, [row.name for row in spec.inputs]),
    )


def _parse_toml(text: str, faults: list[Fault]) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # Python 3.14 gives fields; before, the line stands only in the message.
        message = str(error)
        _, _, tail = message.partition("(at line ")
        line = tail.split(",")[0]
        message = message.split(" (at ")[0]
        faults.append(Fault(SPEC_FILE, int(line) if line.isdigit() else None, message))
        return None


def _entry_and_inputs(document: dict[str, Any] | None) -> tuple[str | None, list[str] | None]:
    """The entry's name and the inputs' names as far as a faulty spec gives them."""
    if document is None:
        return None, None
    entry = document.get("entry")
    rows = document.get("inputs")
    names: list[str] | None = None
    if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
        candidates = [row.get("name") for row in rows]
        names = [n for n in candidates if isinstance(n, str)]
        if len(names) != len(candidates) or len(set(names)) != len(names):
            names = None  # told once, as a fault of the spec
    return (entry if isinstance(entry, str) else None), names


def _reference_faults(text: str, entry: str | None, names: list[str] | None) -> list[Fault]:
    return _function_faults(REFERENCE_FILE, text, entry, names)


def _module_faults(text: str) -> list[Fault]:
    tree = _parse_python(REFERENCE_FILE, text)
    if isinstance(tree, Fault):
        return [tree]
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    if MODEL_CLASS not in classes:
        return [Fault(REFERENCE_FILE, None, f"defines no class {MODEL_CLASS!r}")]
    return []


def _parse_python(file: str, text: str) -> ast.Module | Fault:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        return Fault(file, line, f"does not parse: {reason}")
    except (RecursionError, MemoryError):
        return Fault(file, None, "does not parse: it is nested too deeply")


def _function_faults(
    file: str, text: str, function: str | None, names: list[str] | None
) -> list[Fault]:
    tree = _parse_python(file, text)
    if isinstance(tree, Fault):
        return [tree]
    if function is None:
        return []
    defined = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function
    ]
    if not defined:
        return [Fault(file, None, f"defines no function {function!r}")]
    parameters = [arg.arg for arg in [*defined[-1].args.posonlyargs, *defined[-1].args.args]]
    if names is not None and parameters != names:
        wanted, found = ", ".join(names), ", ".join(parameters)
        message = f"{function}({found}) should take the inputs in order: {function}({wanted})"
        return [Fault(file, defined[-1].lineno, message)]
    return []


def _baseline_faults(baselines: tuple[str, ...], text: str | None, lines: SpecLines) -> list[Fault]:
    own = [name for name in baselines if name not in BUILT_IN_BASELINES]
    if not own:
        return []
    if text is None:
        needed = ", ".join(own)
        return [Fault(SPEC_FILE, lines.key("baselines"), f"{needed}: needs a {BASELINE_FILE}")]
    faults = [fault for name in own for fault in _function_faults(BASELINE_FILE, text, name, None)]
    return list(dict.fromkeys(faults))
