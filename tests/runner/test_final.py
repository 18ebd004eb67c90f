"""Which kernel is delivered: the one that stands the final verdict."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from runner.contract import Attempt as AttemptType
from runner.contract import Candidate, TokenUsage
from runner.final import settle
from runner.loop_io import LoopResult
from runner.tried import Tried


@pytest.fixture
def tried(fakes):
    def build(index: int, status: str, spills: int = 0, repeats: int | None = None) -> Tried:
        candidate = Candidate.of(f"# {index}\n", index)
        attempt = AttemptType(
            index=index,
            phase="optimise",
            evaluation=fakes.evaluation(status, candidate, spills=spills),
            tokens=TokenUsage(),
            model_s=1.0,
            verifier_s=1.0,
            kept=status == "PASSED",
        )
        return Tried(attempt=attempt, candidate=candidate, repeats=repeats)

    return build


@pytest.fixture
def run(fakes):
    """Settle a run of `rows` whose final verdicts are `finals`, in order."""

    def settle_with(rows, best, finals):
        script, events, asked = list(finals), [], []

        async def finalize(row):
            asked.append(row.attempt.index)
            step = script.pop(0)
            if isinstance(step, Exception):
                raise step
            return fakes.evaluation(step, row.candidate)

        result = LoopResult(
            tried=tuple(rows), best=best, parent=None, stopped_because="x", models=("m",)
        )
        ranks = SimpleNamespace(rank=lambda e: (float(e.resources[0].spill_bytes),))
        settled = asyncio.run(settle(result, ranks, finalize, events.append, lambda: 1.0))
        return settled, asked, events

    return settle_with


def test_the_best_kernel_is_reported_with_its_final_verdict(tried, run):
    rows = [tried(1, "INCORRECT_NUMERICAL"), tried(2, "PASSED", spills=64)]
    settled, asked, events = run(rows, rows[1], ["PASSED"])
    assert asked == [2]
    assert settled.best.attempt.index == 2
    assert settled.best.attempt.evaluation.resources[0].spill_bytes == 0  # the final one's
    assert settled.tried[1].attempt.evaluation.resources[0].spill_bytes == 64
    assert [(event.event, event.attempt) for event in events] == [("final_verdict", 2)]


def test_a_kernel_that_fails_at_the_end_gives_way_to_the_next_best(tried, run):
    rows = [tried(1, "PASSED", spills=32), tried(2, "PASSED", spills=8), tried(3, "PASSED")]
    settled, asked, _ = run(rows, rows[2], ["INCORRECT_NUMERICAL", "PASSED"])
    assert asked == [3, 2]
    assert settled.best.attempt.index == 2


def test_where_none_stands_nothing_is_delivered(tried, run):
    rows = [tried(1, "PASSED"), tried(2, "PASSED")]
    settled, asked, events = run(rows, rows[0], ["CHEATED", "TIMEOUT"])
    assert asked == [1, 2]
    assert settled.best is None
    assert len(events) == 2


def test_repeats_and_failures_get_no_turn(tried, run):
    rows = [tried(1, "PASSED"), tried(2, "PASSED", repeats=1), tried(3, "REJECTED")]
    settled, asked, _ = run(rows, rows[0], ["CHEATED"])
    assert asked == [1]
    assert settled.best is None


def test_without_a_best_nothing_is_asked(tried, run):
    settled, asked, events = run([tried(1, "REJECTED")], None, [])
    assert (settled.best, asked, events) == (None, [], [])
