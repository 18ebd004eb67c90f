"""Timing with workers that say what they are told to: order, counts, checks and refusals."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest

from runner.contract import EvaluationStatus
from runner.errors import ReferenceFailed
from runner.verifier.finding import Finding
from runner.verifier.gpu.timing import ENTRY, MIN_BURSTS, BaselineFailed, TimingRefused
from runner.verifier.process import WorkerFailed

WRONG = Finding(
    status=EvaluationStatus.INCORRECT_NUMERICAL, stage="timing", summary="y: 3 of 9 elements"
)
EVERYONE = {"entry", "eager", "compile"}


def answers(reply):
    """A distortion: bursts are answered with `reply` in place of the times."""

    def distort(job, honest, clock):
        return {**honest, **reply} if job["op"] == "burst" else honest

    return distort


def test_everyone_is_timed_once_in_every_round(session):
    timed = session.run()
    rounds = session.measured_rounds()
    assert len(rounds) >= MIN_BURSTS
    assert all(Counter(names) == Counter(EVERYONE) for names in rounds)
    assert {len(bursts) for bursts in timed.bursts.values()} == {len(rounds)}


def test_nobody_always_runs_behind_the_same_neighbour(session):
    session.run(rounds=200)
    order = [name for names in session.measured_rounds() for name in names]
    behind = {name: Counter() for name in EVERYONE}
    for before, name in itertools.pairwise(order):
        behind[name][before] += 1
    for name, neighbours in behind.items():
        assert set(neighbours) >= EVERYONE - {name}
        assert max(neighbours.values()) < 0.8 * neighbours.total()


def test_the_order_and_the_burst_lengths_are_the_seeds(session):
    session.run(seed=1)
    first = list(session.log)
    session.log.clear()
    session.run(seed=1)
    assert session.log == first
    session.log.clear()
    session.run(seed=2)
    assert session.log != first
    # The warm-up begins with two calls: nobody knows how long they are.
    assert {count for name, count in first if name == "entry"} == {2, 7, 8}


@pytest.mark.parametrize("sets", [1, 2, 8])
@pytest.mark.parametrize("rounds", [1, 100, 333])
def test_as_many_calls_as_asked_for_are_timed(rounds, sets, session):
    session.sets = sets
    timed = session.run(rounds=rounds)
    assert sum(map(len, timed.bursts[ENTRY])) >= rounds
    assert len(timed.bursts[ENTRY]) >= MIN_BURSTS


@pytest.mark.parametrize("sets", [1, 2, 3, 8])
def test_of_long_calls_the_baselines_make_fewer_and_none_without_its_own_inputs(sets, session):
    """Where memory has room for one set only, a burst is one call, whoever makes it."""
    session.sets = sets
    session.candidate.event_ms = session.baselines.event_ms = 40.0
    timed = session.run()
    pairs = zip(timed.bursts[ENTRY], timed.bursts["eager"], strict=True)
    assert all(min(2, sets) <= len(theirs) <= len(ours) for ours, theirs in pairs)


@pytest.mark.parametrize(("call_ms", "calls"), [(0.05, {7, 8}), (0.8, {5}), (1.5, {3}), (9.0, {2})])
def test_a_baseline_makes_as_many_calls_as_its_own_time_allows(call_ms, calls, session):
    """However short the candidate's are: beside it eager PyTorch would take most of a verdict."""
    session.candidate.event_ms = 0.05
    session.baselines.event_ms = call_ms
    timed = session.run()
    assert {len(burst) for burst in timed.bursts["eager"]} == calls
    assert {len(burst) for burst in timed.bursts[ENTRY]} == {7, 8}


def test_a_candidate_that_is_slow_in_its_warm_up_takes_no_call_from_a_baseline(session):
    session.candidate.distort = lambda job, reply, clock: (
        {**reply, "times_ms": [50.0] * len(job["inputs"])}
        if job["op"] == "burst" and not session.measured_rounds()
        else reply
    )
    session.baselines.event_ms = session.candidate.event_ms = 0.05
    assert {len(burst) for burst in session.run().bursts["eager"]} == {7, 8}


