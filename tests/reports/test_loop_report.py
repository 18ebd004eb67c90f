"""The table of runs says what their journals say, and nothing where nothing was measured."""

from __future__ import annotations

import pytest

from runner.contract import Attempt, Budget, Evaluation, TokenUsage
from runner.journal import AttemptFinished, FinalVerdict, RunStarted
from tests.bench.loop_report import main, rows_of, story_of
from tests.fakes.kernel_folders import GPU
from tests.fakes.measured import DIGEST, baseline, measured, timing

WRONG = Evaluation(
    status="INCORRECT_NUMERICAL",
    candidate_sha256=DIGEST,
    device="cuda",
    stage="smoke",
    summary="y: 3 of 9 elements",
)


@pytest.fixture
def started():
    return RunStarted(
        at_s=1.0,
        time="2026-01-01T00:00:00+00:00",
        problem="softmax",
        problem_sha256=DIGEST,
        request_id=None,
        generation=0,
        model="somebody",
        budget=Budget(),
        environment=GPU,
        parent_sha256=None,
    )


def attempt(index, evaluation):
    row = Attempt(
        index=index,
        phase="explore",
        evaluation=evaluation,
        tokens=TokenUsage(),
        model_s=1.0,
        verifier_s=1.0,
        kept=True,
    )
    return AttemptFinished(at_s=float(index), attempt=row)


def final(evaluation):
    return FinalVerdict(at_s=9.0, attempt=2, evaluation=evaluation)


def test_a_row_says_where_a_run_began_and_what_it_came_to(started):
    rows = (baseline("compile", 1.5), baseline("eager", 3.0))
    fast = measured(timing(median_ms=0.5, baselines=rows, roofline_share=0.9))
    events = [started, attempt(2, measured()), attempt(1, WRONG), final(fast)]
    (row,) = rows_of(story_of(events), "compile")
    assert "| softmax |" in row
    assert "| 2 | attempt 2 | N=65536 | 1 → 0.5 | 1.500 [1.400, 1.600] | 90%, memory |" in row


def test_a_final_verdict_that_failed_is_not_what_was_delivered(started):
    fast = measured(timing(median_ms=0.5))
    events = [started, attempt(1, measured()), final(WRONG), final(fast)]
    assert "1 → 0.5" in rows_of(story_of(events), "eager")[0]


@pytest.mark.parametrize("events", [[], [attempt(1, WRONG)], [attempt(1, measured())]])
def test_without_a_final_verdict_nothing_is_measured(started, events):
    (row,) = rows_of(story_of([started, *events]), "compile")
    assert row.count("not measured") == 3


def test_script_prints_the_table_of_what_it_is_given(started, tmp_path, capsys):
    lines = [started, attempt(1, measured()), final(measured())]
    text = "".join(event.model_dump_json() + "\n" for event in lines)
    (tmp_path / "journal.jsonl").write_text(text)
    assert main([str(tmp_path), "--against", "eager"]) == 0
    assert "| 1 | attempt 1 | N=65536 | 1 → 1 | 2.000 [1.900, 2.100] |" in capsys.readouterr().out


def test_journal_without_a_beginning_is_refused():
    with pytest.raises(ValueError, match="begins with run_started"):
        story_of([])
