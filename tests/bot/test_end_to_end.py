"""The live service against the stand-in GitHub, over HTTP: what people do, and what goes wrong."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from bot.handlers import INVALID_LABEL, REQUEST_LABEL
from bot.standin import Inline, Person, Repository, StandIn
from runner.contract import KernelRequest

BOT = "kernelwright[bot]"
BRANCH = "kernel/1-add-one"
WAIT_S = 60.0


def said(repository: Repository, number: int) -> str:
    comments = repository.issues[number].comments
    return "\n\n".join(comment.body for comment in comments if comment.user.login == BOT)


def until(condition: Callable[[], Any], service: Any) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, (service.state / "bot.log").read_text()
        time.sleep(0.03)


def label_issue(person: Person, body: str) -> int:
    number = person.open_issue("kernel: add one", body)
    person.label(number, REQUEST_LABEL)
    return number


def label_again(person: Person, number: int) -> None:
    person.unlabel(number, REQUEST_LABEL)
    person.label(number, REQUEST_LABEL)


def branch_head(repository: Repository) -> str | None:
    return repository.git.ref(f"refs/heads/{BRANCH}")


def test_a_review_with_inline_comments_reaches_the_runner(
    github: StandIn,
    repository: Repository,
    mona: Person,
    service: Any,
    live: ModuleType,
    issue_body: Any,
) -> None:
    service.start()
    label_issue(mona, issue_body())
    service.until_idle(requests=1)
    number = live.pull_number(repository)
    path = "problems/add_one/kernel.py"
    comment = Inline(path=path, line=1, body="Say more here.")
    mona.review(number, "REQUEST_CHANGES", "Use fewer registers.", [comment])
    service.until_idle(requests=2)

    request = KernelRequest.model_validate_json(repository.runs[1].inputs["request"])
    assert request.feedback is not None
    assert (request.feedback.author, request.feedback.text) == ("mona", "Use fewer registers.")
    (inline,) = request.feedback.comments
    assert (inline.path, inline.line, inline.body) == (path, 1, "Say more here.")
    assert "Kernel of round 0" in inline.code
    assert request.parent_kernel == '"""Kernel of round 0."""\n'
    head = branch_head(repository)
    assert head is not None
    assert len(repository.git.log("refs/heads/main", head)) == 2
    assert "The kernel has changed" in said(repository, number)
    assert github.violations == []


def test_a_command_on_the_issue_makes_the_second_round(
    github: StandIn, repository: Repository, mona: Person, service: Any, issue_body: Any
) -> None:
    service.start()
    number = label_issue(mona, issue_body())
    service.until_idle(requests=1)
    comment_id = mona.comment(number, "Nice.\n\n/regenerate use fewer registers")
    service.until_idle(requests=2)
    (comment,) = [c for c in repository.issues[number].comments if c.id == comment_id]
    assert [reaction.content for reaction in comment.reactions] == ["eyes"]
    assert len(repository.runs) == 2


def test_an_unknown_command_is_met_with_confusion_and_usage(
    github: StandIn, repository: Repository, mona: Person, service: Any, issue_body: Any
) -> None:
    service.start()
    number = label_issue(mona, issue_body())
    service.until_idle(requests=1)
    comment_id = mona.comment(number, "/frobnicate")
    until(lambda: "unknown command /frobnicate" in said(repository, number), service)
    (comment,) = [c for c in repository.issues[number].comments if c.id == comment_id]
    assert [reaction.content for reaction in comment.reactions] == ["confused"]


def test_a_faulty_spec_can_be_mended_and_labelled_again(
    github: StandIn, repository: Repository, mona: Person, service: Any, issue_body: Any
) -> None:
    service.start()
    number = label_issue(mona, issue_body().replace('dtype = "float32"', 'dtype = "float33"', 1))
    service.until_idle(requests=1)
    assert INVALID_LABEL in [label.name for label in repository.issues[number].labels]
    assert "float33" in said(repository, number)
    assert repository.runs == []

    mona.edit_issue(number, body=issue_body())
    label_again(mona, number)
    service.until_idle(requests=2)
    assert INVALID_LABEL not in [label.name for label in repository.issues[number].labels]
    assert branch_head(repository) is not None
    assert github.violations == []


def test_an_outsider_is_refused_and_a_maintainer_can_start_the_same_request(
    github: StandIn, repository: Repository, mona: Person, service: Any, issue_body: Any
) -> None:
    service.start()
    # Whoever opens the form gets its label put on.
    repository_labels = github.person("admin", repository, "admin")
    repository_labels.request("POST", "/labels", {"name": REQUEST_LABEL, "color": "1d76db"})
    eve = github.person("eve", repository, "triage")
    number = label_issue(eve, issue_body())
    until(lambda: "write access" in said(repository, number), service)
    assert len(repository.issues[number].comments) == 1
    assert repository.runs == []
    label_again(mona, number)
    service.until_idle(requests=1)
    request = KernelRequest.model_validate_json(repository.runs[0].inputs["request"])
    assert (request.generation, request.requested_by) == (0, "mona")


def test_the_repositorys_own_settings_hold_and_their_faults_are_quoted_back(
    github: StandIn, repository: Repository, mona: Person, service: Any, issue_body: Any
) -> None:
    service.start()
    faulty = b"label: kernel-request\nproblem_folder: kernels\n"
    mona.push_commit("main", {".github/kernelwright.yml": faulty}, "Set up")
    number = label_issue(mona, issue_body())
    until(lambda: "has one fault" in said(repository, number), service)
    assert "| 2 | `problem_folder: unknown key; did you mean problems_folder?` |" in said(
        repository, number
    )
    assert repository.runs == []
    settings = b"problems_folder: kernels\ncaps: {per_person_per_day: 1}\n"
    mona.push_commit("main", {".github/kernelwright.yml": settings}, "Mend")
    label_again(mona, number)
    service.until_idle(requests=1)
    assert repository.git.read_file(branch_head(repository) or "", "kernels/add_one/kernel.py")
    mona.comment(number, "/regenerate once more")
    until(lambda: "started 1 run within 24 hours" in said(repository, number), service)
    assert "The next is possible from" in said(repository, number)
    assert len(repository.runs) == 1
    assert github.violations == []


@pytest.mark.parametrize("conclusion", ["failure", "cancelled", "timed_out"])
def test_a_run_that_ends_badly_is_said_and_can_be_tried_again(
    github: StandIn,
    repository: Repository,
    mona: Person,
    service: Any,
    issue_body: Any,
    conclusion: Any,
) -> None:
    service.start()
    github.faults.end_next_run(conclusion)
    number = label_issue(mona, issue_body())
    service.until_idle(requests=1)
    assert f"ended as `{conclusion}`" in said(repository, number)
    assert branch_head(repository) is None
    label_again(mona, number)
    service.until_idle(requests=2)
    assert branch_head(repository) is not None
    requests = [KernelRequest.model_validate_json(r.inputs["request"]) for r in repository.runs]
    assert [request.generation for request in requests] == [0, 1]


@pytest.mark.parametrize("fault", ["lost", "altered", "expired", "expired_since"])
def test_a_bundle_that_cannot_be_believed_leaves_no_branch(
    github: StandIn, repository: Repository, mona: Person, service: Any, issue_body: Any, fault: str
) -> None:
    service.start()
    if fault == "lost":
        github.faults.lose_artifact()
    elif fault != "altered":
        github.faults.expire_artifact(listed=fault == "expired")
    else:
        github.faults.alter_artifact(lambda data: data[:-30] + b"x" * 30)
    number = label_issue(mona, issue_body())
    service.until_idle(requests=1)
    assert "failed its checks" in said(repository, number)
    assert f"/actions/runs/{repository.runs[0].id}" in said(repository, number)
    assert branch_head(repository) is None


def test_a_lost_webhook_is_repaired_by_asking(
    github: StandIn, repository: Repository, mona: Person, service: Any, issue_body: Any
) -> None:
    service.start()
    github.faults.lose("workflow_run.in_progress")
    github.faults.lose("workflow_run.completed")
    label_issue(mona, issue_body())
    service.until_idle(requests=1)
    assert branch_head(repository) is not None


def test_a_delivery_that_comes_twice_is_one_request(
    github: StandIn,
    repository: Repository,
    mona: Person,
    service: Any,
    live: ModuleType,
    issue_body: Any,
) -> None:
    service.start()
    github.faults.deliver_twice("issues.labeled")
    github.faults.deliver_twice("workflow_run.completed")
    label_issue(mona, issue_body())
    service.until_idle(requests=1)
    assert len(repository.runs) == 1
    assert len(live.markers(repository, "progress")) == 1
    assert live.markers(repository, "reply") == []


def test_a_missing_workflow_is_said_on_the_issue(
    github: StandIn, mona: Person, service: Any, issue_body: Any
) -> None:
    service.start()
    bare = github.create_repository("octo/bare", files={"README.md": b"no workflow\n"})
    person = github.person("mona", bare, "admin")
    number = label_issue(person, issue_body())
    service.until_idle(requests=1)
    assert "generate.yml" in said(bare, number)


def test_a_persons_commit_is_respected(
    github: StandIn,
    repository: Repository,
    mona: Person,
    service: Any,
    live: ModuleType,
    issue_body: Any,
) -> None:
    service.start()
    label_issue(mona, issue_body())
    service.until_idle(requests=1)
    mine = mona.push_commit(BRANCH, {"problems/add_one/kernel.py": b"mine = 1\n"}, "Tune by hand")
    number = live.pull_number(repository)
    mona.review(number, "REQUEST_CHANGES", "Again.")
    service.until_idle(requests=2)
    assert branch_head(repository) == mine
    assert "commits that are not mine" in said(repository, number)
    assert len(repository.runs) == 1


def test_a_closed_pull_request_stays_closed(
    github: StandIn,
    repository: Repository,
    mona: Person,
    service: Any,
    live: ModuleType,
    issue_body: Any,
) -> None:
    service.start()
    number = label_issue(mona, issue_body())
    service.until_idle(requests=1)
    mona.close(live.pull_number(repository))
    label_again(mona, number)
    service.until_idle(requests=2)
    assert "stays closed" in said(repository, number)
    assert len(repository.runs) == 1


def test_a_polite_stop_while_a_run_is_under_way_loses_nothing(
    github: StandIn,
    repository: Repository,
    mona: Person,
    service: Any,
    live: ModuleType,
    issue_body: Any,
) -> None:
    instant = github.runs.command
    may_end = threading.Event()

    def slow(job: Any) -> int:
        may_end.wait(WAIT_S)
        return instant(job)

    github.runs.command = slow
    service.start()
    number = label_issue(mona, issue_body())
    until(lambda: "running, budget 15 min" in said(repository, number), service)
    assert service.stop(signal.SIGTERM) == 0
    may_end.set()
    service.start()
    service.until_idle(requests=1)
    assert len(repository.runs) == 1
    assert branch_head(repository) is not None
    assert live.markers(repository, "outcome") == []


def test_an_outage_of_github_is_waited_out(
    github: StandIn, repository: Repository, mona: Person, service: Any, issue_body: Any
) -> None:
    service.start()
    github.faults.answer("POST", "/repos/{owner}/{repo}/pulls", 502)
    label_issue(mona, issue_body())
    service.until_idle(requests=1)
    assert len([issue for issue in repository.issues.values() if issue.pull]) == 1
