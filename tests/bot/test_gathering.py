"""Reviews that come together, and words that come while a run is under way."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from bot.reception import receive
from bot.records import Delivery, Ended, Job, Note, Regenerate, Request, Voice
from bot.workflow import generation
from runner.contract import KernelRequest

OTHER = Voice(sender="hubot", guidance="Name the constants.", review_id=12)


def reviewed(make: Any, review_id: int = 11) -> Job:
    job: Job = make()
    cause = job.cause.model_copy(update={"review_id": review_id})  # type: ignore[union-attr]
    return job.model_copy(update={"cause": cause})


def test_reviews_within_the_window_are_one_round(
    fake: Any, tools: Any, steps: Any, job: Job, second_round: Any
) -> None:
    generation(steps, tools, job)
    again = Note(kind="join", by="hubot", voice=OTHER)
    steps.notes += [again, again]
    started_s = tools.now_s()
    ended = generation(steps, tools, reviewed(second_round))
    assert (ended.end, ended.heard) == ("published", (OTHER, OTHER))
    assert steps.gathered == (11, 12)
    assert tools.now_s() - started_s >= tools.review_window_s
    request = KernelRequest.model_validate_json(list(fake.runs.values())[-1].inputs["request"])
    assert request.feedback is not None
    assert request.feedback.author == "mona, hubot"
    assert request.feedback.text.count("Name the constants.") == 1
    assert "use fewer registers" in request.feedback.text


def test_without_a_window_a_review_waits_for_nobody(
    fake: Any, tools: Any, steps: Any, job: Job, second_round: Any
) -> None:
    generation(steps, tools, job)
    at_once = dataclasses.replace(tools, review_window_s=0.0)
    started_s = tools.now_s()
    assert generation(steps, at_once, reviewed(second_round)).end == "published"
    assert tools.now_s() == started_s


@pytest.mark.parametrize(("kind", "end"), [("cancel", "cancelled"), ("supersede", "superseded")])
def test_a_round_can_be_stopped_while_it_gathers(
    fake: Any, tools: Any, steps: Any, job: Job, second_round: Any, kind: Any, end: str
) -> None:
    generation(steps, tools, job)
    runs = len(fake.runs)
    steps.notes += [Note(kind="join", voice=OTHER), Note(kind=kind, by="mona")]
    ended = generation(steps, tools, reviewed(second_round))
    assert (ended.end, ended.heard) == (end, (OTHER,))
    assert len(fake.runs) == runs


def newer(job: Job, review_id: int | None = None) -> Delivery:
    cause = Regenerate(
        thread_number=job.thread_number, pull_number=job.pull_number, sender="mona",
        guidance="now this", review_id=review_id,
    )  # fmt: skip
    return Delivery(delivery_id="d-9", repository="octo/kernels", installation_id=1, decision=cause)


@pytest.fixture
def older(fake: Any, tools: Any, steps: Any, requests: Any, job: Job, second_round: Any) -> Job:
    """A second round under way, which ends as superseded when it is told to."""
    generation(steps, tools, job)
    under_way = reviewed(second_round)
    requests.busy = under_way.request_id
    requests.known[under_way.request_id] = Request(job=under_way, opened_s=0.0, ended=None)

    def obey(request_id: str, note: Note) -> None:
        if note.kind == "supersede":
            ended = Ended(end="superseded", text="", summary="", dispatched=True, heard=(OTHER,))
            requests.known[request_id] = Request(job=under_way, opened_s=0.0, ended=ended)
            requests.busy = None

    requests.on_tell = obey
    return under_way


def test_newer_words_stop_the_older_round_and_take_its_words_along(
    fake: Any, tools: Any, steps: Any, requests: Any, older: Job
) -> None:
    receive(steps, tools, requests, newer(older))
    (started,) = requests.started
    assert [voice.guidance for voice in started.cause.voices] == [
        "now this", "use fewer registers", "Name the constants.",
    ]  # fmt: skip
    assert [note.kind for _, note, _ in requests.told] == ["supersede"]
    assert "I asked it to stop" in fake.said(older.thread_number)


def test_a_review_that_the_older_round_still_takes_starts_nothing(
    tools: Any, steps: Any, requests: Any, older: Job
) -> None:
    requests.taken = (11, 12)
    receive(steps, tools, requests, newer(older, review_id=12))
    assert requests.started == []
    assert [note.kind for _, note, _ in requests.told] == ["join"]


def test_an_older_round_that_does_not_end_is_said_at_last(
    fake: Any, tools: Any, steps: Any, requests: Any, older: Job
) -> None:
    requests.on_tell = None
    started_s = tools.now_s()
    receive(steps, tools, requests, newer(older))
    assert requests.started == []
    assert tools.now_s() - started_s >= tools.supersede_patience_s
    (comment,) = fake.comments_with(older.thread_number, older.request_id + "`)")
    assert "already under way" in comment
