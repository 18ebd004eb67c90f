"""Routes of pull requests and their reviews."""

from __future__ import annotations

from typing import Any

from bot.standin.api.call import REPO, ApiError, Call, Reply, Routes, checked_text, created, ok
from bot.standin.api.issues import open_issue, set_state
from bot.standin.diff_lines import lines_of
from bot.standin.shapes import commits, pulls
from bot.standin.state import Issue, PullRequest, Repository, Review, ReviewComment

_STATES = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}


def create_pull(call: Call) -> Reply:
    repo = call.require("write")
    head_ref = str(call.field("head")).removeprefix(f"{repo.owner.login}:")
    base_ref = str(call.field("base"))
    head, base = repo.git.ref(f"refs/heads/{head_ref}"), repo.git.ref(f"refs/heads/{base_ref}")
    if head is None or base is None:
        invalid = "head" if head is None else "base"
        raise ApiError(422, f"Validation Failed: PullRequest {invalid} is invalid")
    for issue, pull in repo.pulls():
        if issue.state == "open" and (pull.head_ref, pull.base_ref) == (head_ref, base_ref):
            full = f"{repo.owner.login}:{head_ref}"
            raise ApiError(422, f"Validation Failed: A pull request already exists for {full}.")
    if not repo.git.log(base, head):
        raise ApiError(422, f"Validation Failed: No commits between {base_ref} and {head_ref}")
    issue = open_issue(call, str(call.field("title")), call.field("body"))
    issue.pull = PullRequest(
        id=call.hub.state.next_id(),
        head_ref=head_ref,
        base_ref=base_ref,
        head_sha=head,
        base_sha=base,
        draft=call.field("draft", default=False),
    )
    call.hub.issue_event("opened", repo, issue, call.sender)
    return created(pulls.pull_request(call.base, repo, issue, issue.pull))


def list_pulls(call: Call) -> Reply:
    repo = call.repository
    wanted_state, wanted_head = call.ask("state", "open"), call.ask("head")
    wanted_base = call.ask("base")
    found = [
        (issue, pull)
        for issue, pull in repo.pulls()
        if wanted_state in ("all", issue.state)
        # GitHub passes over a head without an owner, and so lists everything: a known trap.
        and (":" not in wanted_head or wanted_head == f"{repo.owner.login}:{pull.head_ref}")
        and wanted_base in ("", pull.base_ref)
    ]
    found.reverse()  # newest first
    return call.paged(found, lambda each: pulls.pull_request_simple(call.base, repo, *each))


def get_pull(call: Call) -> Reply:
    return ok(pulls.pull_request(call.base, call.repository, *call.pull()))


def update_pull(call: Call) -> Reply:
    repo = call.require("write")
    issue, pull = call.pull()
    changes: dict[str, Any] = {}
    if call.field("title") is not None:
        changes["title"] = {"from": issue.title}
        issue.title = call.field("title")
    if isinstance(call.body, dict) and "body" in call.body:
        changes["body"] = {"from": issue.body}
        issue.body = checked_text(call.body["body"])
    issue.updated_at = call.hub.state.clock()
    if changes:
        call.hub.issue_event("edited", repo, issue, call.sender, changes=changes)
    set_state(call, repo, issue)
    return ok(pulls.pull_request(call.base, repo, issue, pull))


def list_commits(call: Call) -> Reply:
    repo = call.repository
    _, pull = call.pull()
    shas = repo.git.log(pull.base_sha, pull.head_sha)
    state = call.hub.state
    return call.paged(
        shas, lambda sha: commits.commit(call.base, state, repo, repo.git.commit(sha))
    )


def create_review(call: Call) -> Reply:
    repo = call.require("read")
    issue, pull = call.pull()
    event, state = call.field("event"), call.hub.state
    if event is None:
        raise ApiError(422, "A pending review is not something that the stand-in keeps")
    if issue.user is call.sender and event != "COMMENT":
        raise ApiError(422, "Can not request changes on your own pull request")
    body = checked_text(call.field("body"))
    comments = call.field("comments", [])
    if event == "REQUEST_CHANGES" and not body and not comments:
        raise ApiError(422, "Body can not be blank for a review that requests changes")
    review = Review(
        id=state.next_id(),
        user=call.sender,
        body=body,
        state=_STATES[event],  # type: ignore[arg-type]  # the description allows these three
        commit_id=call.field("commit_id", pull.head_sha),
        submitted_at=state.clock(),
    )
    review.comments = [_review_comment(call, repo, pull, review, each) for each in comments]
    pull.reviews.append(review)
    call.hub.reviewed(repo, issue, pull, review)
    return ok(pulls.review(call.base, repo, issue.number, review))


def _review_comment(
    call: Call, repo: Repository, pull: PullRequest, review: Review, given: dict[str, Any]
) -> ReviewComment:
    path, line = given["path"], given.get("line")
    base = repo.git.merge_base(pull.base_sha, review.commit_id)
    patches = {change.path: change.patch for change in repo.git.changes(base, review.commit_id)}
    shown = lines_of(patches[path]) if path in patches else {}
    if line not in shown:
        raise ApiError(422, f"Line could not be resolved: {path}:{line} is not part of the diff")
    return ReviewComment(
        id=call.hub.state.next_id(),
        review_id=review.id,
        user=call.sender,
        path=path,
        line=line,
        commit_id=review.commit_id,
        diff_hunk=shown[line].hunk,
        position=shown[line].position,
        body=checked_text(given["body"]) or "",
        created_at=review.submitted_at,
    )


def list_reviews(call: Call) -> Reply:
    repo = call.repository
    issue, pull = call.pull()
    return call.paged(pull.reviews, lambda each: pulls.review(call.base, repo, issue.number, each))


def list_review_comments(call: Call) -> Reply:
    repo = call.repository
    issue, pull = call.pull()
    for review in pull.reviews:
        if review.id == call.number("review_id"):
            return call.paged(review.comments, lambda each: _comment(call, repo, issue, pull, each))
    raise ApiError(404, "Not Found")


def _comment(
    call: Call, repo: Repository, issue: Issue, pull: PullRequest, item: ReviewComment
) -> dict[str, Any]:
    return pulls.review_comment(call.base, repo, issue.number, pull.head_sha, item)


_PULL = f"{REPO}/pulls/{{pull_number}}"
ROUTES: Routes = {
    ("GET", f"{REPO}/pulls"): list_pulls,
    ("POST", f"{REPO}/pulls"): create_pull,
    ("GET", _PULL): get_pull,
    ("PATCH", _PULL): update_pull,
    ("GET", f"{_PULL}/commits"): list_commits,
    ("GET", f"{_PULL}/reviews"): list_reviews,
    ("POST", f"{_PULL}/reviews"): create_review,
    ("GET", f"{_PULL}/reviews/{{review_id}}/comments"): list_review_comments,
}
