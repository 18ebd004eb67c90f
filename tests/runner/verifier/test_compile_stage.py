"""What compilation says, on one shared compiler worker: the sources here are ours."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from triton._C.libtriton import ir

from runner.contract import Candidate, EvaluationStatus
from runner.verifier.arena import Arena
from runner.verifier.assembler import Assembler, AssemblyFailed
from runner.verifier.compile_stage import CompileStage, diagnostics
from runner.verifier.inputs import plan_cases
from runner.verifier.process import Start, WorkerProcess
from runner.verifier.sandbox import open_sandbox
from runner.verifier.worker import needs_threads

PLAIN = (Path(__file__).parents[2] / "honest" / "plain.py").read_text()


@pytest.fixture(scope="module")
def compiler():
    """(worker, assembler), warm."""
    sandbox = open_sandbox(allow_none=True)
    arena = Arena.create(8 << 20)
    worker = WorkerProcess(Start(role="compiler", sandbox=sandbox, arenas=(arena,), cpu_s=120))
    worker.wait_ready()
    yield worker, Assembler(worker.ready["ptxas"], sandbox)
    worker.close()


@pytest.fixture
def compiled(compiler, softmax_problem):
    def run(source: str):
        worker, assembler = compiler
        stage = CompileStage(softmax_problem, worker, assembler)
        return stage.run(Candidate.of(source, 1), time.monotonic() + 60)

    return run


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("tl.exp(x", "tl.no_such(x", r"^kernel\.py:\d+: .*no_such"),
        ("tl.sum(numerator, 0)", "undefined_name", r"^kernel\.py:16: .*undefined_name"),
        ("tl.arange(0, BLOCK)", "tl.arange(0, n_cols)", r"^kernel\.py:12: .*constexpr"),
        ("x - tl.max(x, 0)", "x - tl.zeros((8,), tl.float32)", r"^kernel\.py:15: "),
        ("x, y, x.shape[1], BLOCK", "x, y, BLOCK", r"^kernel\.py:22: .*n_cols"),
    ],
)
def test_compile_error_names_the_candidates_own_line(old, new, expected, compiled):
    finding = compiled(PLAIN.replace(old, new, 1)).finding
    assert finding.status is EvaluationStatus.COMPILE_ERROR
    assert re.search(expected, finding.summary), finding.summary
    assert "site-packages" not in finding.detail


def test_exception_in_host_code_is_no_compile_error(compiled):
    finding = compiled(PLAIN.replace("x.shape[1])\n", "x.shape[7])\n", 1)).finding
    assert finding.status is EvaluationStatus.RUNTIME_ERROR
    assert re.search(r"^kernel\.py:21: IndexError: ", finding.summary)


def test_shared_memory_above_the_gpus_limit_is_refused_with_the_number(compiled):
    source = PLAIN.replace(
        "    numerator = tl.exp(",
        "    a = tl.zeros((64, 2048), tl.float16) + tl.sum(x, 0).to(tl.float16)\n"
        "    x += tl.sum(tl.sum(tl.dot(a, tl.trans(a)), 0), 0) * 0\n"
        "    numerator = tl.exp(",
    )
    finding = compiled(source).finding
    assert finding.status is EvaluationStatus.COMPILE_ERROR
    assert re.search(r"needs \d+ bytes of shared memory a block .* 232448", finding.summary)


def test_grid_above_the_gpus_limit_is_refused(compiled):
    source = PLAIN.replace("[(x.shape[0],)]", "[(x.shape[0], 65536)]")
    finding = compiled(source).finding
    assert finding.status is EvaluationStatus.COMPILE_ERROR
    assert "grid [3, 65536]" in finding.summary


def test_resources_come_from_the_assembler_for_every_workload(compiled):
    found = compiled(PLAIN)
    assert found.finding is None
    assert [str(row.workload) for row in found.resources] == [
        "M=3 N=64",
        "M=5 N=100",
        "M=256 N=1024",
    ]
    assert {row.kernel for row in found.resources} == {"_softmax_kernel"}
    assert all(0 < row.registers <= 255 and row.num_warps == 4 for row in found.resources)
    assert found.kernels == {str(row.workload): {"_softmax_kernel"} for row in found.resources}


def test_benchmark_larger_than_memory_is_compiled_without_allocating_it(compiler, softmax_texts):
    from runner.problem import parse_problem

    toml = softmax_texts.toml.replace("M = [1, 4096]", "M = [1, 16777216]")
    toml = toml.replace("[[benchmarks]]\nM = 256", "[[benchmarks]]\nM = 16777216")
    problem = parse_problem(toml, softmax_texts.reference)
    worker, assembler = compiler
    found = CompileStage(problem, worker, assembler).run(
        Candidate.of(PLAIN, 1), time.monotonic() + 60
    )
    assert found.finding is None
    assert found.resources[-1].workload.axes["M"] == 16777216


def test_held_out_workloads_are_compiled_but_not_ranked(compiler, softmax_problem):
    worker, assembler = compiler
    cases = plan_cases(softmax_problem, seed=2)
    drawn = {str(case.workload) for case in cases if case.held_out}
    stage = CompileStage(softmax_problem, worker, assembler, cases)
    found = stage.run(Candidate.of(PLAIN, 1), time.monotonic() + 60)
    assert found.finding is None
    named = {str(w) for w in (*softmax_problem.tests, *softmax_problem.benchmarks)}
    assert set(found.kernels) == named | drawn
    assert {str(row.workload) for row in found.resources} == named


def test_spills_are_counted(compiled):
    source = PLAIN.replace("BLOCK=block", "BLOCK=block, num_warps=1, maxnreg=24")
    assert any(row.spill_bytes > 0 for row in compiled(source).resources)


def test_text_that_is_no_ptx_is_refused_by_the_assembler(compiler):
    with pytest.raises(AssemblyFailed, match="ptxas: "):
        compiler[1].assemble(".version 8.0\n.target sm_90a\nnonsense", 20)


def test_printed_diagnostics_keep_the_candidates_lines_only():
    printed = (
        "/tmp/kernel.py:12:24: error: operand #1 may not be poison\n"
        "/usr/lib/python3/other.py:3:1: error: not ours\n"
        "/tmp/kernel.py:12:24: error: operand #1 may not be poison\n"
    )
    assert diagnostics(printed) == ["kernel.py:12: operand #1 may not be poison"]


@pytest.mark.parametrize("old", [False, True])
def test_only_a_compiler_that_makes_threads_may(old: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # Until Triton 3.5 a context of MLIR has a method that keeps it to one thread.
    context = type("Context", (), {"disable_multithreading": None} if old else {})
    monkeypatch.setattr(ir, "context", context)
    assert needs_threads("compiler") is old
    assert not needs_threads("candidate")
    assert needs_threads("reference")
