"""Child process of test_exemplar_kernels.py: every exemplar compiled for sm_90, and none run.

Usage: compiled_exemplars.py [--tests] [NAME ...]. Prints one JSON object: exemplar → a list of
{kernel, workload, spill_bytes, registers, shared_bytes}, one for each launch at each benchmark
workload and, with --tests, at each test workload. Wants a TRITON_CACHE_DIR of its own: what it
leaves there has no cubin.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from triton.backends.nvidia import compiler as nvidia
from triton.runtime.jit import JITFunction

from runner.exemplars import Exemplar, exemplars
from runner.problem import Problem, load_problem
from runner.verifier import standin_driver
from runner.verifier.arena import torch_dtype

PROBLEMS = Path(__file__).parent / "problems"


class Launches:
    """Compiles where a kernel is launched, and notes what the assembler says of it."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._known: dict[str, tuple[int, int]] = {}
        compile_and_launch = JITFunction.run

        def run(function: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> Any:
            kernel = compile_and_launch(function, *args, grid=grid, warmup=True, **kwargs)
            registers, spill_bytes = self._assemble(kernel.asm["ptx"])
            self.rows.append(
                {
                    "kernel": function.fn.__name__,
                    "shared_bytes": int(kernel.metadata.shared),
                    "registers": registers,
                    "spill_bytes": spill_bytes,
                }
            )
            return kernel

        JITFunction.run = run
        # Triton's own assembling is not needed: this one's report is.
        nvidia.CUDABackend.make_cubin = lambda *_: b""

    def _assemble(self, ptx: str) -> tuple[int, int]:
        if ptx not in self._known:
            with tempfile.TemporaryDirectory() as name:
                source = Path(name) / "kernel.ptx"
                source.write_text(ptx)
                found = nvidia.get_ptxas(90)
                ptxas = getattr(found, "path", None) or found[0]
                done = subprocess.run(
                    [ptxas, "-v", "--gpu-name=sm_90a", source, "-o", Path(name) / "kernel.cubin"],
                    capture_output=True,
                    text=True,
                    check=True,
                )
            registers = re.search(r"Used (\d+) registers", done.stderr)
            spills = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", done.stderr)
            assert registers is not None, done.stderr
            assert spills is not None, done.stderr
            self._known[ptx] = (int(registers[1]), int(spills[1]) + int(spills[2]))
        return self._known[ptx]


def meta_inputs(problem: Problem, workload: Any) -> list[torch.Tensor]:
    return [
        torch.empty(spec.concrete_shape(workload), dtype=torch_dtype(spec.dtype), device="meta")
        for spec in problem.inputs
    ]


def compile_one(exemplar: Exemplar, launches: Launches, *, tests: bool) -> list[dict[str, Any]]:
    spec = importlib.util.spec_from_file_location(f"exemplar_{exemplar.name}", exemplar.path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    problem = load_problem(PROBLEMS / exemplar.name)
    rows: list[dict[str, Any]] = []
    for workload in (*problem.benchmarks, *(problem.tests if tests else ())):
        launches.rows.clear()
        getattr(module, exemplar.entry)(*meta_inputs(problem, workload))
        rows += [{**row, "workload": str(workload)} for row in launches.rows]
    return rows


def main() -> None:
    standin_driver.install(lambda call, quantiles: [1.0] * len(quantiles))
    launches = Launches()
    names = [argument for argument in sys.argv[1:] if argument != "--tests"]
    found = {
        exemplar.name: compile_one(exemplar, launches, tests="--tests" in sys.argv)
        for exemplar in exemplars()
        if not names or exemplar.name in names
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
