"""What each stream does next: explore, repair, optimise, or leave a line that is stuck."""

from __future__ import annotations

import pytest

from runner.contract import Attempt, Candidate, TokenUsage
from runner.search import (
    MAX_REPAIRS,
    NO_PROGRESS,
    SAME_FINDING,
    View,
    WorkLine,
    at_roofline,
    is_stuck,
    line_for,
    next_move,
)
from runner.tried import Tried
from tests.fakes.measured import N, measured, performance, timing


def spills(evaluation):
    return (float(evaluation.resources[0].spill_bytes),)


def times(evaluation):
    return (evaluation.performance.timings[0].median_ms,)


@pytest.fixture
def row(fakes):
    """A finished attempt: `row(3, "PASSED", spills=8)`."""

    def build(index, status, *, spills=0, summary=None, repeats=None, ms=None):
        candidate = Candidate.of(f"# {index}\n", index)
        evaluation = fakes.evaluation(status, candidate, spills=spills)
        if ms is not None:
            evaluation = measured(timing(median_ms=ms))
        if summary is not None:
            evaluation = evaluation.model_copy(update={"summary": summary})
        attempt = Attempt(
            index=index,
            phase="explore",
            evaluation=evaluation,
            tokens=TokenUsage(),
            model_s=0,
            verifier_s=0,
            kept=False,
        )
        return Tried(attempt=attempt, candidate=candidate, repeats=repeats)

    return build


def line(number, *rows, best=None):
    return WorkLine(number=number, rows=rows, best=best)


def view(*lines, at_work=None, best=None, review=False, rank=spills):
    numbers = {line.number: line for line in lines}
    streams = at_work or dict(enumerate(numbers, start=1))
    return View(
        review=review,
        lines=numbers,
        at_work=streams,
        openings=len(lines),
        best=best,
        rank=rank,
    )


def failures(row, count, *, first=1, summary="the mask is wrong"):
    return [row(first + n, "INCORRECT_NUMERICAL", summary=summary) for n in range(count)]


@pytest.mark.parametrize(("review", "phase"), [(False, "explore"), (True, "review")])
def test_every_stream_begins_from_nothing_each_in_another_way(row, review, phase):
    other = line(1, row(1, "COMPILE_ERROR"))
    move = next_move(view(other, review=review), 2)
    assert (move.phase, move.line, move.base, move.variant) == (phase, None, None, 1)


def test_a_failure_is_repaired_in_its_own_line(row):
    passed = row(2, "PASSED")
    lines = line(1, row(1, "COMPILE_ERROR")), line(2, passed, best=passed)
    move = next_move(view(*lines, best=passed), 1)
    assert (move.phase, move.line) == ("repair", 1)


def test_a_kernel_that_passes_is_optimised_although_another_line_is_better(row):
    mine, theirs = row(1, "PASSED", spills=9), row(2, "PASSED", spills=1)
    lines = line(1, mine, best=mine), line(2, theirs, best=theirs)
    move = next_move(view(*lines, best=theirs), 1)
    assert (move.phase, move.line, move.base) == ("optimise", 1, mine)


def test_the_same_finding_again_and_again_is_stuck(row):
    rows = failures(row, SAME_FINDING)
    assert is_stuck(line(1, *rows))
    assert not is_stuck(line(1, *rows[1:]))
    # Another finding in between is progress of a kind.
    assert not is_stuck(line(1, rows[0], row(8, "TIMEOUT"), *rows[1:]))


def test_a_finding_is_the_same_wherever_its_line_moves(row):
    rows = [row(n, "COMPILE_ERROR", summary=f"kernel.py:{n}: no such name") for n in (1, 2, 3)]
    assert is_stuck(line(1, *rows))


def test_a_source_returned_unchanged_is_the_same_finding_once_more(row):
    first = row(1, "COMPILE_ERROR", summary="x")
    again = [row(n, "COMPILE_ERROR", summary=f"as {n - 1}: x", repeats=1) for n in (2, 3)]
    assert is_stuck(line(1, first, *again))


def test_many_failures_of_all_kinds_are_stuck(row):
    rows = [row(n, "COMPILE_ERROR", summary="abcdefgh"[n]) for n in range(1, MAX_REPAIRS + 1)]
    assert is_stuck(line(1, *rows))
    assert not is_stuck(line(1, *rows[1:]))


def test_no_progress_since_the_best_is_stuck(row):
    best = row(1, "PASSED")
    slower = [row(n, "PASSED", spills=n) for n in range(2, 2 + NO_PROGRESS)]
    assert is_stuck(line(1, best, *slower, best=best))
    assert not is_stuck(line(1, best, *slower[1:], best=best))
    assert not is_stuck(line(1, *slower, best, best=best))


