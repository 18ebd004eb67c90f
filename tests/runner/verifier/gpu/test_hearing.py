"""The order of a hearing, and when a candidate is asked to do without its kernels."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from runner.contract import Candidate, Check, EvaluationStatus
from runner.verifier import VerifyOptions
from runner.verifier.finding import Finding
from runner.verifier.gpu import hearing
from runner.verifier.gpu.hearing import Hearing, Standard
from runner.verifier.gpu.measure import Measured
from runner.verifier.sweep import Swept

FOR_SHOW = Finding(
    status=EvaluationStatus.CHEATED,
    stage="integrity",
    summary="its kernels add nothing: without them every answer is the same",
)
SLOW = Finding(status=EvaluationStatus.TIMEOUT, stage="timing", summary="it ran out of time")


@dataclass
class Court:
    """One hearing whose stages say what they are told to, and write down when they were asked."""

    own_share: float = 0.3
    timing_finding: Finding | None = None
    without_kernels: Finding | None = None
    asked: list[str] = field(default_factory=list)
    left_s: list[float] = field(default_factory=list)

    @contextmanager
    def checking(self):
        self.asked.append("lock for checking")
        yield

    @contextmanager
    def timing(self):
        self.asked.append("lock for timing")
        yield

    def hear(self, monkeypatch):
        court = self

        class Sweep:
            def __init__(self, *_): ...

            def run(self, candidate, deadline):
                court.asked.append("sweep")
                checks = (Check(name="secret inputs", detail="7 cases"),)
                return Swept(finding=None, errors=(), kernels={}, smoke_s=0.1, checks=checks)

            def judge_without_kernels(self, deadline):
                court.asked.append("without kernels")
                court.left_s.append(deadline - hearing.time.monotonic())
                return court.without_kernels

        class Measurement:
            def __init__(self, *_): ...

            def watch(self, workloads, reports, deadline):
                court.asked.append("watch")

            def run(self, workloads, deadline):
                court.asked.append("time")
                return Measured(
                    finding=court.timing_finding, own_share=court.own_share, not_timed={}
                )

        monkeypatch.setattr(hearing, "Sweep", Sweep)
        monkeypatch.setattr(hearing, "Measurement", Measurement)
        tools = SimpleNamespace(learn=lambda ready: None, reports={})
        worker = SimpleNamespace(wait_ready=lambda: None, ready={})
        options = VerifyOptions(device="cuda", timeout_s=50.0)
        standard = Standard(oracle=None, baselines=None, workloads=())
        candidate = Candidate.of("def f(x): ...", 1)
        return Hearing(None, options, self, tools).hear(worker, candidate, standard, {})


def test_kernels_for_show_are_found_after_the_timing(monkeypatch):
    court = Court(without_kernels=FOR_SHOW)
    heard = court.hear(monkeypatch)
    assert heard.finding is FOR_SHOW
    assert heard.swept.checks == ()
    stages = ["sweep", "watch", "time", "without kernels"]
    assert [name for name in court.asked if not name.startswith("lock")] == stages
    # It runs the GPU, so not beside somebody else's timing; and it has only what time is left.
    assert court.asked[-2:] == ["lock for checking", "without kernels"]
    assert 0 < court.left_s[0] <= 50.0


def test_kernels_that_are_needed_pass(monkeypatch):
    heard = Court().hear(monkeypatch)
    assert heard.finding is None
    assert heard.swept.checks


@pytest.mark.parametrize(
    "court",
    [
        Court(own_share=0.5, without_kernels=FOR_SHOW),
        Court(timing_finding=SLOW, without_kernels=FOR_SHOW),
    ],
    ids=["the time is mostly its own", "it failed before"],
)
def test_nobody_is_asked_for_nothing(court, monkeypatch):
    heard = court.hear(monkeypatch)
    assert heard.finding is court.timing_finding
    assert "without kernels" not in court.asked
