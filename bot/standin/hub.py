"""The parts of the stand-in that every route needs, in one place.

Owns how an event becomes a webhook: the frame around the payload, and which events the App gets.
Knows no route and starts nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bot.standin.auth import Authority
from bot.standin.blobs import Blobs
from bot.standin.faults import Faults
from bot.standin.oidc import Issuer
from bot.standin.registration import Registration
from bot.standin.shapes import actions, issues, pulls, repositories
from bot.standin.state import (
    Account,
    Comment,
    Issue,
    Label,
    Labelling,
    PullRequest,
    Repository,
    Review,
    State,
    WorkflowRun,
)
from bot.standin.webhooks import Webhooks
from bot.standin.workflow_file import WorkflowFile


@dataclass(slots=True, kw_only=True, eq=False)
class Hub:
    """State, credentials, webhooks and faults of one stand-in. `base` is its URL once it serves."""

    state: State
    authority: Authority
    webhooks: Webhooks
    faults: Faults
    blobs: Blobs
    issuer: Issuer
    registration: Registration
    start_run: Callable[[Repository, WorkflowRun, WorkflowFile], None]
    cancel_run: Callable[[int], None]
    base: str = ""

    def emit(
        self, event: str, action: str, repo: Repository, sender: Account, **parts: Any
    ) -> None:
        """Send one event to the App's webhook, in the frame that all events share."""
        payload = {
            "action": action,
            **parts,
            "repository": repositories.repository(self.base, repo),
            "sender": repositories.user(self.base, sender),
            "installation": {
                "id": self.authority.installation_id,
                "node_id": repositories.node_id("Installation", self.authority.installation_id),
            },
        }
        self.webhooks.send(event, payload)

    def issue_event(
        self, action: str, repo: Repository, issue: Issue, sender: Account, **parts: Any
    ) -> None:
        """`issues` for an issue, `pull_request` for a pull request: GitHub never sends both."""
        if issue.pull:
            shape = pulls.pull_request(self.base, repo, issue, issue.pull)
            self.emit(
                "pull_request",
                action,
                repo,
                sender,
                number=issue.number,
                pull_request=shape,
                **parts,
            )
        else:
            shape = issues.issue(self.base, repo, issue)
            self.emit("issues", action, repo, sender, issue=shape, **parts)

    def put_labels(
        self, repo: Repository, issue: Issue, names: Sequence[str], sender: Account
    ) -> None:
        """Put labels on, make those that do not exist, announce each that is new on the issue."""
        for name in names:
            label = repo.labels.setdefault(name, Label(id=self.state.next_id(), name=name))
            if label not in issue.labels:
                issue.labels.append(label)
                issue.updated_at = self.state.clock()
                issue.labellings.append(
                    Labelling(
                        id=self.state.next_id(), label=label, user=sender, at=self.state.clock()
                    )
                )
                shape = issues.label(self.base, repo, label)
                self.issue_event("labeled", repo, issue, sender, label=shape)

    def comment_event(
        self,
        action: str,
        repo: Repository,
        issue: Issue,
        comment: Comment,
        sender: Account,
        **parts: Any,
    ) -> None:
        self.emit(
            "issue_comment",
            action,
            repo,
            sender,
            issue=issues.issue(self.base, repo, issue),
            comment=issues.comment(self.base, repo, issue, comment),
            **parts,
        )

    def reviewed(self, repo: Repository, issue: Issue, pull: PullRequest, review: Review) -> None:
        """One event for the review, one for each of its comments."""
        pull_shape = pulls.pull_request_simple(self.base, repo, issue, pull)
        shape = pulls.review(self.base, repo, issue.number, review)
        # A webhook's state is lower-case and its body may be null; the API's is upper-case and "".
        shape |= {"state": review.state.lower(), "body": review.body}
        self.emit(
            "pull_request_review",
            "submitted",
            repo,
            review.user,
            review=shape,
            pull_request=pull_shape,
        )
        for comment in review.comments:
            self.emit(
                "pull_request_review_comment",
                "created",
                repo,
                review.user,
                comment=pulls.review_comment(self.base, repo, issue.number, pull.head_sha, comment),
                pull_request=pull_shape,
            )

    def branch_moved(self, repo: Repository, ref: str, new: str, sender: Account) -> None:
        """Let every open pull request from `ref` follow it."""
        for issue, pull in repo.pulls():
            if f"refs/heads/{pull.head_ref}" == ref and issue.state == "open":
                before, pull.head_sha = pull.head_sha, new
                issue.updated_at = self.state.clock()
                self.issue_event("synchronize", repo, issue, sender, before=before, after=new)

    def run_event(self, action: str, repo: Repository, run: WorkflowRun) -> None:
        self.emit(
            "workflow_run",
            action,
            repo,
            run.actor,
            workflow_run=actions.workflow_run(self.base, repo, run),
            workflow=actions.workflow(self.base, repo, run.workflow_file, run.name),
        )

    def app_shape(self, owner: Account | None = None) -> dict[str, Any]:
        """The App as `GET /app` gives it; its own account owns it unless somebody is named."""
        base, app_id = self.base, self.authority.app_id
        slug = self.state.bot.login.removesuffix("[bot]")
        born = repositories.when(self.state.clock())
        return {
            "id": app_id,
            "slug": slug,
            "node_id": repositories.node_id("Integration", app_id),
            "owner": repositories.user(base, owner or self.state.bot),
            "name": slug,
            "description": "",
            "external_url": f"{base}/apps/{slug}",
            "html_url": f"{base}/apps/{slug}",
            "created_at": born,
            "updated_at": born,
            "permissions": self.registration.permissions,
            "events": self.registration.events,
        }