def test_a_stuck_line_is_left_for_another_lines_kernel(row):
    passed = row(9, "PASSED")
    lines = line(1, *failures(row, SAME_FINDING)), line(2, passed, best=passed)
    move = next_move(view(*lines, best=passed), 1)
    assert (move.phase, move.line, move.base) == ("optimise", None, passed)


def test_the_best_line_stuck_is_left_for_the_second_best(row):
    best, second, third = (row(n, "PASSED", spills=n) for n in (1, 2, 3))
    tries = failures(row, SAME_FINDING, first=10)
    lines = (
        line(1, best, *tries, best=best),
        line(2, second, best=second),
        line(3, third, best=third),
    )
    at_work = {1: 1}
    assert next_move(view(*lines, at_work=at_work, best=best), 1).base is second


def test_streams_spread_over_the_best_kernels(row):
    stuck = line(1, *failures(row, SAME_FINDING))
    best, second = row(8, "PASSED", spills=1), row(9, "PASSED", spills=2)
    lines = stuck, line(2, best, best=best), line(3, second, best=second)
    at_work = {1: 1, 2: 2, 3: 3}
    assert next_move(view(*lines, at_work=at_work, best=best), 1).base is best
    crowded = {**at_work, 4: 2}
    assert next_move(view(*lines, at_work=crowded, best=best), 1).base is second


def test_stuck_with_nothing_that_passes_anywhere_begins_anew(row):
    lines = line(1, *failures(row, SAME_FINDING)), line(2, row(9, "TIMEOUT"))
    move = next_move(view(*lines), 1)
    assert (move.phase, move.line, move.variant) == ("explore", None, 2)


@pytest.mark.parametrize(("review", "phase"), [(False, "explore"), (True, "optimise")])
def test_the_only_kernel_stuck_begins_anew_unless_it_is_a_review(row, review, phase):
    best = row(1, "PASSED")
    tries = failures(row, SAME_FINDING, first=2)
    move = next_move(view(line(1, best, *tries, best=best), best=best, review=review), 1)
    assert move.phase == phase


@pytest.mark.parametrize(("ms", "leaves"), [(1.4, False), (2.0, True)])
def test_a_line_far_behind_gets_few_tries(row, ms, leaves):
    best, mine = row(1, "PASSED", ms=1.0), row(2, "PASSED", ms=ms)
    tries = [row(n, "PASSED", ms=ms) for n in (3, 4)]
    lines = line(1, best, best=best), line(2, mine, *tries, best=mine)
    move = next_move(view(*lines, best=best, rank=times), 2)
    assert (move.base is best) is leaves


def test_a_question_sees_its_own_line_and_the_best_of_others(row):
    mine, best, worse = row(1, "TIMEOUT"), row(2, "PASSED"), row(3, "PASSED", spills=7)
    failed = row(4, "CHEATED")
    lines = (
        line(1, mine),
        line(2, worse, best=worse),
        line(3, best, best=best),
        line(4, failed),
        line(5, best, best=best),
    )
    state = view(*lines, best=best)
    told = line_for(state, next_move(state, 1))
    assert told.attempts == (mine,)
    assert told.others == (best, worse, failed)


def test_a_kernel_taken_over_is_told_of_once(row):
    passed = row(9, "PASSED")
    lines = line(1, *failures(row, SAME_FINDING)), line(2, passed, best=passed)
    state = view(*lines, best=passed)
    told = line_for(state, next_move(state, 1))
    assert told.attempts == (passed,)
    assert passed not in told.others


@pytest.mark.parametrize(
    ("shares", "fields", "enough"),
    [
        ((0.96, 0.95), {}, True),
        ((0.96, 0.94), {}, False),
        ((0.96, None), {}, False),
        ((0.99,), {"not_timed": {"N=1": "too large"}}, False),
    ],
)
def test_enough_is_every_workload_at_the_roofline(shares, fields, enough):
    timings = [timing(N, roofline_share=share) for share in shares]
    evaluation = measured(performance=performance(*timings, **fields))
    assert at_roofline(evaluation) is enough


def test_arithmetic_never_ends_a_search():
    """The share counts the reference's operations; half of a causal attention's are not needed."""
    timings = [timing(N, roofline_share=1.1, bound="arithmetic")]
    assert not at_roofline(measured(performance=performance(*timings)))


def test_untimed_is_never_at_the_roofline(row):
    assert not at_roofline(row(1, "PASSED").attempt.evaluation)
