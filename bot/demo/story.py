"""The demo's steps in order, each with a deadline and an end that is checked.

Owns what the people in the story do: one asks for a kernel, the other reviews it. Everything that
follows is the bot's and the runner's own work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bot.demo.display import Display
from bot.demo.outcome import NotDone, Outcome, collect, is_verified, only_pull
from bot.demo.reviews import ReviewText
from bot.demo.service import Service
from bot.demo.stage import FORM, Problem
from bot.demo.watch import Watcher
from bot.standin import Inline, Person, Repository, StandIn
from bot.standin.state import Issue

LABEL = "kernel-request"
_ROUND_S = 900.0
_LOOK_S = 0.1


class StepFailed(Exception):
    """A step of the story did not come to its end."""

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(f"{step}: {reason}")
        self.step = step
        self.reason = reason


@dataclass(slots=True, kw_only=True)
class Story:
    """One telling. `seconds` holds what each step took."""

    standin: StandIn
    repository: Repository
    service: Service
    display: Display
    watcher: Watcher
    problem: Problem
    review: ReviewText
    seconds: dict[str, float] = field(default_factory=dict)

    def tell(self) -> Outcome:
        """All of it. Raises `StepFailed`."""
        author = self.standin.person("ada", self.repository, "maintain")
        reviewer = self.standin.person("grace", self.repository, "write")
        with self._step("request", f"ada asks for {self.problem.slug}"):
            issue = self._ask(author)
        with self._step("pull_request", "The bot has a kernel written, and opens a pull request"):
            self._wait_for_round(1)
            only_pull(self.repository)
        with self._step("verified", "The bot has the new head judged again by a run of its own"):
            self._wait_for_verification()
        with self._step("review", "grace reviews the pull request and asks for changes"):
            self._review(reviewer)
        with self._step("second_commit", "The bot has the kernel changed, and adds a commit"):
            self._wait_for_round(2)
        with self._step("verified_again", "The new head is judged again as well"):
            self._wait_for_verification()
            return collect(self.repository, issue, self.standin.hub.state.bot)

    @contextmanager
    def _step(self, name: str, title: str) -> Iterator[None]:
        self.display.step(title)
        started_s = time.monotonic()
        try:
            yield
        except NotDone as error:
            raise StepFailed(title, str(error)) from error
        self.seconds[name] = time.monotonic() - started_s

    def _ask(self, author: Person) -> Issue:
        answers = {
            "Spec (problem.toml)": self.problem.spec,
            "Reference (reference.py)": self.problem.reference,
            "Extra baselines (baseline.py)": self.problem.baselines,
            "Anything else": "",
        }
        number = author.open_form(FORM, self.problem.slug, answers)
        self.display.event("person", f"ada filled in the form and opened #{number}")
        author.label(number, LABEL)
        self.display.event("person", f"ada put the label {LABEL} on #{number}")
        return self.repository.issues[number]

    def _review(self, reviewer: Person) -> None:
        pull_issue, pull = only_pull(self.repository)
        path = f"problems/{self.problem.slug}/kernel.py"
        kernel = (self.repository.git.read_file(pull.head_sha, path) or b"").decode()
        lines = [n for n, line in enumerate(kernel.splitlines(), 1) if self.review.anchor in line]
        if not lines:
            raise NotDone(f"{path} has no line to comment on: {self.review.anchor}")
        comment = Inline(path=path, line=lines[0], body=self.review.comment)
        reviewer.review(pull_issue.number, "REQUEST_CHANGES", self.review.body, [comment])
        self.display.event("person", f"grace requested changes on #{pull_issue.number}")
        self.display.quote(f"{self.review.body}\n\n{path}:{lines[0]}\n{self.review.comment}")

    def _wait_for_round(self, rounds: int) -> None:
        self._wait(lambda: self.watcher.rounds_ended() >= rounds)
        self.watcher.look()

    def _wait_for_verification(self) -> None:
        self._wait(self._head_is_verified)
        self.watcher.look()

    def _head_is_verified(self) -> bool:
        with self.standin.hub.state.lock:
            return is_verified(self.repository, only_pull(self.repository)[1].head_sha)

    def _wait(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _ROUND_S
        while not done():
            self.watcher.look()
            if not self.service.alive:
                raise NotDone("the bot ended")
            if time.monotonic() > deadline:
                raise NotDone(f"nothing came of it in {_ROUND_S:.0f} s")
            time.sleep(_LOOK_S)
