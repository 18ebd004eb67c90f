"""SIGKILL at every step, before and after its effect; the service started again ends the same way.

The service is the real one, over HTTP against the stand-in GitHub; only the runner is instant.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from types import ModuleType
from typing import Any

import pytest

from bot.standin import Person, Repository, StandIn
from bot.workflow import STEPS

BRANCH = "kernel/1-add-one"
FIRST_ROUND = ("read_opening", "choose", *(name for name in STEPS if name != "say_outcome"))
# What a second round does otherwise than a first one.
SECOND_ROUND = ("commit", "publish", "say_outcome")


def labelled_issue(person: Person, body: str) -> None:
    person.label(person.open_issue("kernel: add one", body), "kernel-request")


def assert_made_once(
    github: StandIn, repository: Repository, live: ModuleType, rounds: int
) -> None:
    pulls = [issue for issue in repository.issues.values() if issue.pull]
    assert [issue.pull.head_ref for issue in pulls if issue.pull] == [BRANCH]
    git = repository.git
    head = git.ref(f"refs/heads/{BRANCH}")
    assert head is not None
    commits = git.log("refs/heads/main", head)
    assert len(commits) == rounds
    assert len({git.commit(sha).message for sha in commits}) == rounds
    assert len(repository.runs) == rounds
    progress = live.markers(repository, "progress")
    assert len(progress) == len(set(progress)) == rounds
    assert len(live.markers(repository, "outcome")) == rounds - 1
    assert live.markers(repository, "reply") == []
    assert sorted(check.head_sha for check in repository.check_runs) == sorted(commits)
    assert [reaction.content for reaction in repository.issues[1].reactions] == ["eyes"]
    assert github.violations == []


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", FIRST_ROUND)
def test_a_kill_in_the_first_round_leaves_exactly_one_of_everything(
    github: StandIn, repository: Repository, mona: Person, service: Any, live: ModuleType,
    issue_body: Any, step: str, when: str,
) -> None:  # fmt: skip
    service.start(kill=(when, step))
    labelled_issue(mona, issue_body())
    assert service.wait() == -9
    service.start()
    service.until_idle(requests=1)
    assert_made_once(github, repository, live, rounds=1)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", SECOND_ROUND)
def test_a_kill_in_the_second_round_leaves_exactly_two_commits(
    github: StandIn, repository: Repository, mona: Person, service: Any, live: ModuleType,
    issue_body: Any, step: str, when: str,
) -> None:  # fmt: skip
    service.start()
    labelled_issue(mona, issue_body())
    service.until_idle(requests=1)
    service.stop()
    service.start(kill=(when, step))
    mona.review(live.pull_number(repository), "REQUEST_CHANGES", "Use fewer registers.")
    assert service.wait() == -9
    service.start()
    service.until_idle(requests=2)
    assert_made_once(github, repository, live, rounds=2)


def test_news_of_a_run_that_nobody_knows_are_dropped_again_after_a_restart(
    github: StandIn, repository: Repository, mona: Person, service: Any
) -> None:
    github.runs.command = lambda job: 1
    service.start()
    inputs = {"request": "{}", "request_id": "kw-0000000000000000"}
    route = "/actions/workflows/generate.yml/dispatches"
    mona.request("POST", route, {"ref": "main", "inputs": inputs})
    deadline_s = time.monotonic() + 30
    while not github.deliveries or github.deliveries[-1].payload["action"] != "completed":
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    assert github.deliveries[-1].done.wait(20)
    service.until_idle(requests=0)
    service.stop()
    # As a kill just after the last look at the database leaves it.
    with closing(sqlite3.connect(service.state / "kernelwright.sqlite")) as database:
        database.execute("UPDATE workflow_status SET status = 'PENDING', output = NULL")
        database.commit()
    service.start()
    service.until_idle(requests=0)
