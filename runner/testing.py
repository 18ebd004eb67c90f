"""What a problem folder's own tests call: its cases, inputs, truth and tolerance.

Owns the public face of the verifier's numerics for `test_kernel.py` and `bench_kernel.py`, on a
GPU or, without one, in Triton's interpreter. Runs reference and kernel in this process: it is for
merged, reviewed code. A candidate is judged by `runner.verifier`, never by this.

    FOLDER = Path(__file__).parent
    PROBLEM = load_problem(FOLDER)
    entry = load_entry(FOLDER)

    @pytest.mark.parametrize("case", cases(PROBLEM), ids=str)
    def test_matches_the_reference(case):
        check(PROBLEM, case, entry)
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from runner.contract import Workload
from runner.errors import ReferenceFailed
from runner.problem import BASELINE_FILE, Problem, load_problem
from runner.verifier.arena import torch_dtype
from runner.verifier.comparison import compare
from runner.verifier.evaluations import Place, expect_outputs
from runner.verifier.inputs import NORMAL, Case, make_inputs, plan_cases
from runner.verifier.numerics import Expected
from runner.verifier.patterns import describe_difference
from runner.verifier.precise import call_in_float64
from runner.verifier.wire import PREPARATION

__all__ = [
    "Case",
    "as_tuple",
    "baselines",
    "bench_inputs",
    "cases",
    "check",
    "device",
    "edge_cases",
    "expected_outputs",
    "inputs_on",
    "load_entry",
    "load_problem",
    "load_reference",
]

Entry = Callable[..., Any]
# Public tests repeat: the secret seeds are the verifier's.
_SEED = 20_240_601
_COMPILE_MODES: dict[str, str | None] = {
    "compile": None,
    "compile_max_autotune": "max-autotune-no-cudagraphs",
}


def device() -> torch.device:
    """Where tests run: the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_entry(folder: Path, file: str = "kernel.py") -> Entry:
    """The entry function of a problem folder's kernel. Without a GPU it will be interpreted."""
    if device().type == "cpu":
        # Read by @triton.jit while the kernel's module is imported.
        os.environ["TRITON_INTERPRET"] = "1"
        from runner.verifier.interpreter import mend_interpreter

        mend_interpreter()
    return _function(_import_file(folder / file), load_problem(folder).entry)


def load_reference(folder: Path) -> Entry:
    """The reference of a problem folder, which is also its eager baseline."""
    return load_entry(folder, "reference.py")


def baselines(folder: Path) -> dict[str, Entry]:
    """What a user would run instead, by name: eager, compile, and those of baseline.py.

    Compiled ones compile on their first call; that needs a GPU or a C++ compiler. The settings are
    the verifier's: float32 means float32, and every shape gets a kernel of its own. What a
    baseline's `prepare_` function makes is made once for the same tensors.
    """
    torch.backends.cudnn.allow_tf32 = False
    torch._dynamo.config.cache_size_limit = 64
    reference = load_reference(folder)
    found: dict[str, Entry] = {}
    for name in load_problem(folder).baselines:
        if name == "eager":
            found[name] = reference
        elif name in _COMPILE_MODES:
            found[name] = torch.compile(reference, dynamic=False, mode=_COMPILE_MODES[name])
        else:
            module = _import_file(folder / BASELINE_FILE)
            entry = _function(module, name)
            prepare = getattr(module, f"{PREPARATION}{name}", None)
            found[name] = entry if prepare is None else _prepared(entry, prepare)
    return found


def _prepared(entry: Entry, prepare: Entry) -> Entry:
    held: tuple[tuple[torch.Tensor, ...], Any] | None = None

    def call(*inputs: torch.Tensor) -> Any:
        nonlocal held
        if held is None or any(a is not b for a, b in zip(held[0], inputs, strict=True)):
            held = (inputs, prepare(*inputs))
        return entry(*inputs, held[1])

    return call


def cases(problem: Problem) -> tuple[Case, ...]:
    """Every test workload with normal inputs, and the other distributions in turn. Repeatable."""
    return tuple(case for case in plan_cases(problem, _SEED) if not case.held_out)


def edge_cases(problem: Problem) -> tuple[Case, ...]:
    """The lowest size of every axis at once, then of one at a time, the others as first tested."""
    first = problem.tests[0].axes
    lowest = {axis: low for axis, (low, _) in problem.axes.items()}
    sizes = [lowest, *({**first, axis: low} for axis, low in lowest.items())]
    workloads = {str(workload): workload for workload in (Workload(axes=row) for row in sizes)}
    listed = set(map(str, problem.tests))
    return tuple(
        Case(workload=workload, distribution=NORMAL, seed=_SEED)
        for name, workload in workloads.items()
        if name not in listed
    )


