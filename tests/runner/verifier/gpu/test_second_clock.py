"""The judge's own clock against the worker's events: what agrees, and what is refused."""

from __future__ import annotations

import math

import pytest

from runner.contract import EvaluationStatus
from runner.verifier.gpu.timing import TimingRefused


def refusal(session):
    with pytest.raises(TimingRefused) as refused:
        session.run()
    assert refused.value.finding.stage == "timing"
    assert refused.value.finding.status is EvaluationStatus.CHEATED
    return refused.value.finding.summary


@pytest.mark.parametrize("event_ms", [0.004, 0.5, 3.0, 80.0])
@pytest.mark.parametrize("pipe_ms", [0.1, 2.0])
def test_an_honest_candidate_has_two_clocks_that_agree(event_ms, pipe_ms, session):
    """What asking costs is the same for n and 2 n calls, and drops out."""
    session.clock.pipe_ms = pipe_ms
    session.candidate.event_ms = event_ms
    timed = session.run()
    assert timed.clock_ms == pytest.approx(event_ms, rel=1e-6)
    assert timed.span_ms == pytest.approx(event_ms)


def test_a_second_clock_costs_some_tens_of_milliseconds(session):
    session.run()
    counts = [count for name, count in session.log if name == "plain"]
    assert sorted(counts) == [4, 24, 48]  # 12 ms and 24 ms of half a millisecond each


def test_one_interrupted_burst_is_measured_again(session):
    """The host may be busy; a second try that agrees is enough."""
    delays = iter([0.0, 0.0, 30.0, *[0.0] * 20])

    def interrupted(job, reply, clock):
        if job["op"] == "plain":
            clock.pass_ms(next(delays))
        return reply

    session.candidate.distort = interrupted
    assert session.run().clock_ms == pytest.approx(0.5)


def test_a_busy_host_may_spoil_most_readings(session):
    delays = iter([0.0, *[40.0, 0.0, 0.0, 40.0] * 4, *[0.0] * 20])

    def interrupted(job, reply, clock):
        if job["op"] == "plain":
            clock.pass_ms(next(delays))
        return reply

    session.candidate.distort = interrupted
    assert session.run().clock_ms == pytest.approx(0.5)


@pytest.mark.parametrize("wall_ms", [0.7, 1.5, 20.0])
def test_work_that_events_do_not_see_is_refused(wall_ms, session):
    session.candidate.wall_ms = wall_ms
    said = refusal(session)
    assert f"takes {wall_ms:.4g} ms by the judge's clock and 0.5 ms by events" in said
    assert "N=64" in said


def test_calls_that_are_quick_only_when_timed_alone_are_refused(session):
    def quick_alone(job, reply, clock):
        if job["op"] == "burst":
            return {**reply, "times_ms": [0.1] * len(job["inputs"])}
        return reply

    session.candidate.distort = quick_alone
    assert "0.1 ms when timed alone" in refusal(session)


def test_a_claim_that_launching_takes_long_does_not_excuse_long_calls(session):
    """How long it took to launch is the worker's own word; launches take well below 1 ms."""

    def claims(job, reply, clock):
        if job["op"] == "burst":
            return {**reply, "times_ms": [0.1] * len(job["inputs"])}
        return {**reply, "issued_ms": reply["span_ms"]}

    session.candidate.event_ms = 5.0
    session.candidate.distort = claims
    assert "0.1 ms when timed alone" in refusal(session)


@pytest.mark.parametrize("issued_ms", [None, "1", math.nan, -1.0])
def test_a_launch_time_that_is_none_is_refused(issued_ms, session):
    def distort(job, reply, clock):
        return {**reply, "issued_ms": issued_ms} if job["op"] == "plain" else reply

    session.candidate.distort = distort
    assert "no such times" in refusal(session)


def test_a_short_burst_that_is_drawn_out_does_not_hide_work(session):
    """Waiting in the shorter burst makes the difference of the two as small as one likes."""
    session.candidate.wall_ms, hidden_ms = 2.0, 1.5
    counts = []

    def drawn_out(job, reply, clock):
        if job["op"] == "plain":
            counts.append(job["count"])
            if job["count"] == min(counts[1:], default=0):
                clock.pass_ms(job["count"] * hidden_ms)
        return reply

    session.candidate.distort = drawn_out
    assert "by the judge's clock" in refusal(session)


@pytest.mark.parametrize("span", [None, "1", math.nan, math.inf, -1.0, True, [1.0]])
def test_a_span_that_is_no_time_is_refused(span, session):
    def distort(job, reply, clock):
        return {**reply, "span_ms": span} if job["op"] == "plain" else reply

    session.candidate.distort = distort
    assert "no such times" in refusal(session)


def test_a_burst_that_takes_no_time_is_refused(session):
    def nothing(job, reply, clock):
        return {**reply, "span_ms": 0.0} if job["op"] == "plain" else reply

    session.candidate.distort = nothing
    assert "no time" in refusal(session) or "no such times" in refusal(session)


def test_a_worker_cannot_make_the_judge_call_for_ever(session):
    """It says that its calls take next to nothing: the number of calls is bounded."""

    def tiny(job, reply, clock):
        return {**reply, "span_ms": 1e-9} if job["op"] == "plain" else reply

    session.candidate.distort = tiny
    refusal(session)
    assert max(count for name, count in session.log if name == "plain") <= 3000
