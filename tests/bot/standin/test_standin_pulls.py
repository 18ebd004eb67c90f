"""Branches, commits, pull requests, reviews and checks, through PyGithub and through people."""

from __future__ import annotations

import base64
from collections.abc import Callable

import github
import pytest
from github import InputGitTreeElement
from github.PullRequest import PullRequest
from github.Repository import Repository as Remote

from bot.standin import Inline, Person, Refused, Repository, StandIn

KERNEL = "problems/x/kernel.py"
BRANCH = "kernel/1-x"
Commit = Callable[[str, str], str]


@pytest.fixture
def remote(app: github.Github) -> Remote:
    return app.get_repo("octo/kernels")


@pytest.fixture
def commit(remote: Remote) -> Commit:
    """A commit of KERNEL on a parent, made through the git data API."""

    def make(parent: str, text: str) -> str:
        blob = remote.create_git_blob(base64.b64encode(text.encode()).decode(), "base64")
        element = InputGitTreeElement(KERNEL, "100644", "blob", sha=blob.sha)
        above = remote.get_git_commit(parent)
        tree = remote.create_git_tree([element], above.tree)
        return remote.create_git_commit(f"kernel: {text[:1]}", tree, [above]).sha

    return make


@pytest.fixture
def base(remote: Remote) -> str:
    return remote.get_git_ref("heads/main").object.sha


@pytest.fixture
def pull(remote: Remote, commit: Commit, base: str) -> PullRequest:
    remote.create_git_ref(f"refs/heads/{BRANCH}", commit(base, "a\nb\nc\n"))
    return remote.create_pull(base="main", head=BRANCH, title="kernel: x", body="Closes #1")


def test_a_commit_of_the_app_is_signed_with_its_name(
    repository: Repository, commit: Commit, base: str
) -> None:
    author = repository.git.commit(commit(base, "a\n")).author
    assert author.name == "kernelwright[bot]"
    assert author.email.endswith("+kernelwright[bot]@users.noreply.github.com")


def test_a_tree_takes_content_inline_and_keeps_the_rest(remote: Remote, base: str) -> None:
    element = InputGitTreeElement(KERNEL, "100644", "blob", content="inline\n")
    tree = remote.create_git_tree([element], remote.get_git_commit(base).tree)
    paths = {entry.path for entry in remote.get_git_tree(tree.sha, recursive=True).tree}
    assert {KERNEL, "README.md", ".github/workflows/generate.yml"} <= paths


@pytest.mark.parametrize(
    ("act", "status", "message"),
    [
        (lambda r, c: r.create_git_ref("refs/heads/x", "0" * 40), 422, "does not exist"),
        (lambda r, c: r.create_git_ref("refs/heads/main", c), 422, "already exists"),
        (lambda r, c: r.get_git_ref("heads/nowhere"), 404, "Not Found"),
        (lambda r, c: r.get_git_tree("0" * 40), 404, "Not Found"),
        (lambda r, c: r.get_contents("nothing.py"), 404, "Not Found"),
        (lambda r, c: r.get_contents("README.md", ref="nowhere"), 404, "No commit found"),
        (
            lambda r, c: r.create_pull(base="main", head="nowhere", title="t"),
            422,
            "head is invalid",
        ),
        (lambda r, c: r.create_pull(base="main", head="main", title="t"), 422, "No commits"),
    ],
)
def test_refuses_as_github_does(
    remote: Remote, base: str, act: Callable[[Remote, str], object], status: int, message: str
) -> None:
    with pytest.raises(github.GithubException) as refused:
        act(remote, base)
    assert refused.value.status == status
    assert message in str(refused.value.data)


def test_a_branch_moves_forward_only(remote: Remote, commit: Commit, base: str) -> None:
    first = commit(base, "a\n")
    remote.create_git_ref(f"refs/heads/{BRANCH}", first)
    ref = remote.get_git_ref(f"heads/{BRANCH}")
    with pytest.raises(github.GithubException, match="fast forward"):
        ref.edit(commit(base, "other\n"))
    ref.edit(commit(first, "b\n"))
    assert remote.get_contents(KERNEL, ref=BRANCH).decoded_content == b"b\n"


def test_a_pull_request_is_found_by_its_branch_and_only_one_may_be_open(
    remote: Remote, pull: PullRequest
) -> None:
    assert (pull.number, pull.additions, pull.changed_files, pull.commits) == (1, 3, 1, 1)
    found = remote.get_pulls(state="open", head=f"octo:{BRANCH}")
    assert [each.number for each in found] == [pull.number]
    assert list(remote.get_pulls(state="open", head="octo:other")) == []
    with pytest.raises(github.GithubException, match="already exists"):
        remote.create_pull(base="main", head=BRANCH, title="again")


def test_a_second_commit_is_seen_in_the_pull_request_and_announced(
    standin: StandIn, remote: Remote, pull: PullRequest, commit: Commit
) -> None:
    second = commit(pull.head.sha, "a\nB\nc\n")
    remote.get_git_ref(f"heads/{BRANCH}").edit(second)
    assert [c.sha for c in pull.get_commits()] == [pull.head.sha, second]
    assert {c.author.login for c in pull.get_commits()} == {"kernelwright[bot]"}
    payload = standin.deliveries[-1].payload
    assert payload["action"] == "synchronize"
    assert payload["pull_request"]["head"]["sha"] == second