def test_warm_up_goes_on_until_two_bursts_agree(session):
    cooling = iter([9.0, 6.0, 4.0, 3.0, 2.0] + [1.0] * 500)

    def slowly(job, reply, clock):
        if job["op"] == "burst":
            return {**reply, "times_ms": [next(cooling)] * len(job["inputs"])}
        return {**reply, "span_ms": 0.5 * job["count"]}

    session.names = ()
    session.candidate.distort = slowly
    timed = session.run()
    assert {time for burst in timed.bursts[ENTRY] for time in burst} == {1.0}


def test_a_steady_baseline_is_warm_after_two_bursts_the_candidate_after_a_while(session):
    session.run()
    first_round = session.log.index(("refresh", 0))
    warm_up = Counter(name for name, _ in session.log[:first_round])
    assert warm_up["eager"] == warm_up["compile"] == 2
    assert sum(count for name, count in session.log[:first_round] if name == "entry") * 0.5 > 30


def test_a_kernel_that_never_gets_steady_is_timed_all_the_same(session):
    ticks = iter(range(100_000))

    def restless(job, reply, clock):
        if job["op"] == "burst":
            return {**reply, "times_ms": [0.4 + 0.2 * (next(ticks) % 2)] * len(job["inputs"])}
        return reply

    session.candidate.distort = restless
    assert len(session.run().bursts[ENTRY]) >= MIN_BURSTS


def test_without_a_baseline_the_candidate_is_timed_alone(session):
    session.names = ()
    assert set(session.run().bursts) == {ENTRY}


def test_as_many_outputs_are_checked_as_asked_for_each_the_last_of_its_burst(session):
    timed = session.run(checks=3)
    assert timed.checked == 3
    assert len(session.checked) == 3
    assert all(number == count - 1 for count, number in session.checked)


def test_only_the_candidate_hands_over_outputs(session):
    asked = []

    def note(job, reply, clock):
        asked.append((job["op"], job.get("outputs_at")))
        return reply

    session.candidate.distort = note
    session.run()
    assert {at for op, at in asked if op == "burst"} == {4096}
    asked.clear()
    session.candidate.distort, session.baselines.distort = session.baselines.distort, note
    session.run()
    assert set(asked) == {("burst", None)}


def test_which_calls_are_checked_cannot_be_foreseen(session):
    session.verdict = WRONG
    caught = set()
    for seed in range(12):
        session.log.clear()
        with pytest.raises(TimingRefused):
            session.run(checks=1, seed=seed)
        caught.add(len(session.measured_rounds()))
    assert len(caught) > 3


def test_a_wrong_output_of_a_timed_call_refuses_with_what_is_wrong(session):
    session.verdict = WRONG
    with pytest.raises(TimingRefused) as refused:
        session.run()
    finding = refused.value.finding
    assert finding.status is EvaluationStatus.INCORRECT_NUMERICAL
    assert finding.stage == "timing"
    assert finding.summary.startswith("y: 3 of 9 elements (a timed call")


NO_LISTS = [None, "0.5", {"0": 0.5}, [], [0.5], [0.5] * 9]
# Nothing takes no time, and a ratio to it would be no number.
NO_TIMES = [math.nan, math.inf, -1.0, 0.0, 1e-320, 1e300, 10**400, "0.5", None, True, [0.5]]


@pytest.mark.parametrize("times_ms", NO_LISTS, ids=str)
def test_what_is_no_list_of_times_is_refused(times_ms, session):
    session.candidate.distort = answers({"times_ms": times_ms})
    with pytest.raises(TimingRefused, match="no such times") as refused:
        session.run()
    assert refused.value.finding.status is EvaluationStatus.CHEATED


@pytest.mark.parametrize("bad", NO_TIMES, ids=lambda bad: str(bad)[:8])
def test_a_call_whose_time_is_none_is_refused(bad, session):
    def last_is_bad(job, reply, clock):
        times = reply.get("times_ms")
        return {**reply, "times_ms": [*times[:-1], bad]} if times else reply

    session.candidate.distort = last_is_bad
    with pytest.raises(TimingRefused, match="no such times") as refused:
        session.run()
    assert refused.value.finding.status is EvaluationStatus.CHEATED


