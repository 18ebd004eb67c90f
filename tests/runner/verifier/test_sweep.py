"""What the sweep says of badly formed answers, on one shared candidate worker and reference run."""

from __future__ import annotations

import time
import weakref
from pathlib import Path

import pytest
import torch

from runner.contract import Candidate, EvaluationStatus
from runner.problem import parse_problem
from runner.verifier.arena import Arena
from runner.verifier.inputs import plan_cases
from runner.verifier.layouts import CONTIGUOUS
from runner.verifier.oracle import Oracle, PreparedCase, arena_bytes
from runner.verifier.outputs import read_outputs
from runner.verifier.process import Start, WorkerProcess
from runner.verifier.sandbox import open_sandbox
from runner.verifier.sweep import Sweep

PLAIN = (Path(__file__).parents[2] / "honest" / "plain.py").read_text()


def make_worker(role, problem, cases):
    arena = Arena.create(4 * arena_bytes(problem, cases, wide=True))
    sandbox = open_sandbox(allow_none=True)
    return WorkerProcess(Start(role=role, sandbox=sandbox, arenas=(arena,), cpu_s=120))


@pytest.fixture(scope="module")
def reference_worker(softmax_problem):
    worker = make_worker("reference", softmax_problem, plan_cases(softmax_problem, seed=3))
    yield worker
    worker.close()


def prepare(problem, cases, worker) -> Oracle:
    oracle = Oracle(problem, cases, worker, timeout_s=60, keep_bytes=1 << 30)
    oracle.prepare()
    return oracle


@pytest.fixture(scope="module")
def prepared(softmax_problem, reference_worker):
    cases = plan_cases(softmax_problem, seed=3, quick=True)
    return prepare(softmax_problem, cases, reference_worker)


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
def test_unusual_but_honest_answer_passes(last_line, swept, prepared):
    found = swept(last_line)
    assert found.finding is None
    assert set(found.kernels) == {str(case.workload) for case in prepared.cases}
    assert set(found.kernels.values()) == {frozenset({"_softmax_kernel"})}
    assert {"guard bands", "run to run", "held-out workloads"} <= {c.name for c in found.checks}


@pytest.fixture
def sweep_of(softmax_problem, prepared, worker):
    def run(*changes: tuple[str, str]):
        source = PLAIN
        for old, new in changes:
            assert old in source
            source = source.replace(old, new)
        sweep = Sweep(softmax_problem, worker, prepared)
        return sweep.run(Candidate.of(source, 1), time.monotonic() + 60)

    return run


@pytest.mark.parametrize(
    ("change", "summary"),
    [
        (
            ("numerator / tl.sum(numerator, 0), mask=mask)", "numerator / tl.sum(numerator, 0))"),
            "wrote outside its output y (1 bytes after its end)",
        ),
        (
            ("    tl.store(", "    tl.store(y_ptr - 3, 0.0)\n    tl.store("),
            "wrote outside its output y (5 bytes before its beginning)",
        ),
        (
            ("    tl.store(", "    tl.store(x_ptr - 1, 0.0)\n    tl.store("),
            "wrote outside input x (2 bytes before its beginning)",
        ),
    ],
)
def test_write_out_of_bounds_is_found_where_it_happened(change, summary, sweep_of):
    finding = sweep_of(change).finding
    assert finding.status is EvaluationStatus.RUNTIME_ERROR
    assert finding.summary == summary
    assert "needs a mask" in finding.detail


def test_read_out_of_bounds_is_nan_and_told_so(sweep_of):
    change = ("tl.load(x_ptr + row * n_cols + offs, mask=mask, other=-float(\"inf\"))",
              "tl.load(x_ptr + row * n_cols + offs)")  # fmt: skip
    finding = sweep_of(change).finding
    assert finding.status is EvaluationStatus.INCORRECT_NUMERICAL
    assert "memory outside an input" in finding.detail


def test_answer_that_changes_from_run_to_run_is_told_so(sweep_of):
    changes = [
        ("import torch\n", "import torch\n\ncalls = []\n"),
        ("    return y\n", "    calls.append(1)\n    return y if len(calls) == 1 else y.zero_()\n"),
    ]
    finding = sweep_of(*changes).finding
    assert finding.status is EvaluationStatus.INCORRECT_NUMERICAL
    assert finding.summary.startswith("differs from run to run: y: ")
    assert "a race, uninitialised memory" in finding.detail