def test_a_closed_pull_request_does_not_follow_its_branch(
    remote: Remote, pull: PullRequest, ada: Person, commit: Commit
) -> None:
    ada.close(pull.number)
    remote.get_git_ref(f"heads/{BRANCH}").edit(commit(pull.head.sha, "late\n"))
    assert remote.get_pull(pull.number).head.sha == pull.head.sha
    assert remote.get_pull(pull.number).state == "closed"


def test_a_review_with_a_comment_on_a_line_is_announced_by_itself_and_with_its_comment(
    standin: StandIn, pull: PullRequest, ada: Person
) -> None:
    comment = Inline(path=KERNEL, line=2, body="why?")
    review_id = ada.review(pull.number, "REQUEST_CHANGES", "Please change", [comment])
    assert [d.name for d in standin.deliveries[-2:]] == [
        "pull_request_review.submitted",
        "pull_request_review_comment.created",
    ]
    payload = standin.deliveries[-2].payload
    assert payload["review"]["state"] == "changes_requested"
    assert payload["review"]["body"] == "Please change"
    assert payload["pull_request"]["head"]["ref"] == BRANCH
    assert [r.state for r in pull.get_reviews()] == ["CHANGES_REQUESTED"]
    found = list(pull.get_single_review_comments(review_id))
    assert [(c.path, c.body, c.diff_hunk.splitlines()[-1]) for c in found] == [
        (KERNEL, "why?", "+b")
    ]


def test_a_review_without_a_body_has_none_in_its_event(
    standin: StandIn, pull: PullRequest, ada: Person
) -> None:
    ada.review(pull.number, "REQUEST_CHANGES", None, [Inline(path=KERNEL, line=1, body="x")])
    assert standin.deliveries[-2].payload["review"]["body"] is None


def test_a_comment_on_a_line_that_changed_has_no_line_any_more(
    remote: Remote, pull: PullRequest, ada: Person, commit: Commit
) -> None:
    comments = [Inline(path=KERNEL, line=n, body="x") for n in (1, 2)]
    review_id = ada.review(pull.number, "REQUEST_CHANGES", "x", comments)
    remote.get_git_ref(f"heads/{BRANCH}").edit(commit(pull.head.sha, "a\nB\nc\n"))
    path = f"/pulls/{pull.number}/reviews/{review_id}/comments"
    found = ada.request("GET", path)
    assert [(c["line"], c["original_line"]) for c in found] == [(1, 1), (None, 2)]


@pytest.mark.parametrize(
    ("path", "line"), [(KERNEL, 4), ("README.md", 1), ("problems/x/none.py", 1)]
)
def test_refuses_a_comment_on_a_line_outside_the_diff(
    pull: PullRequest, ada: Person, path: str, line: int
) -> None:
    with pytest.raises(Refused, match="not part of the diff"):
        ada.review(pull.number, "COMMENT", "x", [Inline(path=path, line=line, body="x")])


def test_nobody_reviews_their_own_pull_request(pull: PullRequest) -> None:
    with pytest.raises(github.GithubException, match="your own pull request"):
        pull.create_review(body="x", event="REQUEST_CHANGES")


def test_a_person_pushes_to_the_branch(
    standin: StandIn, repository: Repository, pull: PullRequest, ada: Person
) -> None:
    sha = ada.push_commit(BRANCH, {"NOTES.md": b"mine\n"}, "A note")
    payload = standin.deliveries[-1].payload
    assert (payload["action"], payload["sender"]["login"]) == ("synchronize", "ada")
    assert repository.git.commit(sha).author.name == "ada"


def test_a_check_run_of_the_app_is_found_by_its_commit(remote: Remote, pull: PullRequest) -> None:
    check = remote.create_check_run(
        "verification",
        pull.head.sha,
        status="completed",
        conclusion="success",
        output={"title": "PASSED", "summary": "all of it"},
    )
    assert (check.status, check.conclusion) == ("completed", "success")
    check.edit(conclusion="neutral")
    assert check.conclusion == "neutral"


def test_only_the_app_makes_check_runs(ada: Person, pull: PullRequest) -> None:
    body = {"name": "forged", "head_sha": pull.head.sha}
    with pytest.raises(Refused, match="GitHub App"):
        ada.request("POST", "/check-runs", body)
    assert ada.request("GET", f"/commits/{BRANCH}/check-runs") == {
        "total_count": 0,
        "check_runs": [],
    }


def test_a_conversation_of_a_pull_request_is_an_issue_too(
    standin: StandIn, remote: Remote, pull: PullRequest, ada: Person
) -> None:
    ada.comment(pull.number, "/regenerate faster")
    payload = standin.deliveries[-1].payload
    assert payload["issue"]["pull_request"]["url"].endswith(f"/pulls/{pull.number}")
    assert remote.get_issue(pull.number).pull_request is not None
    pull.edit(body="new")
    assert remote.get_pull(pull.number).body == "new"
