"""Routes of issues, their comments, reactions and labels."""

from __future__ import annotations

from typing import Any

from bot.standin.api.call import REPO, ApiError, Call, Reply, Routes, checked_text, created, ok
from bot.standin.shapes import issues
from bot.standin.state import ROLES, Comment, Issue, Label, Reaction, Repository


def open_issue(call: Call, title: str, body: str | None) -> Issue:
    """A new issue by the caller, with its number, but not announced yet."""
    state, repo = call.hub.state, call.repository
    now = state.clock()
    issue = Issue(
        id=state.next_id(),
        number=repo.next_number(),
        title=title,
        body=checked_text(body),
        user=call.sender,
        created_at=now,
        updated_at=now,
    )
    repo.issues[issue.number] = issue
    return issue


def _may(call: Call, role: Any) -> bool:
    if call.actor.kind == "installation":
        return True
    return ROLES.index(call.repository.role_of(call.sender.login)) >= ROLES.index(role)


def create_issue(call: Call) -> Reply:
    repo = call.require("read")
    issue = open_issue(call, str(call.field("title")), call.field("body"))
    call.hub.issue_event("opened", repo, issue, call.sender)
    if _may(call, "triage"):  # from anybody else GitHub drops the labels without a word
        names = [_label_name(label) for label in call.field("labels", [])]
        call.hub.put_labels(repo, issue, names, call.sender)
    return created(issues.issue(call.base, repo, issue))


def list_issues(call: Call) -> Reply:
    repo = call.require("read")
    wanted = {name for name in call.ask("labels").split(",") if name}
    state, creator = call.ask("state", "open"), call.ask("creator")
    found = [
        issue
        for issue in reversed(repo.issues.values())
        if state in ("all", issue.state)
        and wanted <= {label.name for label in issue.labels}
        and creator in ("", issue.user.login)
    ]
    return call.paged(found, lambda issue: issues.issue(call.base, repo, issue))


def list_events(call: Call) -> Reply:
    repo, issue = call.require("read"), call.issue()
    return call.paged(issue.labellings, lambda event: issues.labelled(call.base, repo, event))


def _label_name(label: Any) -> str:
    return str(label["name"] if isinstance(label, dict) else label)


def get_issue(call: Call) -> Reply:
    return ok(issues.issue(call.base, call.repository, call.issue()))


def update_issue(call: Call) -> Reply:
    repo, issue = call.repository, call.issue()
    if issue.user is not call.sender:
        call.require("triage")
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
    return ok(issues.issue(call.base, repo, issue))


def set_state(call: Call, repo: Repository, issue: Issue) -> None:
    """Close or reopen, if the body says so and it is not so yet."""
    wanted = call.field("state")
    if wanted is None or wanted == issue.state:
        return
    issue.closed_at = call.hub.state.clock() if wanted == "closed" else None
    action = "closed" if wanted == "closed" else "reopened"
    call.hub.issue_event(action, repo, issue, call.sender)


def list_comments(call: Call) -> Reply:
    repo, issue = call.repository, call.issue()
    return call.paged(issue.comments, lambda c: issues.comment(call.base, repo, issue, c))


def create_comment(call: Call) -> Reply:
    repo, issue = call.require("read"), call.issue()
    if not str(call.field("body", "")).strip():
        raise ApiError(422, "body cannot be blank")
    if issue.number in repo.locked and call.actor.kind == "installation":
        raise ApiError(403, "Unable to create comment because issue is locked.")
    now = call.hub.state.clock()
    comment = Comment(
        id=call.hub.state.next_id(),
        user=call.sender,
        body=checked_text(call.field("body")) or "",
        created_at=now,
        updated_at=now,
    )
    issue.comments.append(comment)
    issue.updated_at = now
    call.hub.comment_event("created", repo, issue, comment, call.sender)
    return created(issues.comment(call.base, repo, issue, comment))


def _comment(call: Call) -> tuple[Issue, Comment]:
    for issue, comment in call.repository.comments():
        if comment.id == call.number("comment_id"):
            return issue, comment
    raise ApiError(404, "Not Found")


def get_comment(call: Call) -> Reply:
    issue, comment = _comment(call)
    return ok(issues.comment(call.base, call.repository, issue, comment))


