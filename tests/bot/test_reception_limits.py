"""Why a request that may be made starts nothing: a day's runs are used up, or it says nothing."""

from __future__ import annotations

from typing import Any

import pytest

from bot.config import PATH
from bot.github_api import ReviewComment
from bot.reception import receive
from bot.records import Delivery, Job, Regenerate, RunStarted, Start
from bot.workflow import generation


def delivery(decision: Any) -> Delivery:
    return Delivery(
        delivery_id="d-1", repository="octo/kernels", installation_id=1, decision=decision
    )


START = delivery(Start(issue_number=7, sender="mona"))


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("caps: {per_person_per_day: 1}", "You have started 1 run "),
        ("caps: {per_repository_per_day: 1}", "This repository has started 1 run "),
    ],
)
def test_a_cap_is_said_with_the_time_from_which_it_is_possible_again(
    fake: Any, tools: Any, steps: Any, requests: Any, text: str, who: str
) -> None:
    fake.commit_as("mona", "main", "Set up", {PATH: text.encode()})
    # The tests' clock stands at 1,000,000 s after 1970: 12 January, 13:46:40.
    requests.runs.append(RunStarted(sender="mona", at_s=tools.now_s() - 3600.0))
    receive(steps, tools, requests, START)
    assert requests.started == []
    assert who in fake.said(7)
    assert "from **1970-01-13 12:47 UTC** on" in fake.said(7)
    tools.sleep(23 * 3600.0)
    receive(steps, tools, requests, START.model_copy(update={"delivery_id": "d-2"}))
    assert len(requests.started) == 1


def test_a_cap_is_one_comment_of_a_thread_kept_current(
    fake: Any, tools: Any, steps: Any, requests: Any
) -> None:
    fake.commit_as("mona", "main", "Set up", {PATH: b"caps: {per_person_per_day: 1}\n"})
    requests.runs.append(RunStarted(sender="mona", at_s=tools.now_s() - 3600.0))
    receive(steps, tools, requests, START)
    (before,) = fake.threads[7]
    requests.runs.append(RunStarted(sender="mona", at_s=tools.now_s() - 60.0))
    receive(steps, tools, requests, START.model_copy(update={"delivery_id": "missed-42"}))
    (after,) = fake.threads[7]
    assert after.id == before.id
    assert "from **1970-01-13 12:47 UTC** on" in before.body
    assert "from **1970-01-13 13:46 UTC** on" in after.body


def test_the_request_keeps_the_configuration_that_it_was_made_under(
    fake: Any, tools: Any, steps: Any, requests: Any
) -> None:
    fake.commit_as("mona", "main", "Set up", {PATH: b"runner_labels: [h100]\n"})
    receive(steps, tools, requests, START)
    (started,) = requests.started
    assert started.config.runner_labels == ("h100",)
    assert Job.model_validate(started.model_dump(mode="json")) == started


@pytest.mark.parametrize("has_inline_comment", [True, False])
def test_a_review_without_a_body_counts_for_its_inline_comments_alone(
    fake: Any, tools: Any, steps: Any, requests: Any, job: Job, has_inline_comment: bool
) -> None:
    generation(steps, tools, job)
    (pull,) = fake.open_pulls()
    if has_inline_comment:
        path = "problems/add_one/kernel.py"
        fake.reviews[3] = [ReviewComment(path=path, line=1, diff_hunk="", body="why?")]
    cause = Regenerate(
        thread_number=pull.number, pull_number=pull.number, sender="mona", guidance="", review_id=3
    )
    receive(steps, tools, requests, delivery(cause))
    assert len(requests.started) == has_inline_comment
    assert ("neither a text nor an inline comment" in fake.said(pull.number)) is (
        not has_inline_comment
    )


def test_a_command_without_words_is_another_try(
    fake: Any, tools: Any, steps: Any, requests: Any, job: Job
) -> None:
    generation(steps, tools, job)
    (pull,) = fake.open_pulls()
    cause = Regenerate(
        thread_number=pull.number, pull_number=pull.number, sender="mona", guidance="",
        comment_id=5, start="scratch",
    )  # fmt: skip
    receive(steps, tools, requests, delivery(cause))
    (started,) = requests.started
    assert started.cause.start == "scratch"


def test_who_may_start_nothing_more_does_not_stop_a_run_that_is_under_way(
    fake: Any, tools: Any, steps: Any, requests: Any, job: Job
) -> None:
    generation(steps, tools, job)
    (pull,) = fake.open_pulls()
    fake.commit_as("mona", "main", "Set up", {PATH: b"caps: {per_person_per_day: 1}\n"})
    requests.runs.append(RunStarted(sender="mona", at_s=tools.now_s() - 60.0))
    requests.busy = "kw-00000000000000aa"
    cause = Regenerate(
        thread_number=pull.number, pull_number=pull.number, sender="mona", guidance="faster",
        comment_id=5,
    )  # fmt: skip
    receive(steps, tools, requests, delivery(cause))
    assert requests.told == []
    assert "You have started 1 run " in fake.said(pull.number)
