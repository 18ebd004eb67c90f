"""Deliveries: a request's identity, one run at a time, and answers where nothing is started."""

from __future__ import annotations

from typing import Any

import pytest

from bot.reception import receive, request_id_of
from bot.records import Delivery, Ended, Job, Note, Regenerate, RunMoved, Start, Usage
from bot.workflow import generation

MemoryRequests = Any  # the fake of that name: see the fixture `requests`


def delivery(decision: Any, delivery_id: str = "d-1") -> Delivery:
    return Delivery(
        delivery_id=delivery_id, repository="octo/kernels", installation_id=1, decision=decision
    )


START = delivery(Start(issue_number=7, sender="mona"))


def command(thread: int, *, on_pull: bool) -> Delivery:
    pull = thread if on_pull else None
    return delivery(
        Regenerate(
            thread_number=thread, pull_number=pull, sender="mona", guidance="faster", comment_id=5
        )
    )


def end(**changes: Any) -> Ended:
    return Ended(**{"end": "failed", "text": "", "summary": "", "dispatched": True, **changes})


def test_identity_is_the_domains_not_the_deliverys(
    fake: Any, tools: Any, steps: Any, requests: MemoryRequests
) -> None:
    receive(steps, tools, requests, START)
    receive(steps, tools, requests, START.model_copy(update={"delivery_id": "d-2"}))
    first, second = requests.started
    assert first.request_id == second.request_id
    assert first.request_id.startswith("kw-")
    assert len(first.request_id) == 19


def test_request_ids_differ_by_everything_that_makes_a_request() -> None:
    ids = {
        request_id_of(*identity)
        for identity in [
            ("octo/kernels", 7, "a", 0), ("octo/other", 7, "a", 0), ("octo/kernels", 8, "a", 0),
            ("octo/kernels", 7, "b", 0), ("octo/kernels", 7, "a", 1), ("Octo/Kernels", 7, "a", 0),
        ]
    }  # fmt: skip
    assert len(ids) == 5  # GitHub's names have no case


def test_after_a_failed_run_the_label_makes_the_next_generation(
    fake: Any, tools: Any, steps: Any, requests: MemoryRequests
) -> None:
    receive(steps, tools, requests, START)
    requests.ends[requests.started[0].request_id] = end()
    receive(steps, tools, requests, START)
    assert [job.generation for job in requests.started] == [0, 1]
    assert requests.started[0].request_id != requests.started[1].request_id


def test_a_refusal_does_not_use_up_a_generation(
    fake: Any, tools: Any, steps: Any, requests: MemoryRequests
) -> None:
    receive(steps, tools, requests, START)
    requests.ends[requests.started[0].request_id] = end(end="refused", dispatched=False)
    receive(steps, tools, requests, START)
    assert [job.generation for job in requests.started] == [0, 0]
    assert requests.started[0].request_id != requests.started[1].request_id


def test_while_a_run_is_under_way_the_answer_says_so(
    fake: Any, tools: Any, steps: Any, requests: MemoryRequests
) -> None:
    requests.busy = "kw-00000000000000aa"
    receive(steps, tools, requests, START)
    assert requests.started == []
    assert "kw-00000000000000aa" in fake.said(7)


def test_a_delivery_handled_twice_is_answered_once(
    fake: Any, tools: Any, steps: Any, requests: MemoryRequests
) -> None:
    requests.busy = "kw-00000000000000aa"
    receive(steps, tools, requests, START)
    receive(steps, tools, requests, START)
    assert len(fake.threads[7]) == 1


@pytest.mark.parametrize("on_pull", [True, False], ids=["pull request", "issue"])
def test_a_command_starts_from_the_kernel_on_the_branch(
    fake: Any,
    tools: Any,
    steps: Any,
    requests: MemoryRequests,
    job: Job,
    issue_body: Any,
    on_pull: bool,
) -> None:
    generation(steps, tools, job)
    (pull,) = fake.open_pulls()
    # What the issue says by now does not matter.
    changed = issue_body(reference="def add_one(x):\n    return x + 2\n")
    fake.open_issue(7, changed, ("kernel-request",))
    receive(steps, tools, requests, command(pull.number if on_pull else 7, on_pull=on_pull))
    (started,) = requests.started
    assert (started.issue_number, started.slug, started.generation) == (7, "add_one", 1)
    assert (started.pull_number, started.head_sha) == (pull.number, pull.head_sha)
    assert started.thread_number == (pull.number if on_pull else 7)


def test_a_lost_database_does_not_repeat_an_earlier_request(
    fake: Any, tools: Any, steps: Any, requests: MemoryRequests, job: Job
) -> None:
    """The branch knows of one round that the (empty) database does not."""
    receive(steps, tools, requests, START)
    first = requests.started.pop()
    generation(steps, tools, first)
    receive(steps, tools, requests, command(fake.open_pulls()[0].number, on_pull=True))
    (second,) = requests.started
    assert second.request_id != first.request_id
    assert second.generation == 1


@pytest.mark.parametrize("state", ["none", "another author", "another repository"])
def test_without_a_pull_request_of_ours_there_is_nothing_to_change(
    fake: Any, tools: Any, steps: Any, requests: MemoryRequests, job: Job, state: str
) -> None:
    import dataclasses

    if state != "none":
        generation(steps, tools, job)
        (number,) = fake.pulls
        pull, title, body = fake.pulls[number]
        change = (
            {"author": "mona"} if state == "another author" else {"head_repository": "eve/kernels"}
        )
        fake.pulls[number] = (dataclasses.replace(pull, **change), title, body)
    receive(steps, tools, requests, command(7, on_pull=False))
    assert requests.started == []
    assert "no open pull request" in fake.said(7)


def test_help_is_answered_and_an_unknown_command_is_met_with_confusion(
    fake: Any, tools: Any, steps: Any, requests: MemoryRequests
) -> None:
    asked = Usage(thread_number=7, on_pull=False, comment_id=5, sender="mona")
    receive(steps, tools, requests, delivery(asked))
    assert "/regenerate" in fake.said(7)
    assert fake.reactions == set()
    unknown = asked.model_copy(update={"problem": "unknown command /frobnicate"})
    receive(steps, tools, requests, delivery(unknown, "d-2"))
    assert "unknown command /frobnicate" in fake.said(7)
    assert fake.reactions == {("comment", 5, "confused")}


def test_a_moved_run_wakes_its_request_and_touches_nothing(
    fake: Any, tools: Any, steps: Any, requests: MemoryRequests
) -> None:
    receive(steps, tools, requests, delivery(RunMoved(request_id="kw-00000000000000aa")))
    assert requests.told == [("kw-00000000000000aa", Note(kind="moved"), "d-1")]
    assert steps.names == []


def test_an_unexpected_failure_shows_the_delivery_id_only(
    fake: Any, tools: Any, steps: Any, requests: MemoryRequests
) -> None:
    def explode(name: str) -> None:
        if name == "issue":
            raise RuntimeError("secret detail")

    fake.before_call = explode
    receive(steps, tools, requests, START)
    assert "d-1" in fake.said(7)
    assert "secret detail" not in fake.said(7)
