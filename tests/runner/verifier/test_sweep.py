"""What the sweep says of badly formed answers, on one shared candidate worker and reference run."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from runner.contract import Candidate, EvaluationStatus
from runner.verifier.arena import Arena
from runner.verifier.inputs import plan_cases
from runner.verifier.oracle import arena_bytes, prepare_cases
from runner.verifier.process import Start, WorkerProcess
from runner.verifier.sandbox import open_sandbox
from runner.verifier.sweep import Sweep

PLAIN = (Path(__file__).parent / "kernels" / "plain.py").read_text()


def make_worker(role, problem, cases):
    arena = Arena.create(4 * arena_bytes(problem, cases, wide=True))
    sandbox = open_sandbox(allow_none=True)
    return WorkerProcess(Start(role=role, sandbox=sandbox, arenas=(arena,), cpu_s=120))


@pytest.fixture(scope="module")
def prepared(softmax_problem):
    cases = plan_cases(softmax_problem, seed=3, quick=True)
    worker = make_worker("reference", softmax_problem, cases)
    yield prepare_cases(softmax_problem, cases, worker, 60)
    worker.close()


@pytest.fixture(scope="module")
def worker(softmax_problem, prepared):
    worker = make_worker("candidate", softmax_problem, prepared.cases)
    yield worker
    worker.close()


@pytest.fixture
def swept(softmax_problem, prepared, worker):
    def run(last_line: str):
        source = PLAIN.replace("    return y\n", f"    {last_line}\n")
        sweep = Sweep(softmax_problem, worker, prepared)
        return sweep.run(Candidate.of(source, 1), time.monotonic() + 60)

    return run


@pytest.mark.parametrize(
    ("last_line", "status", "sentence"),
    [
        ("return", "INCORRECT_SHAPE", "y is None, not a tensor"),
        (
            "return (y,)",
            "INCORRECT_SHAPE",
            "row_softmax returned a tuple of 1 where one tensor is due",
        ),
        ("return [y, y]", "INCORRECT_SHAPE", "row_softmax returned a list of 2 where one tensor"),
        ("return 3.5", "INCORRECT_SHAPE", "y is a float, not a tensor"),
        ("return y[1:]", "INCORRECT_SHAPE", "y has shape [2, 64], expected [3, 64]"),
        ("return y.t()", "INCORRECT_SHAPE", "y has shape [64, 3], expected [3, 64]"),
        ("return y.float()", "INCORRECT_DTYPE", "y is float32, expected float16"),
        ("return y.to('meta')", "RUNTIME_ERROR", "y is on device meta, its inputs are on cpu"),
        ("return torch.nn.Parameter(y)", "CHEATED", "y is a Parameter, a subclass of torch.Tensor"),
        ("return torch.empty(1 << 28)", "INCORRECT_SHAPE", "y has shape [268435456]"),
        ("return y.copy_(x)", "INCORRECT_NUMERICAL", "y: "),
        ("x.zero_()\n    return y", "CHEATED", "the call changed its input x"),
        ("return y.mul_(1)", "CHEATED", "the library computed: torch mul_"),
        ("return torch.tensor(y.tolist(), dtype=y.dtype)", "CHEATED", "through Tensor.tolist()"),
        ("raise ValueError('no')", "RUNTIME_ERROR", "kernel.py:23: ValueError: no"),
        ("raise ValueError('\\x1b[31m' + 'long ' * 999)", "RUNTIME_ERROR", "ValueError: [31mlong"),
    ],
)
def test_badly_formed_answer_gets_its_status_and_one_clear_sentence(
    last_line, status, sentence, swept
):
    found = swept(last_line)
    assert found.finding.status.value == status, found.finding
    assert sentence in found.finding.summary
    assert "\n" not in found.finding.summary
    assert len(found.finding.summary) <= 400


@pytest.mark.parametrize(
    "last_line",
    [
        "return y.t().contiguous().t()",
        "return y.view(1, *y.shape)[0]",
        "return torch.cat if False else y",
        "x.shape[0] and x[0, 0].item()\n    return y",
    ],
)
def test_unusual_but_honest_answer_passes(last_line, swept):
    found = swept(last_line)
    assert found.finding is None
    assert found.kernels == {"M=3 N=64": {"_softmax_kernel"}, "M=5 N=100": {"_softmax_kernel"}}


def test_module_that_raises_when_imported_is_a_runtime_error(softmax_problem, prepared, worker):
    candidate = Candidate.of("import torch\nraise RuntimeError('at import')\n", 1)
    found = Sweep(softmax_problem, worker, prepared).run(candidate, time.monotonic() + 60)
    assert found.finding.status is EvaluationStatus.RUNTIME_ERROR
    assert found.finding.summary == "kernel.py:2: RuntimeError: at import"