def inputs_on(problem: Problem, case: Case, where: torch.device) -> dict[str, torch.Tensor]:
    """The case's inputs by name, on `where`. The same values on every machine."""
    return {name: tensor.to(where) for name, tensor in make_inputs(problem, case).items()}


def bench_inputs(
    problem: Problem, workload: Workload, where: torch.device
) -> dict[str, torch.Tensor]:
    """Normal inputs of a benchmark workload, on `where`."""
    return inputs_on(problem, Case(workload=workload, distribution=NORMAL, seed=_SEED), where)


def check(problem: Problem, case: Case, entry: Entry, reference: Entry | None = None) -> None:
    """Call `entry` on the case and compare with the reference in float64.

    Raises AssertionError that says where and by how much the result is wrong, or that an input
    was changed. `reference` defaults to the problem's own text, imported here.
    """
    where = device()
    inputs = inputs_on(problem, case, where)
    before = {name: tensor.clone() for name, tensor in inputs.items()}
    found = as_tuple(entry(*inputs.values()))
    for name, tensor in inputs.items():
        unchanged = torch.equal(
            tensor.flatten().view(torch.uint8), before[name].flatten().view(torch.uint8)
        )
        assert unchanged, f"the call changed its input {name}"  # noqa: S101 - a test's own words
    expected = expected_outputs(problem, case, before, reference or _reference_of(problem))
    assert len(found) == len(expected), (  # noqa: S101
        f"{len(found)} output(s) where {len(expected)} are due"
    )
    for spec, value, truth in zip(problem.outputs, found, expected, strict=True):
        shape = spec.concrete_shape(case.workload)
        assert type(value) is torch.Tensor, f"{spec.name} is a {type(value)}"  # noqa: S101
        assert tuple(value.shape) == shape, f"{spec.name}: {tuple(value.shape)} != {shape}"  # noqa: S101
        assert value.dtype is torch_dtype(spec.dtype), f"{spec.name}: {value.dtype}"  # noqa: S101
        comparison = compare(value.cpu(), truth, problem.tolerance.multiplier)
        if not comparison.passed:
            lines = describe_difference(value.cpu(), truth, comparison, spec.shape)
            raise AssertionError("\n".join([f"{spec.name} on {case}:", *lines]))


def expected_outputs(
    problem: Problem,
    case: Case,
    inputs: Mapping[str, torch.Tensor],
    reference: Entry,
    where: torch.device | str = "cpu",
) -> tuple[Expected, ...]:
    """Truth and honest error of every output, on `where`, as `runner.verifier.numerics` defines.

    The low-precision reference runs where the inputs are; the oracle runs on `where` in float64.
    """

    def low(given: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
        return [value.to(where) for value in as_tuple(reference(*given.values()))]

    def wide(given: Mapping[str, torch.Tensor], place: Place) -> tuple[Any, ...]:
        tensors = []
        for tensor in given.values():
            if tensor.is_floating_point():
                tensors.append(torch.empty_like(tensor, dtype=torch.float64, device=where))
                place(tensor, tensors[-1])
            else:
                tensors.append(tensor.to(where))
        return as_tuple(call_in_float64(reference, tensors))

    generator = torch.Generator(where).manual_seed(case.seed ^ 1)
    return expect_outputs(problem, inputs, generator, low=low, wide=wide)


def _reference_of(problem: Problem) -> Entry:
    module = ModuleType(f"{problem.name}_reference")
    exec(compile(problem.reference_text, "reference.py", "exec"), module.__dict__)  # noqa: S102
    return _function(module, problem.entry)


def _import_file(path: Path) -> ModuleType:
    # One module a file: two problems' kernel.py must not meet under one name.
    name = f"kernelwright_{path.parent.name}_{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _function(module: ModuleType, name: str) -> Entry:
    function = getattr(module, name, None)
    if not callable(function):
        raise ReferenceFailed(f"{module.__name__} defines no function {name!r}")
    found: Entry = function
    return found


def as_tuple(value: Any) -> tuple[Any, ...]:
    """What a reference or a kernel returned, one output or several."""
    return tuple(value) if isinstance(value, tuple | list) else (value,)
