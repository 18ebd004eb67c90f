"""The page of one issue or pull request: what was said, what was committed, what was checked."""

from __future__ import annotations

from datetime import datetime
from html import escape

from bot.standin.git_types import Commit, FileChange
from bot.standin.pages import layout, markdown
from bot.standin.state import (
    Account,
    CheckRun,
    Issue,
    PullRequest,
    Repository,
    Review,
    State,
)

_FOLDED_LINES = 400  # a longer diff starts folded
_VERDICTS = {
    "APPROVED": "approved these changes",
    "CHANGES_REQUESTED": "requested changes",
    "COMMENTED": "reviewed",
    "PENDING": "is reviewing",
}
_MARKS = {"success": "✓", "failure": "✗", "timed_out": "✗", "cancelled": "⊘", None: "●"}
_Entry = tuple[datetime, int, str]


def issue_page(repository: Repository, issue: Issue) -> str:
    opened = layout.box(repository, issue.user, "opened this", issue.created_at, issue.body or "")
    said = [layout.comment_box(repository, comment) for comment in issue.comments]
    body = opened + layout.reactions(issue.reactions) + "".join(said)
    head = _head(issue, f"{layout.name(issue.user)} opened this issue")
    content = f'{head}<div class="columns"><div>{body}</div>{_aside(issue, ())}</div>'
    return layout.document(f"{issue.title} · Issue #{issue.number}", repository, content)


def pull_page(state: State, repository: Repository, issue: Issue, pull: PullRequest) -> str:
    git = repository.git
    commits = [git.commit(sha) for sha in git.log(pull.base_sha, pull.head_sha)]
    changes = git.changes(git.merge_base(pull.base_sha, pull.head_sha), pull.head_sha)
    shas = {commit.sha for commit in commits}
    checks = [check for check in repository.check_runs if check.head_sha in shas]
    plural = "commit" if len(commits) == 1 else "commits"
    subject = (
        f"{layout.name(issue.user)} wants to merge {len(commits)} {plural} into "
        f'<code class="ref">{escape(pull.base_ref)}</code> from '
        f'<code class="ref">{escape(pull.head_ref)}</code>'
    )
    opened = layout.box(repository, issue.user, "opened this", issue.created_at, issue.body or "")
    entries: list[_Entry] = [
        *((c.committed_at, 0, _commit_line(state, c, checks)) for c in commits),
        *((r.submitted_at, 1, _review(repository, r)) for r in pull.reviews),
        *((c.created_at, 2, layout.comment_box(repository, c)) for c in issue.comments),
    ]
    timeline = "".join(html for _, _, html in sorted(entries, key=lambda entry: entry[:2]))
    newest = [check for check in checks if check.head_sha == pull.head_sha]
    current = "".join(_check(repository, check) for check in newest)
    merge_box = f'<section class="checks"><h2>Checks</h2>{current}</section>' if current else ""
    files = "".join(_file(change) for change in changes)
    additions, deletions = sum(c.additions for c in changes), sum(c.deletions for c in changes)
    content = (
        f'{_head(issue, subject)}<div class="columns"><div>{opened}{timeline}{merge_box}</div>'
        f'{_aside(issue, pull.reviews)}</div><section class="files"><h2>Files changed '
        f'<span class="counter">{len(changes)}</span> <ins>+{additions}</ins> '
        f"<del>-{deletions}</del></h2>{files}</section>"
    )
    title = f"{issue.title} · Pull Request #{issue.number}"
    return layout.document(title, repository, content)


def _head(issue: Issue, subject: str) -> str:
    return (
        f'<div class="title"><h1>{escape(issue.title)} <span>#{issue.number}</span></h1>'
        f'<p>{layout.pill(issue)}<span class="subject">{subject}</span></p></div>'
    )


def _aside(issue: Issue, reviews: list[Review] | tuple[()]) -> str:
    parts = []
    latest: dict[str, tuple[Account, str]] = {
        review.user.login: (review.user, _VERDICTS[review.state]) for review in reviews
    }
    if issue.pull is not None:
        people = "".join(
            f"<p>{layout.avatar(who)}<span>{layout.name(who)} {verdict}</span></p>"
            for who, verdict in latest.values()
        )
        parts.append(f"<h3>Reviewers</h3>{people or '<p>No reviews yet</p>'}")
    parts.append(f"<h3>Labels</h3><p>{layout.labels(issue.labels) or 'None yet'}</p>")
    return f"<aside>{''.join(parts)}</aside>"


def _commit_line(state: State, commit: Commit, checks: list[CheckRun]) -> str:
    marks = "".join(_mark(check) for check in checks if check.head_sha == commit.sha)
    emails = {account.signature.email: account for account in state.accounts.values()}
    author = emails.get(commit.author.email)
    who = layout.name(author) if author else escape(commit.author.name)
    subject = escape(commit.message.split("\n", 1)[0])
    return (
        f'<p class="commit"><span>{who} {subject}</span>'
        f"<span>{marks}<code>{commit.sha[:7]}</code></span></p>"
    )


def _mark(check: CheckRun) -> str:
    kind = check.conclusion or "pending"
    return f'<span class="mark {escape(kind)}">{_MARKS.get(check.conclusion, "●")}</span>'


def _check(repository: Repository, check: CheckRun) -> str:
    texts = "\n\n".join(text for text in (check.summary, check.text) if text)
    inner = markdown.render(texts, repository.full_name)
    return (
        f"<details><summary>{_mark(check)}<strong>{escape(check.name)}</strong> "
        f"{escape(check.title or check.status)}</summary>"
        f'<div class="markdown">{inner}</div></details>'
    )


def _review(repository: Repository, review: Review) -> str:
    said = _VERDICTS[review.state]
    html = layout.box(repository, review.user, said, review.submitted_at, review.body or "")
    for comment in review.comments:
        tail = "\n".join(comment.diff_hunk.splitlines()[-5:])
        text = markdown.render(comment.body, repository.full_name)
        html += (
            f'<div class="inline"><div class="path">{escape(comment.path)}:{comment.line}</div>'
            f'<pre class="diff">{_diff_lines(tail)}</pre>'
            f'<div class="markdown">{text}</div></div>'
        )
    kind = "changes" if review.state == "CHANGES_REQUESTED" else "reviewed"
    return f'<section class="review {kind}">{html}</section>'


def _file(change: FileChange) -> str:
    folded = "" if change.patch.count("\n") > _FOLDED_LINES else " open"
    return (
        f"<details{folded}><summary><code>{escape(change.path)}</code> "
        f"<ins>+{change.additions}</ins> <del>-{change.deletions}</del></summary>"
        f'<pre class="diff">{_diff_lines(change.patch)}</pre></details>'
    )


def _diff_lines(patch: str) -> str:
    kinds = {"+": "add", "-": "cut", "@": "hunk"}
    return "".join(
        f'<span class="{kinds.get(line[:1], "same")}">{escape(line) or " "}</span>'
        for line in patch.splitlines()
    )
