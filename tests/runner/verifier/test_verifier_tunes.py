"""What the verifier itself says of a tune, before and after its court: a court that is scripted."""

from __future__ import annotations

import pytest

from runner.contract import Candidate
from runner.errors import DeviceMemoryExhausted, RunnerError
from runner.tune.types import untuned
from runner.verifier import Verifier, VerifyOptions, judge

KERNEL = """\
import triton
import triton.language as tl

TUNABLES = {"BLOCK": [64, 128]}
CONFIG = {"BLOCK": 64}


def pick_config(x):
    return CONFIG


@triton.jit
def _kernel(x_ptr, BLOCK: tl.constexpr):
    tl.store(x_ptr, BLOCK)


def row_softmax(x):
    _kernel[(1,)](x, **pick_config(x))
    return x
"""


class ScriptedCourt:
    """`happens` is called in place of a tune."""

    cases = ()
    closed = False

    def __init__(self):
        self.prepared, self.asked = 0, []
        self.happens = lambda: None

    def prepare(self):
        self.prepared += 1

    def tune(self, candidate, declaration, deadline):
        self.asked.append(declaration)
        self.happens()
        return untuned(candidate, "as the script says")

    def abandon(self):
        pass

    def close(self):
        self.closed = True


@pytest.fixture
def court(monkeypatch):
    made = ScriptedCourt()
    monkeypatch.setattr(judge, "_open_court", lambda *_: made)
    return made


@pytest.fixture
def verifier(court, softmax_problem):
    return Verifier(softmax_problem, VerifyOptions(device="cuda", allow_no_sandbox=True))


def tune(verifier, source=KERNEL):
    return verifier.tune(Candidate.of(source, 2), 30.0)


def test_a_declaration_is_read_once_and_handed_to_the_court(verifier, court):
    assert tune(verifier).note == "as the script says"
    assert court.asked[0].tunables == {"BLOCK": (64, 128)}
    assert court.prepared == 1


def test_a_fault_of_the_declaration_is_told_and_nothing_runs(verifier, court):
    found = tune(verifier, KERNEL.replace('"BLOCK": 64', '"BLOK": 64'))
    assert found.note.startswith("kernel.py:5: CONFIG and TUNABLES must have the same keys")
    assert found.candidate.attempt == 2
    assert (court.asked, court.prepared) == ([], 0)


@pytest.mark.parametrize("source", ["", "x = (", KERNEL.replace("TUNABLES =", "OTHER =")])
def test_there_is_nothing_to_tune_without_a_declaration_in_a_sound_text(verifier, court, source):
    assert tune(verifier, source) is None
    assert court.asked == []


def test_a_tune_that_was_abandoned_leaves_the_candidate_as_it_is(verifier, court):
    def give_up():
        verifier.abandon()
        raise RunnerError("the verifier is closed")

    court.happens = give_up
    assert tune(verifier).note == "the tuning was abandoned"
    court.happens = lambda: None
    assert tune(verifier).note == "as the script says"


def test_a_gpu_without_room_for_a_tune_leaves_the_candidate_as_it_is(verifier, court):
    def run_out():
        raise DeviceMemoryExhausted("full", asked_bytes=8, free_bytes=1, total_bytes=9)

    court.happens = run_out
    assert tune(verifier).note.startswith("full: ")


def test_a_verifier_that_was_closed_says_so(verifier, court):
    def end():
        verifier.close()
        raise RunnerError("whatever ended first")

    court.happens = end
    with pytest.raises(RunnerError, match="closed before the verdict"):
        tune(verifier)


def test_a_machine_that_fails_is_no_matter_of_the_candidate(verifier, court):
    def fail():
        raise RunnerError("no processes left")

    court.happens = fail
    with pytest.raises(RunnerError, match="no processes left"):
        tune(verifier)
