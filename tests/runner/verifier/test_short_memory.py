"""A GPU that others fill for a moment costs a verdict seconds, and no run its end."""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from runner.contract import Candidate, EvaluationStatus
from runner.errors import DeviceMemoryExhausted, RunnerError
from runner.verifier import Verifier, VerifyOptions, judge
from runner.verifier.finding import Finding
from runner.verifier.verdict import evaluation_of

CANDIDATE = Candidate.of("def add_one(x): ...", 1)
FULL = DeviceMemoryExhausted("full", asked_bytes=8, free_bytes=1, total_bytes=9)
WRONG = Finding(status=EvaluationStatus.INCORRECT_SHAPE, stage="sweep", summary="a wrong shape")


class BusyCourt:
    """The GPU's memory is short for the first `short` verdicts."""

    cases, roofline, closed = (), None, False

    def __init__(self, short):
        self.short, self.asked, self.entered = short, 0, threading.Event()

    def prepare(self): ...

    def judge(self, candidate, times):
        self.asked += 1
        self.entered.set()
        if self.asked <= self.short:
            raise FULL
        return evaluation_of(candidate, WRONG, times, device="cuda")

    finalize = judge

    def abandon(self): ...

    def close(self):
        self.closed = True


@pytest.fixture
def open_verifier(softmax_problem, monkeypatch):
    def opened(short):
        court = BusyCourt(short)
        monkeypatch.setattr(judge, "_open_court", lambda *_: court)
        monkeypatch.setattr(judge, "screen", lambda source, problem: None)
        return Verifier(softmax_problem, VerifyOptions(allow_no_sandbox=True)), court

    return opened


@pytest.mark.parametrize("verdict", [Verifier.verify, Verifier.finalize])
def test_a_verdict_waits_for_memory_and_says_so(open_verifier, monkeypatch, verdict):
    monkeypatch.setattr(judge, "MEMORY_PAUSE_S", 0.01)
    verifier, court = open_verifier(short=2)
    evaluation = verdict(verifier, CANDIDATE)
    assert (court.asked, evaluation.status) == (3, EvaluationStatus.INCORRECT_SHAPE)
    assert evaluation.stage_s["waiting"] == pytest.approx(0.02)


def test_a_gpu_that_stays_full_is_told_and_no_verdict(open_verifier, monkeypatch):
    monkeypatch.setattr(judge, "MEMORY_PAUSE_S", 0.01)
    verifier, court = open_verifier(short=99)
    with pytest.raises(DeviceMemoryExhausted, match="full"):
        verifier.verify(CANDIDATE)
    assert court.asked == judge.MEMORY_TRIES


@pytest.mark.parametrize(
    ("end", "told"), [(Verifier.abandon, str(FULL)), (Verifier.close, judge.CLOSED)]
)
def test_nobody_waits_for_memory_once_it_is_ended(open_verifier, monkeypatch, end, told):
    monkeypatch.setattr(judge, "MEMORY_PAUSE_S", 60.0)
    verifier, court = open_verifier(short=99)
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(verifier.verify, CANDIDATE)
        assert court.entered.wait(5)
        time.sleep(0.05)  # into the pause
        began_s = time.monotonic()
        end(verifier)
        with pytest.raises(RunnerError, match=re.escape(told)):
            waiting.result(5)
    assert time.monotonic() - began_s < 5
    assert court.asked <= 2
