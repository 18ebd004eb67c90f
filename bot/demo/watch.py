"""What happens, as it happens: new deliveries, comments, runs, log lines and commits.

Owns how far each of these has been shown. Only looks: it reads the stand-in's state and changes
nothing, so that the bot is not helped along.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from bot.demo.display import Display
from bot.standin import Repository, StandIn
from bot.standin.state import Comment, Issue

PROGRESS = "<!-- kernelwright:progress"
_UNDER_WAY = "⏳"
_HIDDEN = re.compile(r"<!--.*?-->|</?sub>", re.DOTALL)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def plain(text: str) -> str:
    """Markdown without what a page would not show."""
    return _HIDDEN.sub("", text).strip()


def _line(text: str) -> str:
    """Markdown as one line of plain text."""
    return _LINK.sub(r"\1", text).replace("**", "").replace("`", "")


@dataclass(slots=True, kw_only=True)
class _Log:
    """A log file that grows; `read` gives the whole lines that are new."""

    path: Path
    offset: int = 0

    def read(self) -> list[str]:
        if not self.path.is_file():
            return []
        with self.path.open("rb") as file:
            file.seek(self.offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self.offset += len(whole)
        return whole.decode(errors="replace").splitlines()


@dataclass(slots=True, kw_only=True)
class Watcher:
    """Shows what is new at each `look`."""

    standin: StandIn
    repository: Repository
    display: Display
    _deliveries: int = 0
    _rows: dict[int, list[str]] = field(default_factory=dict)
    _comments: set[int] = field(default_factory=set)
    _runs: dict[int, str] = field(default_factory=dict)
    _logs: dict[int, _Log] = field(default_factory=dict)
    _heads: dict[int, str] = field(default_factory=dict)
    _checks: set[int] = field(default_factory=set)

    def look(self) -> None:
        with self.standin.hub.state.lock:
            self._look_at_deliveries()
            self._look_at_runs()
            for issue in list(self.repository.issues.values()):
                self._look_at_pull(issue)
                for comment in issue.comments:
                    self._look_at_comment(issue, comment)

    def rounds_ended(self) -> int:
        """How many of the bot's progress comments say that their round is over."""
        with self.standin.hub.state.lock:
            bodies = [
                comment.body
                for _, comment in self.repository.comments()
                if comment.user is self.standin.hub.state.bot and comment.body.startswith(PROGRESS)
            ]
        return sum(_UNDER_WAY not in body for body in bodies)

    def _look_at_deliveries(self) -> None:
        log = self.standin.deliveries
        while self._deliveries < len(log) and log[self._deliveries].done.is_set():
            delivery = log[self._deliveries]
            self._deliveries += 1
            if delivery.status != 204:  # events that the bot has no use for are answered with 204
                answer = delivery.status or delivery.error or "lost"
                self.display.event("webhook", f"{delivery.name} delivered, answered {answer}")

    def _look_at_comment(self, issue: Issue, comment: Comment) -> None:
        if comment.user is not self.standin.hub.state.bot:
            return
        if comment.body.startswith(PROGRESS):
            rows = [row[2:] for row in plain(comment.body).splitlines() if row.startswith("- ")]
            for row in rows:
                if row not in self._rows.setdefault(comment.id, []):
                    self.display.event("progress", f"#{issue.number}  {_line(row)}")
            self._rows[comment.id] = rows
        elif comment.id not in self._comments:
            self._comments.add(comment.id)
            first = next(iter(plain(comment.body).splitlines()), "")
            self.display.event("comment", f"#{issue.number}  {_line(first)}")

    def _look_at_runs(self) -> None:
        for run in self.repository.runs:
            state = run.conclusion or run.status
            if run.log_file is not None:
                log = self._logs.setdefault(run.id, _Log(path=run.log_file))
                for line in log.read():
                    self.display.log(line)
            if self._runs.get(run.id) != state:
                self._runs[run.id] = state
                self.display.event("run", f"{run.display_title}: {state}")

    def _look_at_pull(self, issue: Issue) -> None:
        pull = issue.pull
        if pull is None:
            return
        if issue.number not in self._heads:
            self.display.event("pull", f"#{issue.number} opened: {issue.title}")
        if self._heads.get(issue.number) != pull.head_sha:
            self._heads[issue.number] = pull.head_sha
            subject = self.repository.git.commit(pull.head_sha).message.splitlines()[0]
            self.display.event("commit", f"{pull.head_sha[:7]} on {pull.head_ref}: {subject}")
        for check in self.repository.check_runs:
            if check.conclusion is not None and check.id not in self._checks:
                self._checks.add(check.id)
                self.display.event("check", f"{check.name}: {check.title or check.conclusion}")
