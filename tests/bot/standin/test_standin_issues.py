"""Issues, comments, reactions and labels over HTTP, as PyGithub and as people use them."""

from __future__ import annotations

import subprocess

import github
import httpx
import pytest

from bot.standin import Person, Refused, Repository, StandIn
from bot.standin.state import Role


def events(standin: StandIn) -> list[str]:
    return [delivery.name for delivery in standin.deliveries]


def test_a_label_put_on_is_made_and_announced_once(
    standin: StandIn, ada: Person, app: github.Github
) -> None:
    number = ada.open_issue("A kernel", "please")
    ada.label(number, "kernel-request")
    ada.label(number, "kernel-request")
    assert events(standin) == ["issues.opened", "issues.labeled"]
    payload = standin.deliveries[1].payload
    assert payload["label"]["name"] == "kernel-request"
    assert payload["issue"]["number"] == number
    assert payload["sender"]["login"] == "ada"
    assert payload["repository"]["full_name"] == "octo/kernels"
    assert payload["installation"]["id"] == standin.hub.authority.installation_id
    issue = app.get_repo("octo/kernels").get_issue(number)
    assert [label.name for label in issue.labels] == ["kernel-request"]


def test_a_label_taken_off_can_be_put_on_again(standin: StandIn, ada: Person) -> None:
    number = ada.open_issue("A kernel", "please", ["kernel-request"])
    ada.unlabel(number, "kernel-request")
    ada.label(number, "kernel-request")
    assert events(standin)[1:] == ["issues.labeled", "issues.unlabeled", "issues.labeled"]
    ada.unlabel(number, "kernel-request")
    with pytest.raises(Refused, match="Label does not exist"):
        ada.unlabel(number, "kernel-request")


@pytest.mark.parametrize(("role", "kept"), [("read", []), ("triage", ["kernel-request"])])
def test_labels_of_an_issue_from_an_outsider_are_dropped_without_a_word(
    standin: StandIn, repository: Repository, role: Role, kept: list[str]
) -> None:
    person = standin.person("eve", repository, role)
    number = person.open_issue("A kernel", "please", ["kernel-request"])
    assert [label.name for label in repository.issues[number].labels] == kept


def test_an_outsider_cannot_label_or_edit_what_others_wrote(
    standin: StandIn, repository: Repository, ada: Person
) -> None:
    number = ada.open_issue("A kernel", "please")
    eve = standin.person("eve", repository, "read")
    for act in (
        lambda: eve.label(number, "kernel-request"),
        lambda: eve.edit_issue(number, body="mine"),
        lambda: eve.close(number),
    ):
        with pytest.raises(Refused) as refused:
            act()
        assert refused.value.status == 403
    assert repository.issues[number].body == "please"


def test_an_edited_issue_tells_what_it_said_before(standin: StandIn, ada: Person) -> None:
    number = ada.open_issue("A kernel", "please")
    ada.edit_issue(number, body="thank you")
    payload = standin.deliveries[-1].payload
    assert payload["action"] == "edited"
    assert payload["changes"] == {"body": {"from": "please"}}
    assert payload["issue"]["body"] == "thank you"


def test_comments_come_in_pages_and_all_of_them(ada: Person, app: github.Github) -> None:
    number = ada.open_issue("A kernel", "please")
    issue = app.get_repo("octo/kernels").get_issue(number)
    made = [issue.create_comment(f"comment {n}").id for n in range(65)]
    assert [comment.id for comment in issue.get_comments()] == made
    assert issue.get_comments().totalCount == 65


def test_an_edited_comment_is_the_same_comment(
    standin: StandIn, ada: Person, app: github.Github
) -> None:
    number = ada.open_issue("A kernel", "please")
    comment = app.get_repo("octo/kernels").get_issue(number).create_comment("queued")
    comment.edit("running")
    assert [c.body for c in app.get_repo("octo/kernels").get_issue(number).get_comments()] == [
        "running"
    ]
    assert events(standin)[-2:] == ["issue_comment.created", "issue_comment.edited"]
    assert standin.deliveries[-1].payload["sender"]["type"] == "Bot"


def test_the_same_reaction_twice_is_one_reaction(ada: Person, app: github.Github) -> None:
    number = ada.open_issue("A kernel", "please")
    issue = app.get_repo("octo/kernels").get_issue(number)
    first, second = issue.create_reaction("eyes"), issue.create_reaction("eyes")
    assert first.id == second.id
    assert [reaction.content for reaction in issue.get_reactions()] == ["eyes"]
    comment = issue.create_comment("x")
    comment.create_reaction("confused")
    assert [reaction.user.login for reaction in comment.get_reactions()] == ["kernelwright[bot]"]


@pytest.mark.parametrize("length", [65_536, 65_537])
def test_a_body_has_a_limit(ada: Person, length: int) -> None:
    if length <= 65_536:
        assert ada.open_issue("A kernel", "x" * length) == 1
    else:
        with pytest.raises(Refused, match="too long"):
            ada.open_issue("A kernel", "x" * length)


def test_closing_and_reopening_are_announced(standin: StandIn, ada: Person) -> None:
    number = ada.open_issue("A kernel", "please")
    ada.close(number)
    ada.request("PATCH", f"/issues/{number}", {"state": "open"})
    assert events(standin)[1:] == ["issues.closed", "issues.reopened"]


def test_a_request_against_the_description_is_refused_and_kept_in_the_record(
    standin: StandIn, ada: Person
) -> None:
    number = ada.open_issue("A kernel", "please")
    with pytest.raises(Refused, match="422"):
        ada.request("POST", f"/issues/{number}/comments", {"text": "x"})
    assert len(standin.violations) == 1
    assert "'body' is a required property" in standin.violations[0]


def test_an_endpoint_that_nobody_listed_is_not_found_and_kept_in_the_record(
    standin: StandIn, ada: Person
) -> None:
    with pytest.raises(Refused, match="404"):
        ada.request("GET", "/releases")
    assert standin.violations == [
        "GET /repos/octo/kernels/releases: not an endpoint that is in use"
    ]


def test_a_fault_answers_one_request_and_does_nothing(standin: StandIn, ada: Person) -> None:
    number = ada.open_issue("A kernel", "please")
    template = "/repos/{owner}/{repo}/issues/{issue_number}/comments"
    standin.faults.answer("POST", template, 502)
    with pytest.raises(Refused, match="502"):
        ada.comment(number, "lost")
    ada.comment(number, "kept")
    statuses = [a.status for a in standin.gate.answered if a.template == template]
    assert statuses == [502, 201]


def test_every_answer_carries_the_rate_limit(standin: StandIn, repository: Repository) -> None:
    url = f"{standin.base_url}/repos/octo/kernels"
    first, second = (httpx.get(url, trust_env=False).headers for _ in range(2))
    assert int(first["x-ratelimit-remaining"]) - int(second["x-ratelimit-remaining"]) == 1
    assert int(first["x-ratelimit-reset"]) > 0


def test_the_repository_is_a_real_one(repository: Repository) -> None:
    done = subprocess.run(
        ["git", "--git-dir", str(repository.git.path), "fsck", "--strict"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
