"""The helpers that a problem folder's own tests call, on a folder as the bot would merge it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.fakes.scaled_sum import BASELINE, REFERENCE, TOML

KERNEL = """\
import torch
import triton
import triton.language as tl


@triton.jit
def _kernel(a_ptr, b_ptr, y_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    a = tl.load(a_ptr + offs, mask=offs < n)
    b = tl.load(b_ptr + offs, mask=offs < n)
    tl.store(y_ptr + offs, a + 2 * b, mask=offs < n)


def scaled_sum(a, b):
    y = torch.empty_like(a)
    _kernel[(triton.cdiv(a.numel(), 64),)](a, b, y, a.numel(), BLOCK=64)
    return y
"""
TEST = """\
from pathlib import Path

import pytest

from runner.testing import cases, check, load_entry, load_problem

FOLDER = Path(__file__).parent
PROBLEM = load_problem(FOLDER)


@pytest.mark.parametrize("case", cases(PROBLEM), ids=str)
def test_scaled_sum(case):
    check(PROBLEM, case, load_entry(FOLDER))
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    """A problem folder with a right kernel."""
    texts = {
        "problem.toml": TOML,
        "reference.py": REFERENCE,
        "baseline.py": BASELINE,
        "kernel.py": KERNEL,
        "test_kernel.py": TEST,
    }
    path = tmp_path / "scaled_sum"
    path.mkdir()
    for name, text in texts.items():
        (path / name).write_text(text)
    return path


def run_in_fresh_process(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Kernels bind to the interpreter when Triton is first imported: never in this process."""
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    environment.pop("TRITON_INTERPRET", None)
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_folder_with_a_right_kernel_is_green_and_a_wrong_one_is_red(folder):
    pytest_command = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_kernel.py")
    right = run_in_fresh_process(folder, *pytest_command)
    assert right.returncode == 0, right.stdout
    assert "7 passed" in right.stdout
    (folder / "kernel.py").write_text(KERNEL.replace("a + 2 * b", "a + 2 * b * (offs < 64)"))
    red = run_in_fresh_process(folder, *pytest_command)
    assert red.returncode == 1
    assert "only at indices >= 64 of axis 0 (N), which has 100" in red.stdout


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("return y.double()", "torch.float64"),
        ("return y[1:]", "(99,) != (100,)"),
        ("return y, y", "2 output(s) where 1 are due"),
        ("return None", "y is a <class 'NoneType'>"),
        ("a.zero_(); return y", "the call changed its input a"),
    ],
)
def test_check_says_what_is_wrong(statement, sentence, tmp_path):
    from runner.problem import parse_problem
    from runner.testing import cases, check

    problem = parse_problem(TOML, REFERENCE, BASELINE)
    namespace: dict = {}
    body = f"def scaled_sum(a, b):\n    y = a + 2 * b\n    {statement}\n"
    exec(body, namespace)
    with pytest.raises(AssertionError) as caught:
        check(problem, cases(problem)[0], namespace["scaled_sum"])
    assert sentence in str(caught.value)


def test_baselines_are_found_by_name_and_agree(folder):
    script = textwrap.dedent("""\
        from pathlib import Path
        import torch
        from runner.testing import baselines, bench_inputs, load_problem
        folder = Path(".").absolute()
        problem = load_problem(folder)
        inputs = bench_inputs(problem, problem.benchmarks[0], torch.device("cpu"))
        found = baselines(folder)
        results = [function(*inputs.values()) for function in found.values()]
        print(list(found), [tuple(r.shape) for r in results], torch.allclose(*results))
    """)
    done = run_in_fresh_process(folder, "-c", script)
    assert done.stdout.strip() == "['eager', 'by_hand'] [(4096,), (4096,)] True", done.stderr


def test_a_baseline_gets_what_it_prepares_for_these_tensors(folder):
    text = """
made = []

def prepare_by_hand(a, b):
    made.append(int(a.shape[0]))
    return 2 * b

def by_hand(a, b, twice):
    return a + twice
"""
    (folder / "baseline.py").write_text(text)
    script = textwrap.dedent("""\
        from pathlib import Path
        import sys, torch
        from runner.testing import baselines, bench_inputs, load_problem, load_reference
        folder = Path(".").absolute()
        problem = load_problem(folder)
        by_hand = baselines(folder)["by_hand"]
        reference = load_reference(folder)
        for _ in range(2):
            inputs = bench_inputs(problem, problem.benchmarks[0], torch.device("cpu")).values()
            for _ in range(3):
                assert torch.allclose(by_hand(*inputs), reference(*inputs))
        print(sys.modules["kernelwright_scaled_sum_baseline"].made)
    """)
    done = run_in_fresh_process(folder, "-c", script)
    assert done.stdout.strip() == "[4096, 4096]", done.stderr


def test_public_cases_repeat():
    from runner.problem import parse_problem
    from runner.testing import cases

    problem = parse_problem(TOML, REFERENCE, BASELINE)
    assert cases(problem) == cases(problem)
