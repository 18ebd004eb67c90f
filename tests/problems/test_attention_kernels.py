"""The delivered attention kernels where users put them next: bfloat16, odd sizes, no key at all.

Each in a process of its own: without a GPU kernels bind to the interpreter when Triton is imported.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from runner.problem import Problem, load_problem

ROOT = Path(__file__).parents[2]
FOLDERS = [
    folder
    for folder in sorted(path for path in (ROOT / "problems").iterdir() if path.is_dir())
    if load_problem(folder).family == "attention" and (folder / "kernel.py").exists()
]

IN_BFLOAT16 = """
import sys
from pathlib import Path
from runner.problem import parse_problem
from runner.testing import cases, check, load_entry

for folder in map(Path, sys.argv[1:]):
    text = (folder / "problem.toml").read_text().replace('"float16"', '"bfloat16"')
    reference = (folder / "reference.py").read_text()
    problem = parse_problem(text, reference, (folder / "baseline.py").read_text())
    assert {spec.dtype for spec in problem.outputs} == {"bfloat16"}
    entry = load_entry(folder)
    # A head dimension that is no power of two, on a length that is no multiple of a block.
    odd = [case for case in cases(problem) if case.workload.axes["D"] in (80, 96)]
    for name in ("normal", "large"):
        case = next((case for case in odd if case.distribution == name), odd[0])
        check(problem, case, entry)
    print(folder.name)
"""
# `check` compares on the CPU, which full sizes are too large for.
IN_BFLOAT16_AT_FULL_SIZE = """
import sys
from pathlib import Path
from runner.problem import parse_problem
from runner.testing import as_tuple, baselines, device, expected_outputs, inputs_on, load_entry
from runner.verifier.comparison import compare
from runner.verifier.inputs import Case

folder = Path(sys.argv[1])
text = (folder / "problem.toml").read_text().replace('"float16"', '"bfloat16"')
reference = (folder / "reference.py").read_text()
problem = parse_problem(text, reference, (folder / "baseline.py").read_text())
entry, eager = load_entry(folder), baselines(folder)["eager"]
for workload in (*problem.tests, *problem.benchmarks):
    for distribution in ("normal", "uniform", "large"):
        case = Case(workload=workload, distribution=distribution, seed=1)
        inputs = inputs_on(problem, case, device())
        found = as_tuple(entry(*inputs.values()))
        truths = expected_outputs(problem, case, inputs, eager, device())
        for spec, value, truth in zip(problem.outputs, found, truths, strict=True):
            comparison = compare(value, truth, problem.tolerance.multiplier)
            assert comparison.passed, f"{spec.name} on {case}: {comparison}"
        print(case)
"""
NO_KEY_CACHED = """
import sys, torch
from pathlib import Path
from runner.testing import load_entry

entry = load_entry(Path(sys.argv[1]))
q = torch.randn(3, 1, 8, 64, dtype=torch.float16)
cache = torch.full((4, 16, 1, 64), float("nan"), dtype=torch.float16)
cache[2] = torch.randn(16, 1, 64)
table = torch.full((3, 2), 2, dtype=torch.int32)
o = entry(q, cache, cache, table, torch.tensor([0, 1, 20], dtype=torch.int32))
assert torch.equal(o[0], torch.zeros_like(o[0])), o[0]
assert torch.equal(o[1, 0], cache[2, 0].expand(8, 64)), o[1]
assert torch.isfinite(o).all()
"""


PADDING = """
import sys, torch
from pathlib import Path
from runner.testing import load_entry

entry = load_entry(Path(sys.argv[1]))
q, k, v = torch.randn(3, 2, 1, 130, 80, dtype=torch.bfloat16)
lengths = torch.tensor([[70, 0, 3], [0, 0, 0]], dtype=torch.int32)
o = entry(q, k, v, lengths)
assert torch.equal(o[0, :, 73:], torch.zeros_like(o[0, :, 73:])), o[0, :, 73:]
assert torch.equal(o[1], torch.zeros_like(o[1])), o[1]
assert torch.isfinite(o).all() and (o[0, :, :73] != 0).any(-1).all()
"""


def run_alone(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path}
    environment.pop("TRITON_INTERPRET", None)
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_every_kernel_is_right_in_bfloat16() -> None:
    done = run_alone(IN_BFLOAT16, *map(str, FOLDERS))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [folder.name for folder in FOLDERS]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_kernel_is_right_in_bfloat16_at_every_size(folder: Path) -> None:
    done = run_alone(IN_BFLOAT16_AT_FULL_SIZE, str(folder))
    assert done.returncode == 0, done.stderr
    problem = load_problem(folder)
    workloads = len(problem.tests) + len(problem.benchmarks)
    assert len(done.stdout.splitlines()) == 3 * workloads


@pytest.mark.parametrize(
    ("slug", "script"),
    [("paged_decode_attention", NO_KEY_CACHED), ("document_mask_attention", PADDING)],
)
def test_a_query_without_any_key_is_zero(slug: str, script: str) -> None:
    done = run_alone(script, str(ROOT / "problems" / slug))
    assert done.returncode == 0, done.stderr


def import_kernel(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"kernel_{folder.name}", folder / "kernel.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tensors_of(problem: Problem, **sizes: int) -> list[torch.Tensor]:
    axes = {**problem.tests[0].axes, **sizes}
    return [
        torch.zeros(
            [axes[d] if isinstance(d, str) else d for d in spec.shape],
            dtype=getattr(torch, spec.dtype),
        )
        for spec in problem.inputs
    ]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_it_cannot_do_is_refused_before_any_launch(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = load_problem(folder)
    kernel = import_kernel(folder)
    entry = getattr(kernel, problem.entry)

    def launched(*_: object, **__: object) -> None:
        raise AssertionError("it was launched")

    for name in [name for name in vars(kernel) if name.endswith("_kernel")]:
        monkeypatch.setattr(getattr(kernel, name), "run", launched)
    good = tensors_of(problem)
    wrong = {
        "a head dimension": tensors_of(problem, D=136),
        "float32": [t.float() if t.dtype is torch.float16 else t for t in good],
        "another dtype beside it": [good[0].bfloat16(), *good[1:]],
        "other strides": [good[0].transpose(-1, -2).contiguous().transpose(-1, -2), *good[1:]],
        "a missing dimension": [good[0][0], *good[1:]],
    }
    words = {
        "a head dimension": "head dimension is 136",
        "float32": "must be float16 or bfloat16",
        "another dtype beside it": "must be float16 or bfloat16",
        "other strides": "contiguous",
        "a missing dimension": "must be",
    }
    for what, tensors in wrong.items():
        with pytest.raises(ValueError, match=words[what]):
            entry(*tensors)
    with pytest.raises(AssertionError, match="launched"):
        entry(*good)
