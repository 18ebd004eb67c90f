"""Whole verdicts on real kernel files: honest ones pass, hostile ones get their status."""

from __future__ import annotations

import math
import os
import re
import statistics
import time
from pathlib import Path

import pytest

from runner.contract import Candidate, Evaluation, EvaluationStatus
from runner.verifier import Verifier, VerifyOptions, judge, resource_rank
from runner.verifier.screen import screen

HONEST = Path(__file__).parent / "kernels"
HOSTILE = Path(__file__).parents[2] / "adversarial"


def kernels_under(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def header(path: Path, key: str) -> str | None:
    """The value of a `# key: value` line at the top of a kernel file."""
    found = re.search(rf"^# {key}: (\S+)$", path.read_text(), re.MULTILINE)
    return found[1] if found else None


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
def verdict_on(softmax_verifier):
    """Verdicts by path, each reached once and in real time."""
    known: dict[Path, tuple[Evaluation, float]] = {}

    def verify(path: Path) -> tuple[Evaluation, float]:
        if path not in known:
            started = time.monotonic()
            evaluation = softmax_verifier.verify(candidate(path))
            seconds = time.monotonic() - started
            # What a spare would have paid while a model thinks.
            times = evaluation.stage_s
            known[path] = evaluation, seconds - times.get("start", 0) - times.get("reference", 0)
        return known[path]

    return verify


@pytest.mark.parametrize("path", kernels_under(HONEST), ids=lambda path: path.stem)
def test_honest_kernel_passes(path, verdict_on):
    evaluation, _ = verdict_on(path)
    assert evaluation.status is EvaluationStatus.PASSED, evaluation.detail
    compiled = {str(row.workload) for row in evaluation.resources}
    assert compiled == {"M=3 N=64", "M=5 N=100", "M=256 N=1024"}
    assert all(row.registers > 0 and row.target == "sm_90" for row in evaluation.resources)
    assert {case.distribution for case in evaluation.correctness.cases} >= {"normal", "large"}
    assert "registers" in evaluation.detail
    assert evaluation.performance is None
    assert all(math.isfinite(figure) for figure in resource_rank(evaluation))


def test_median_verdict_on_a_small_kernel_is_below_three_seconds(verdict_on):
    seconds = [verdict_on(path)[1] for path in kernels_under(HONEST)]
    assert statistics.median(seconds) < 3


@pytest.mark.parametrize(
    "path",
    [path for path in kernels_under(HOSTILE) if header(path, "timeout_s") is None],
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_hostile_kernel_gets_its_status(path, verdict_on, softmax_problem, monkeypatch):
    if header(path, "screen") == "off":
        finding = screen(path.read_text(), softmax_problem)
        assert finding is not None
        assert finding.status is EvaluationStatus.REJECTED
        # The screen is no boundary: what stands behind it must hold by itself.
        monkeypatch.setattr(judge, "screen", lambda source, problem: None)
    evaluation, _ = verdict_on(path)
    assert evaluation.status.value == header(path, "status"), evaluation.detail
    assert evaluation.summary
    assert "\n" not in evaluation.summary


def test_wrong_kernel_is_told_where_and_what(verdict_on):
    evaluation, _ = verdict_on(HOSTILE / "breaks_memory" / "last_tile_unwritten.py")
    assert evaluation.stage == "sweep"
    for clue in (
        "M=5 N=100",
        "only at indices >= 64 of axis 1 (N), which has 100: the last, partial tile",
        "all wrong elements are NaN: never written",
        "Right on: M=3 N=64",
    ):
        assert clue in evaluation.detail


def test_judge_survives_an_endless_candidate_and_leaves_nothing_behind(softmax_problem):
    path = HOSTILE / "attacks_host" / "endless_loop.py"
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    others = children_running_workers()
    options = VerifyOptions(allow_no_sandbox=True, timeout_s=float(header(path, "timeout_s")))
    with Verifier(softmax_problem, options) as verifier:
        assert verifier.verify(candidate(path)).status.value == header(path, "status")
        assert verifier.verify(candidate(HONEST / "plain.py")).status is EvaluationStatus.PASSED
        assert children_running_workers() - others
    assert children_running_workers() == others
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before


def test_seeds_are_fresh_unless_given(softmax_problem):
    def cases(seed):
        with Verifier(softmax_problem, VerifyOptions(allow_no_sandbox=True, seed=seed)) as verifier:
            return verifier.cases

    assert cases(None) != cases(None)
    assert cases(7) == cases(7)