def update_comment(call: Call) -> Reply:
    issue, comment = _comment(call)
    repo = call.require("read" if comment.user is call.sender else "write")
    before, comment.body = comment.body, checked_text(call.field("body")) or ""
    comment.updated_at = call.hub.state.clock()
    changes = {"body": {"from": before}}
    call.hub.comment_event("edited", repo, issue, comment, call.sender, changes=changes)
    return ok(issues.comment(call.base, repo, issue, comment))


def _react(call: Call, reactions: list[Reaction]) -> Reply:
    call.require("read")
    content = str(call.field("content"))
    for old in reactions:
        if old.user is call.sender and old.content == content:
            return ok(issues.reaction(call.base, old))
    state = call.hub.state
    new = Reaction(id=state.next_id(), user=call.sender, content=content, created_at=state.clock())
    reactions.append(new)
    return created(issues.reaction(call.base, new))


def _list_reactions(call: Call, reactions: list[Reaction]) -> Reply:
    wanted = call.ask("content")
    shown = [each for each in reactions if not wanted or each.content == wanted]
    return call.paged(shown, lambda each: issues.reaction(call.base, each))


def _list_labels(call: Call, labels: list[Label]) -> Reply:
    return call.paged(labels, lambda label: issues.label(call.base, call.repository, label))


def label_issue(call: Call) -> Reply:
    repo, issue = call.require("triage"), call.issue()
    wanted = call.body if isinstance(call.body, list) else call.field("labels", [])
    call.hub.put_labels(repo, issue, [_label_name(label) for label in wanted], call.sender)
    return _list_labels(call, issue.labels)


def unlabel_issue(call: Call) -> Reply:
    repo, issue = call.require("triage"), call.issue()
    for label in issue.labels:
        if label.name == call.param("name"):
            issue.labels.remove(label)
            shape = issues.label(call.base, repo, label)
            call.hub.issue_event("unlabeled", repo, issue, call.sender, label=shape)
            return _list_labels(call, issue.labels)
    raise ApiError(404, "Label does not exist")


def create_label(call: Call) -> Reply:
    repo = call.require("write")
    name = str(call.field("name"))
    if name in repo.labels:
        raise ApiError(422, "Validation Failed: already_exists")
    label = Label(
        id=call.hub.state.next_id(),
        name=name,
        color=call.field("color", "ededed"),
        description=call.field("description"),
    )
    repo.labels[name] = label
    return created(issues.label(call.base, repo, label))


def get_label(call: Call) -> Reply:
    label = call.repository.labels.get(call.param("name"))
    if label is None:
        raise ApiError(404, "Not Found")
    return ok(issues.label(call.base, call.repository, label))


_ISSUE, _COMMENT = f"{REPO}/issues/{{issue_number}}", f"{REPO}/issues/comments/{{comment_id}}"
ROUTES: Routes = {
    ("GET", f"{REPO}/issues"): list_issues,
    ("POST", f"{REPO}/issues"): create_issue,
    ("GET", f"{_ISSUE}/events"): list_events,
    ("GET", _ISSUE): get_issue,
    ("PATCH", _ISSUE): update_issue,
    ("GET", f"{_ISSUE}/comments"): list_comments,
    ("POST", f"{_ISSUE}/comments"): create_comment,
    ("GET", f"{_ISSUE}/reactions"): lambda call: _list_reactions(call, call.issue().reactions),
    ("POST", f"{_ISSUE}/reactions"): lambda call: _react(call, call.issue().reactions),
    ("GET", f"{_ISSUE}/labels"): lambda call: _list_labels(call, call.issue().labels),
    ("POST", f"{_ISSUE}/labels"): label_issue,
    ("DELETE", f"{_ISSUE}/labels/{{name}}"): unlabel_issue,
    ("GET", _COMMENT): get_comment,
    ("PATCH", _COMMENT): update_comment,
    ("GET", f"{_COMMENT}/reactions"): lambda call: _list_reactions(
        call, _comment(call)[1].reactions
    ),
    ("POST", f"{_COMMENT}/reactions"): lambda call: _react(call, _comment(call)[1].reactions),
    ("GET", f"{REPO}/labels"): lambda call: _list_labels(
        call, list(call.repository.labels.values())
    ),
    ("POST", f"{REPO}/labels"): create_label,
    ("GET", f"{REPO}/labels/{{name}}"): get_label,
}
