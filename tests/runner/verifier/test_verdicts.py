"""Whole verdicts on kernel files: honest ones pass, hostile ones get the status that they name.

Kernels that leave their process as it is are judged one after another on one pair of workers;
every other one goes through a `Verifier`, with workers of its own, as in a run.
"""

from __future__ import annotations

import os
import re
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.contract import Candidate, Evaluation, EvaluationStatus
from runner.errors import RunnerError
from runner.verifier import Verifier, VerifyOptions, judge
from runner.verifier.resources import resource_rank
from runner.verifier.assembler import Assembler
from runner.verifier.compile_stage import CompileStage
from runner.verifier.inputs import plan_cases
from runner.verifier.oracle import arena_bytes, prepare_cases
from runner.verifier.pool import WorkerPool
from runner.verifier.sandbox import open_sandbox
from runner.verifier.screen import screen
from runner.verifier.sweep import Sweep
from runner.verifier.verdict import conclude

HONEST = Path(__file__).parent / "kernels"
HOSTILE = Path(__file__).parents[2] / "adversarial"


def header(path: Path, key: str) -> str | None:
    """The value of a `# key: value` line at the top of a kernel file."""
    found = re.search(rf"^# {key}: (\S+)$", path.read_text(), re.MULTILINE)
    return found[1] if found else None


HONEST_KERNELS = sorted(HONEST.rglob("*.py"))
KERNELS = [*HONEST_KERNELS, *sorted(HOSTILE.rglob("*.py"))]
ENDLESS = HOSTILE / "attacks_host" / "endless_loop.py"
OWN_PROCESS = [path for path in KERNELS if header(path, "process") == "own" and path != ENDLESS]
SHARED = [path for path in KERNELS if header(path, "process") is None]


def name_of(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


def candidate(path: Path) -> Candidate:
    return Candidate.of(path.read_text(), attempt=1)


def children_running_workers() -> set[int]:
    """Direct children of this process that are, or wrap, a verifier's worker."""
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int(re.search(r"^PPid:\s+(\d+)$", (entry / "status").read_text(), re.M)[1])
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue  # it ended while we looked
        if parent == os.getpid() and b"runner.verifier.worker" in command:
            found.add(int(entry.name))
    return found


@pytest.fixture(scope="module")
def verdict_on(softmax_problem) -> Iterator:
    """The cascade without its screen, on one pair of workers; each kernel is judged once."""
    sandbox = open_sandbox(allow_none=True)
    cases = plan_cases(softmax_problem, seed=time.time_ns())
    size = 2 * arena_bytes(softmax_problem, cases, wide=True)
    roles = {"reference": size, "candidate": size, "compiler": 8 << 20}
    pool = WorkerPool(sandbox, roles, cpu_s=300)
    workers = {role: pool.take(role) for role in roles}
    known: dict[Path, Evaluation] = {}
    prepared = prepare_cases(softmax_problem, cases, workers["reference"], 60)
    workers["compiler"].wait_ready()
    assembler = Assembler(workers["compiler"].ready["ptxas"], sandbox)

    def verify(path: Path) -> Evaluation:
        if path not in known:
            deadline = time.monotonic() + 60
            compile_stage = CompileStage(softmax_problem, workers["compiler"], assembler)
            compiled = compile_stage.run(candidate(path), deadline)
            sweep = Sweep(softmax_problem, workers["candidate"], prepared)
            known[path] = conclude(
                candidate(path), compiled, sweep.run(candidate(path), deadline), {}
            )
        return known[path]

    yield verify
    for worker in workers.values():
        pool.retire(worker)
    pool.close()


@pytest.mark.parametrize("path", SHARED, ids=name_of)
def test_kernel_gets_the_status_that_it_names(path, verdict_on, softmax_problem):
    rejected = screen(path.read_text(), softmax_problem)
    # The screen is no boundary: what it would reject must fail behind it as well.
    assert (rejected is not None) is (header(path, "screen") == "off"), rejected
    evaluation = verdict_on(path)
    assert evaluation.status.value == header(path, "status"), evaluation.detail
    assert evaluation.summary
    assert "\n" not in evaluation.summary


@pytest.mark.parametrize("path", OWN_PROCESS, ids=name_of)
def test_kernel_that_ruins_its_process_gets_its_status(
    path, softmax_verifier, softmax_problem, monkeypatch
):
    if header(path, "screen") == "off":
        assert screen(path.read_text(), softmax_problem) is not None
        monkeypatch.setattr(judge, "screen", lambda source, problem: None)
    evaluation = softmax_verifier.verify(candidate(path))
    assert evaluation.status.value == header(path, "status"), evaluation.detail
    assert "\n" not in evaluation.summary


def test_verdict_on_a_small_kernel_is_right_and_below_three_seconds(softmax_verifier):
    """From warm workers, as they are while a model writes its next answer; and after hostile
    candidates, on the same judge."""
    seconds = []
    for _ in range(3):
        started = time.monotonic()
        evaluation = softmax_verifier.verify(candidate(HONEST / "plain.py"))
        waited_s = evaluation.stage_s["start"] + evaluation.stage_s["reference"]
        seconds.append(time.monotonic() - started - waited_s)
        assert evaluation.status is EvaluationStatus.PASSED, evaluation.detail
    assert statistics.median(seconds) < 3
    assert softmax_verifier.sandbox == open_sandbox(allow_none=True).kind


def test_passed_verdict_carries_errors_resources_and_no_time(verdict_on):
    evaluation = verdict_on(HONEST / "plain.py")
    compiled = {str(row.workload) for row in evaluation.resources}
    assert compiled == {"M=3 N=64", "M=5 N=100", "M=256 N=1024"}
    assert {case.distribution for case in evaluation.correctness.cases} >= {"normal", "large"}
    assert "no spills" in evaluation.detail
    assert evaluation.performance is None


def test_static_rank_tells_one_launch_from_two(verdict_on):
    one, two = (verdict_on(HONEST / f"{name}.py") for name in ("plain", "two_launches"))
    assert resource_rank(one) < resource_rank(two)


def test_wrong_kernel_is_told_where_and_what(verdict_on):
    evaluation = verdict_on(HOSTILE / "breaks_memory" / "last_tile_unwritten.py")
    assert evaluation.stage == "sweep"
    for clue in (
        "M=5 N=100",
        "only at indices >= 64 of axis 1 (N), which has 100: the last, partial tile",
        "all wrong elements are NaN: never written",
        "Right on: M=3 N=64",
    ):
        assert clue in evaluation.detail


def test_judge_survives_an_endless_candidate_ends_at_close_and_leaves_nothing(softmax_problem):
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    others = children_running_workers()
    options = VerifyOptions(
        allow_no_sandbox=True, timeout_s=float(header(ENDLESS, "timeout_s")), quick=True
    )
    verifier = Verifier(softmax_problem, options)
    first = verifier.verify(candidate(ENDLESS))
    assert first.status.value == header(ENDLESS, "status")
    assert children_running_workers() - others
    threading.Timer(0.5, verifier.close).start()
    with pytest.raises(RunnerError):
        verifier.verify(candidate(ENDLESS))
    with pytest.raises(RunnerError, match="closed"):
        verifier.verify(candidate(HONEST / "plain.py"))
    verifier.close()
    assert children_running_workers() == others
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before


def test_seeds_are_fresh_unless_given(softmax_problem):
    def cases(seed):
        with Verifier(softmax_problem, VerifyOptions(allow_no_sandbox=True, seed=seed)) as verifier:
            return verifier.cases

    assert cases(None) != cases(None)
    assert cases(7) == cases(7)
