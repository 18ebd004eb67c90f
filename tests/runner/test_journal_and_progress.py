"""Journal lines, files that are never half-written, and what a person sees meanwhile."""

from __future__ import annotations

import io
import json
import re

import pytest
from pydantic import ValidationError
from rich.console import Console

from runner.contract import Attempt, Budget, Candidate, Outcome, TokenUsage
from runner.errors import RunnerError
from runner.event_lines import clock_text
from runner.files import write_atomically
from runner.journal import (
    Alive,
    AnswerReceived,
    AttemptFinished,
    Journal,
    ModelFailed,
    PromptSent,
    RunEnded,
    RunStarted,
    TuneFinished,
    TuneSkipped,
    parse_event,
)
from runner.model import LiveCount
from runner.one_line import one_line
from runner.progress import LiveProgress, PlainProgress, open_progress

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def events(fakes, cpu_environment):
    def attempt(index: int, status: str, *, kept: bool, summary: str | None = None):
        evaluation = fakes.evaluation(status, Candidate.of(f"{index}", index))
        if summary is not None:
            evaluation = evaluation.model_copy(update={"summary": summary})
        return AttemptFinished(
            at_s=index,
            attempt=Attempt(
                index=index,
                phase="explore",
                evaluation=evaluation,
                tokens=TokenUsage(),
                model_s=1.25,
                verifier_s=2.5,
                kept=kept,
            ),
        )

    started = RunStarted(
        at_s=0,
        time="2026-01-01T00:00:00+00:00",
        problem="double_it",
        problem_sha256="0" * 64,
        request_id=None,
        generation=0,
        model="hand\x1b[31mwritten",
        budget=Budget(wall_clock_s=900),
        environment=cpu_environment,
        parent_sha256=None,
    )
    answer = AnswerReceived(
        at_s=2,
        attempt=1,
        model="m",
        tokens=TokenUsage(),
        model_s=1,
        content_chars=3,
        reasoning_chars=0,
        cut=False,
    )
    hostile = "kernel.py:3: \x1b[2J::error::boom\n::set-output name=a::b [bold]markup[/bold]"
    return [
        started,
        PromptSent(at_s=1, attempt=1, stream=1, phase="explore", line=1, text="two\nlines"),
        answer,
        attempt(1, "COMPILE_ERROR", kept=False, summary=hostile),
        attempt(2, "PASSED", kept=True),
        RunEnded(at_s=9.5, outcome=Outcome.CORRECT, best_attempt=2, stopped_because="budget spent"),
    ]


def test_every_event_is_one_line_that_reads_back_the_same(tmp_path, events):
    journal = Journal(tmp_path / "journal.jsonl")
    for event in events:
        journal(event)
    lines = (tmp_path / "journal.jsonl").read_text().splitlines()
    assert [parse_event(line) for line in lines] == events
    assert all(json.loads(line)["version"] == 2 for line in lines)
    assert [json.loads(line)["event"] for line in lines] == [event.event for event in events]


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '{"event": "unheard_of", "at_s": 1}', '{"event": "prompt_sent", "at_s": 1}'],
)
def test_a_line_that_is_no_event_is_refused(line):
    with pytest.raises(ValidationError):
        parse_event(line)


def test_a_journal_of_another_version_is_refused(events):
    line = events[1].model_dump_json().replace('"version":2', '"version":1')
    with pytest.raises(ValidationError):
        parse_event(line)


def test_plain_progress_is_one_line_an_event_without_control_characters(events):
    stream = io.StringIO()
    progress = PlainProgress(stream, lambda: 61.9)
    for event in events:
        progress(event)
    progress.close()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 4
    assert lines[0].startswith(
        "double_it: model hand [31mwritten, budget 15:00, sandbox bubblewrap"
    )
    assert lines[1].startswith("attempt 1  COMPILE_ERROR  explore  kernel.py:3: ")
    assert lines[2].startswith("attempt 2  PASSED  explore  ")
    assert "[best so far]" in lines[2]
    assert "1:01 left" in lines[2]
    assert lines[3] == "CORRECT after 9.5 s: best: attempt 2 (budget spent)"
    # A line that begins with "::" is a command to the Actions runner.
    assert not any("\x1b" in line or line.startswith("::") for line in lines)