def test_a_reply_without_times_is_refused(session):
    session.candidate.distort = lambda job, reply, clock: {"ok": True}
    with pytest.raises(TimingRefused, match="no such times"):
        session.run()


def test_a_baseline_that_reports_no_times_is_not_the_candidates_fault(session):
    session.baselines.distort = answers({"times_ms": None})
    with pytest.raises(BaselineFailed) as failed:
        session.run()
    assert failed.value.name == "eager"


def test_work_that_outlives_its_stream_is_refused(session):
    session.candidate.distort = answers({"lag_ms": 60.0})
    with pytest.raises(TimingRefused, match="worked on for 60 ms") as refused:
        session.run()
    assert refused.value.finding.status is EvaluationStatus.CHEATED


def test_a_burst_that_lags_is_taken_again_with_other_contents_and_does_not_count(session):
    bursts = []

    def hold_up_twice(job, reply, clock):
        if job["op"] != "burst":
            return reply
        bursts.append(reply)
        late = {"times_ms": [9.0] * len(reply["times_ms"]), "lag_ms": 90.0}
        return {**reply, **late} if len(bursts) in (3, 9) else reply

    session.candidate.distort = hold_up_twice
    timed = session.run()
    assert len(bursts) > 9
    assert 9.0 not in [time for burst in timed.bursts[ENTRY] for time in burst]
    assert session.log.count(("refresh", 0)) == len(timed.bursts[ENTRY]) + 2


def test_a_baselines_lag_is_its_own_affair(session):
    session.baselines.distort = answers({"lag_ms": 60.0})
    assert session.run().checked == 3


def test_a_baseline_that_fails_is_named_with_its_reason(session):
    def fail(job, reply, clock):
        broken = {"ok": False, "type": "RuntimeError", "message": "no\x1b[31m\nsuch\ud800 op"}
        return broken if job["who"] == "compile" else reply

    session.baselines.distort = fail
    with pytest.raises(BaselineFailed, match=r"compile.*RuntimeError: no") as failed:
        session.run()
    assert failed.value.name == "compile"
    # It ends up in the evaluation: one line that can be encoded.
    assert str(failed.value).isprintable()


@pytest.mark.parametrize("budget_s", [0.01 * n for n in range(1, 40, 3)])
def test_a_candidate_whose_time_is_up_does_not_take_the_references_worker_with_it(
    budget_s, session
):
    """Who is asked when the time is over is chance; the next candidate needs that worker."""
    with pytest.raises((TimingRefused, WorkerFailed)) as ended:
        session.run(rounds=1000, budget_s=budget_s)
    assert session.baselines.alive
    if ended.type is TimingRefused:
        assert ended.value.finding.status is EvaluationStatus.TIMEOUT


def test_a_baseline_whose_process_dies_is_not_the_candidates_fault(session):
    def die(job, reply, clock):
        raise WorkerFailed("died", "it was ended by SIGSEGV", "")

    session.baselines.distort = die
    with pytest.raises(ReferenceFailed, match=r"eager.*SIGSEGV"):
        session.run()


def test_a_candidate_that_raises_while_timed_is_a_runtime_error(session):
    def third_time(job, reply, clock):
        if len(session.measured_rounds()) < 3:
            return reply
        return {"ok": False, "type": "ValueError", "message": "not again"}

    session.candidate.distort = third_time
    with pytest.raises(TimingRefused) as refused:
        session.run()
    finding = refused.value.finding
    assert finding.status is EvaluationStatus.RUNTIME_ERROR
    assert "ValueError: not again" in finding.summary


def test_a_worker_that_dies_is_reported_as_it_is(session):
    def die(job, reply, clock):
        raise WorkerFailed("died", "it was ended by SIGSEGV", "")

    session.candidate.distort = die
    with pytest.raises(WorkerFailed, match="SIGSEGV"):
        session.run()
