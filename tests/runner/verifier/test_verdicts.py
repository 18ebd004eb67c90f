"""What a whole verdict says and what a verifier leaves behind, on a few kernels of the corpus.

The corpus itself is judged in `tests/adversarial/test_corpus.py`.
"""

from __future__ import annotations

import os
import re
import statistics
import threading
import time
from pathlib import Path

import pytest

from runner.contract import Candidate, EvaluationStatus
from runner.errors import RunnerError
from runner.verifier import Verifier, VerifyOptions
from runner.verifier.resources import resource_rank
from runner.verifier.sandbox import open_sandbox
from tests.adversarial.corpus import HONEST_FOLDER, HOSTILE_FOLDER, load_kernel

ENDLESS = load_kernel(HOSTILE_FOLDER / "attacks_host" / "endless_loop.py")


def honest(name: str) -> Candidate:
    return load_kernel(HONEST_FOLDER / f"{name}.py").candidate


def hostile(name: str) -> Candidate:
    return load_kernel(HOSTILE_FOLDER / f"{name}.py").candidate


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


def test_verdict_on_a_small_kernel_is_right_and_below_three_seconds(softmax_verifier):
    """From warm workers, as they are while a model writes its next answer; and after hostile
    candidates, on the same judge."""
    seconds = []
    for _ in range(3):
        started = time.monotonic()
        evaluation = softmax_verifier.verify(honest("plain"))
        waited_s = evaluation.stage_s["start"] + evaluation.stage_s["reference"]
        seconds.append(time.monotonic() - started - waited_s)
        assert evaluation.status is EvaluationStatus.PASSED, evaluation.detail
    assert statistics.median(seconds) < 3
    assert softmax_verifier.sandbox == open_sandbox(allow_none=True).kind


def test_passed_verdict_carries_errors_resources_and_no_time(softmax_verifier):
    evaluation = softmax_verifier.verify(honest("plain"))
    compiled = {str(row.workload) for row in evaluation.resources}
    assert compiled == {"M=3 N=64", "M=5 N=100", "M=256 N=1024"}
    assert {case.distribution for case in evaluation.correctness.cases} >= {"normal", "large"}
    assert "no spills" in evaluation.detail
    assert evaluation.performance is None


def test_static_rank_tells_one_launch_from_two(softmax_verifier):
    one, two = (softmax_verifier.verify(honest(name)) for name in ("plain", "two_launches"))
    assert resource_rank(one) < resource_rank(two)


def test_wrong_kernel_is_told_where_and_what(softmax_verifier):
    evaluation = softmax_verifier.verify(hostile("breaks_memory/last_tile_unwritten"))
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
    options = VerifyOptions(allow_no_sandbox=True, timeout_s=ENDLESS.timeout_s, quick=True)
    verifier = Verifier(softmax_problem, options)
    first = verifier.verify(ENDLESS.candidate)
    assert first.status is ENDLESS.status
    assert children_running_workers() - others
    threading.Timer(0.5, verifier.close).start()
    with pytest.raises(RunnerError):
        verifier.verify(ENDLESS.candidate)
    with pytest.raises(RunnerError, match="closed"):
        verifier.verify(honest("plain"))
    verifier.close()
    assert children_running_workers() == others
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before


def test_seeds_are_fresh_unless_given(softmax_problem):
    def cases(seed):
        with Verifier(softmax_problem, VerifyOptions(allow_no_sandbox=True, seed=seed)) as verifier:
            return verifier.cases

    assert cases(None) != cases(None)
    assert cases(7) == cases(7)