def test_live_progress_shows_attempts_best_and_time_left(events):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=140, height=40)
    progress = LiveProgress(console, lambda: 61.9)
    for event in events[:-1]:
        progress(event)
    progress.close()
    shown = stream.getvalue()
    for words in ("attempt", "COMPILE_ERROR", "PASSED", "2 *", "best: attempt 2", "1:01", "no GPU"):
        assert words in shown
    assert "[bold]markup[/bold]" in shown
    assert "\x1b[2J" not in shown


def under_way(attempt, stream):
    return PromptSent(
        at_s=1, attempt=attempt, stream=stream, phase="explore", line=attempt, text="x"
    )


def test_live_progress_shows_what_every_stream_is_at(events):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=140, height=40)
    progress = LiveProgress(console, lambda: 61.9)
    for event in (events[0], under_way(1, 1), under_way(2, 2), under_way(3, 3)):
        progress(event)
    progress.watch(1, LiveCount(reasoning_tokens=4321, answer_tokens=0, estimated=True))
    progress.watch(2, LiveCount(reasoning_tokens=4321, answer_tokens=5, estimated=False))
    progress(events[2].model_copy(update={"attempt": 3}))
    progress.close()
    plain = ANSI.sub("", stream.getvalue())
    text = "\n".join(" ".join(line.split()) for line in plain.splitlines())
    assert "1 1 explore thinking ~4,321" in text
    assert "2 2 explore writing 4,326" in text
    assert "3 3 explore being judged" in text


def test_a_log_says_now_and_then_that_models_think(events):
    stream = io.StringIO()
    progress = PlainProgress(stream, lambda: 61.9)
    for at_s in range(10, 100, 10):
        progress(Alive(at_s=at_s, waiting={1: 1000, 2: 234}))
    lines = stream.getvalue().splitlines()
    assert lines == ["2 answers under way, 1,234 tokens so far  (1:01 left)"] * 3


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            ModelFailed(at_s=1, attempt=3, stream=2, reason="429\nslow", gives_up=False),
            "attempt 3: no answer, asking again: 429 slow",
        ),
        (
            ModelFailed(at_s=1, attempt=3, stream=2, reason="dead", gives_up=True),
            "attempt 3: no answer, its stream gives up: dead",
        ),
        (
            TuneSkipped(at_s=1, of=3, reason="nothing is timed"),
            "attempt 3 could be tuned, but nothing is timed",
        ),
        (
            TuneFinished(
                at_s=1,
                of=3,
                attempt=9,
                source="x",
                tried=40,
                dropped=8,
                timed=32,
                note="BLOCK 64",
                tune_s=41.7,
            ),
            "tuned attempt 3: BLOCK 64 (40 configurations, 32 timed, 42 s)",
        ),
    ],
)
def test_rare_events_are_a_line_each(event, line):
    stream = io.StringIO()
    PlainProgress(stream, lambda: 61.9)(event)
    assert stream.getvalue() == f"{line}\n"


def test_a_second_writer_is_refused_and_an_empty_journal_leaves_nothing(tmp_path):
    path = tmp_path / "journal.jsonl"
    first = Journal(path)
    with pytest.raises(RunnerError, match="another run is writing"):
        Journal(path)
    first.close()
    first.close()
    assert not path.exists()


def test_progress_is_live_only_in_a_terminal():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert isinstance(open_progress(io.StringIO(), lambda: 1.0), PlainProgress)
    live = open_progress(Terminal(), lambda: 1.0)
    live.close()
    assert isinstance(live, LiveProgress)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.9, "0:59"), (61, "1:01"), (3600, "60:00"), (-4, "0:00")]
)
def test_clock_text(seconds, text):
    assert clock_text(seconds) == text


def test_one_line_keeps_letters_of_any_language():
    assert one_line("größe\t= ½\r\n\x07x") == "größe = ½ x"


def test_atomic_write_replaces_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "kernel.py"
    write_atomically(path, "one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["kernel.py"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_atomic_write_that_fails_keeps_the_old_content(tmp_path):
    target = tmp_path / "kernel.py"
    target.mkdir()
    with pytest.raises(OSError, match=r"kernel\.py"):
        write_atomically(target, "new")
    assert [p.name for p in tmp_path.iterdir()] == ["kernel.py"]