def test_wrong_answer_that_repeats_is_not_called_a_race(sweep_of):
    finding = sweep_of(("    return y\n", "    return y.zero_()\n")).finding
    assert finding.status is EvaluationStatus.INCORRECT_NUMERICAL
    assert "run to run" not in finding.summary
    assert "race" not in finding.detail


def test_kernel_that_fits_the_tests_only_fails_on_a_held_out_workload(sweep_of):
    change = ("    return y\n", "    return y if x.shape[1] in (64, 100) else y.zero_()\n")
    found = sweep_of(change)
    assert found.finding.stage == "held-out"
    assert " on a held-out workload, M=" in found.finding.summary
    assert "Right on: M=3 N=64; M=5 N=100" in found.finding.detail
    assert found.checks == ()


@pytest.mark.parametrize(
    ("load", "honest"),
    [
        ("x_ptr + row * x.stride(0) + offs * x.stride(1)", True),
        ("x_ptr + row * n_cols + offs", False),
    ],
)
def test_kernel_must_accept_the_strides_that_the_spec_allows(
    load, honest, softmax_texts, reference_worker, worker
):
    toml = softmax_texts.toml.replace(
        'dtype = "float16"\n\n[[outputs]]', 'dtype = "float16"\ncontiguous = false\n\n[[outputs]]'
    )
    problem = parse_problem(toml, softmax_texts.reference)
    cases = [case for case in plan_cases(problem, seed=3) if case.layout != CONTIGUOUS]
    source = PLAIN.replace("y_ptr, n_cols", "y_ptr, n_cols, sm, sn").replace(
        "x, y, x.shape[1]", "x, y, x.shape[1], x.stride(0), x.stride(1)"
    )
    source = source.replace(
        "x_ptr + row * n_cols + offs",
        load.replace("x.stride(0)", "sm").replace("x.stride(1)", "sn"),
    )
    source = source.replace("torch.empty_like(x)", "torch.empty(x.shape, dtype=x.dtype)")
    sweep = Sweep(problem, worker, prepare(problem, cases, reference_worker))
    found = sweep.run(Candidate.of(source, 1), time.monotonic() + 60)
    if honest:
        assert found.finding is None, found.finding
        assert "layouts" in {check.name for check in found.checks}
    else:
        assert found.finding.status is EvaluationStatus.INCORRECT_NUMERICAL
        assert "last two axes transposed in memory]" in found.finding.summary


def test_module_that_raises_when_imported_is_a_runtime_error(softmax_problem, prepared, worker):
    candidate = Candidate.of("import torch\nraise RuntimeError('at import')\n", 1)
    found = Sweep(softmax_problem, worker, prepared).run(candidate, time.monotonic() + 60)
    assert found.finding.status is EvaluationStatus.RUNTIME_ERROR
    assert found.finding.summary == "kernel.py:2: RuntimeError: at import"


def test_nothing_of_a_case_is_held_when_the_next_one_is_asked_for(
    softmax_problem, prepared, worker, reference_worker, monkeypatch
):
    """Of a problem whose tensors take gigabytes two cases at once are more than a GPU holds."""
    alive: list[weakref.ref[torch.Tensor]] = []
    asked: list[int] = []

    class Watched(Oracle):
        def case(self, index: int) -> PreparedCase:
            asked.append(sum(ref() is not None for ref in alive))
            alive.clear()
            made = super().case(index)
            alive.extend(map(weakref.ref, made.inputs.values()))
            alive.extend(weakref.ref(truth.exact) for truth in made.expected)
            return made

    def read(*arguments):
        outputs = read_outputs(*arguments)
        alive.extend(map(weakref.ref, outputs))
        return outputs

    monkeypatch.setattr("runner.verifier.sweep.read_outputs", read)
    oracle = Watched(softmax_problem, prepared.cases, reference_worker, timeout_s=60, keep_bytes=0)
    oracle.prepare()
    for last_line in ("return y", "return y if x.shape[0] == 3 else y.zero_()"):
        source = PLAIN.replace("    return y\n", f"    {last_line}\n")
        sweep = Sweep(softmax_problem, worker, oracle)
        sweep.run(Candidate.of(source, 1), time.monotonic() + 60)
    assert len(asked) > len(prepared.cases)
    assert set(asked) == {0}
