"""Whole runs of the loop on a GPU, recorded: their answers and verdicts drive the loop again.

Each folder of `tests/fixtures/loops` is a problem with the journal and the transcript of its run.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from runner.contract import EvaluationStatus
from runner.journal import AttemptFinished, FinalVerdict, PromptSent, RunEnded
from runner.judging import ThreadJudges
from runner.keep import is_better
from runner.loop import Loop
from runner.loop_io import Tools
from runner.model.replay import ReplayModel
from runner.problem import load_problem
from runner.prompts.questions import PromptContext
from runner.record import read_record
from runner.resume import restore
from runner.task import Task
from runner.verifier import rank
from tests.bench.loop_report import main

ROOT = Path(__file__).parents[2]
LOOPS = ROOT / "tests" / "fixtures" / "loops"
FOLDERS = sorted(path for path in LOOPS.iterdir() if path.is_dir())


class RecordedVerdicts:
    """A judge that says of a source what the GPU said of it, and knows no other source."""

    def __init__(self, events):
        rows = [event.attempt.evaluation for event in events if isinstance(event, AttemptFinished)]
        self._known = {row.candidate_sha256: row for row in rows}

    def verify(self, candidate):
        return self._known[candidate.sha256]

    def rank(self, evaluation):
        return rank(evaluation)


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def run(request):
    folder = request.param
    record = read_record(folder / "journal.jsonl", folder / "transcript.jsonl", 0)
    return folder, record, Task(problem=load_problem(folder))


def asked(events):
    """The attempts that answer a prompt, in order; the others were made by the tuner."""
    prompts = {event.attempt for event in events if isinstance(event, PromptSent)}
    rows = [event.attempt for event in events if isinstance(event, AttemptFinished)]
    return [row for row in rows if row.index in prompts]


def test_there_is_a_run_for_each_of_six_families():
    families = {load_problem(folder).family for folder in FOLDERS}
    assert len(families) == len(FOLDERS) == 6


def test_a_run_ended_with_a_verdict_on_its_best(run):
    _, record, _ = run
    ended = [event for event in record.events if isinstance(event, RunEnded)]
    finals = [event for event in record.events if isinstance(event, FinalVerdict)]
    assert ended[-1].best_attempt in {event.attempt for event in finals}
    assert finals[-1].evaluation.status is EvaluationStatus.PASSED
    assert record.started.model == "handwritten"
    assert record.started.environment.gpu


def test_what_was_kept_then_is_kept_now(run):
    """The journal, told to today's rules: the same attempts are kept, the same one is best."""
    _, record, task = run
    restored = restore(record, task, rank)
    ended = next(event for event in reversed(record.events) if isinstance(event, RunEnded))
    best = restored.history.best
    assert best is not None
    assert best.attempt.index == ended.best_attempt
    kept = None
    for event in record.events:
        if isinstance(event, AttemptFinished):
            row = event.attempt.evaluation
            passed = row.status is EvaluationStatus.PASSED
            gained = passed and (kept is None or is_better(row, kept, rank))
            assert event.attempt.kept is gained
            kept = row if gained else kept


def test_the_loop_goes_from_answer_to_better_answer_as_it_did(run):
    folder, record, task = run
    rows = asked(record.events)
    answers = []

    async def replay():
        tools = Tools(
            model=ReplayModel(folder / "transcript.jsonl", 0),
            judges=ThreadJudges(RecordedVerdicts(record.events), lambda: 0.0),
            emit=lambda event: None,
            save_best=answers.append,
            clock=lambda: 0.0,
            started_s=0.0,
            context=PromptContext(task=task, triton_version="3.6.0"),
            pause_s=0.0,
        )
        return await Loop(task, tools).run()

    result = asyncio.run(replay())
    assert result.stopped_because == "no further answer"
    assert [row.attempt.evaluation.status for row in result.tried] == [
        row.evaluation.status for row in rows
    ]
    assert result.models == ("handwritten",)
    # A better kernel than the first that was right, in every family but where nothing was left.
    right = [row for row in result.tried if row.attempt.evaluation.status == "PASSED"]
    assert result.best is not None
    assert len(answers) >= 1 + (result.best is not right[0])


def test_the_table_of_the_benchmarks_is_what_the_journals_say(capsys):
    assert main([str(folder) for folder in FOLDERS]) == 0
    table = capsys.readouterr().out
    assert table in (ROOT / "BENCHMARKS.md").read_text(encoding="utf-8")
