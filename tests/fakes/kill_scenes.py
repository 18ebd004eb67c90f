"""What else people ask for while the service is killed: commands, reviews, newer words, labels.

Each scene plays up to one moment at which a process dies, and then looks at what is on GitHub: one
of everything. Rounds that nobody disturbs are in `test_kills_and_faults`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from bot.checks import AGAIN_NAME
from bot.reconcile import RECONCILE_STEPS
from bot.standin import Job, Person, Repository, StandIn
from bot.verification import VERIFY_STEPS
from runner.contract import KernelRequest
from tests.fakes import live_service as live
from tests.fakes.casts import Cast, Moment

LABEL = "kernel-request"
BRANCH = "kernel/1-add-one"
VERIFY = Path(__file__).parents[2] / ".github" / "workflows" / "verify.yml"
WAIT_S = 60.0
NOBODY = "http://127.0.0.1:9/webhook"


@dataclass(frozen=True, kw_only=True)
class Stage:
    github: StandIn
    repository: Repository
    mona: Person
    cast: Cast
    body: str
    bundles: ModuleType

    def ask(self) -> int:
        """A labelled issue; its number."""
        number = self.mona.open_issue("kernel: add one", self.body)
        self.mona.label(number, LABEL)
        return number

    def recover(self) -> None:
        """Somebody dies, and somebody goes on; where nobody did, what GitHub could not deliver."""
        try:
            self.cast.recover()
        except AssertionError as error:
            lost = [
                f"{each.event} {each.status} {each.error} after {each.tries} tries"
                for each in self.github.hub.webhooks.undelivered()
            ]
            raise AssertionError(f"{error}\nnot delivered: {lost}") from error

    def first_round(self) -> int:
        """From the label to the pull request, whose number it gives."""
        self.cast.start()
        self.ask()
        self.cast.until_idle(requests=1)
        return live.pull_number(self.repository)

    def until(self, condition: Callable[[], object]) -> None:
        deadline_s = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline_s, self.cast.log()
            time.sleep(0.02)

    def is_said(self, number: int, text: str) -> bool:
        return any(text in comment.body for comment in self.repository.issues[number].comments)

    def feedback(self) -> str:
        """What the newest run was asked to change."""
        request = KernelRequest.model_validate_json(self.repository.runs[-1].inputs["request"])
        assert request.feedback is not None
        return request.feedback.text

    def hold(self, ordinal: int) -> None:
        """Run number `ordinal` (from 1) goes on until it is cancelled, with its best so far."""
        instant, repository = self.github.runs.command, self.repository
        assert callable(instant)

        def slow(job: Job) -> int:
            while len(repository.runs) == ordinal and not job.cancelled.is_set():
                time.sleep(0.01)
            return instant(job)

        self.github.runs.command = slow

    def assert_is(self, *, commits: int, runs: int, said: dict[str, int]) -> None:
        """One branch with so many commits, one pull request, and so many comments of each kind."""
        repository = self.repository
        assert [issue.pull.head_ref for issue in repository.issues.values() if issue.pull] == [
            BRANCH
        ]
        head = repository.git.ref(f"refs/heads/{BRANCH}")
        assert head is not None
        assert len(repository.git.log("refs/heads/main", head)) == commits
        assert len(repository.runs) == runs
        for kind in ("progress", "outcome", "reply"):
            found = live.markers(repository, kind)
            assert len(found) == len(set(found)) == said.get(kind, 0), (kind, found)
        assert self.github.violations == []


def _offer_verification(stage: Stage, *, automatic: bool) -> None:
    """The repository has `verify.yml`, whose runs find the kernel right at once."""
    config = f"verify:\n  automatic: {str(automatic).lower()}\n"
    files = {
        ".github/workflows/verify.yml": VERIFY.read_bytes(),
        ".github/kernelwright.yml": config.encode(),
    }
    stage.mona.push_commit("main", files, "Verify")
    instant, bundles = stage.github.runs.command, stage.bundles
    assert callable(instant)

    def run(job: Job) -> int:
        if "request" in job.inputs:
            return instant(job)
        folder = job.temp / "out" / "verdict"
        folder.mkdir(parents=True)
        row = bundles.passed("kernel", 32).model_dump_json()
        (folder / "verdict.json").write_text(f'{{"evaluations": [{row}]}}')
        return 0

    stage.github.runs.command = run


def _assert_verified(stage: Stage) -> None:
    """One check on the head, and it says that the kernel passed."""
    (check,) = [each for each in stage.repository.check_runs if each.name == AGAIN_NAME]
    head = stage.repository.git.ref(f"refs/heads/{BRANCH}")
    assert (check.head_sha, check.conclusion) == (head, "success")


def verify(stage: Stage, moment: Moment) -> None:
    """`/verify` ends in one check on the head, by one run."""
    _offer_verification(stage, automatic=False)
    pull = stage.first_round()
    stage.cast.arm(moment)
    comment_id = stage.mona.comment(pull, "/verify")
    stage.recover()
    stage.cast.until_idle(requests=1)
    stage.assert_is(commits=1, runs=2, said={"progress": 1, "reply": 1})
    _assert_verified(stage)
    assert_seen(stage, pull, comment_id)


def new_head(stage: Stage, moment: Moment) -> None:
    """A published kernel is verified by itself: one check on the head, by one run."""
    _offer_verification(stage, automatic=True)
    stage.cast.arm(moment)
    stage.ask()
    stage.recover()
    stage.cast.until_idle(requests=1)
    stage.assert_is(commits=1, runs=2, said={"progress": 1})
    _assert_verified(stage)


def cancel(stage: Stage, moment: Moment) -> None:
    """`/cancel` ends the run once, and what it had is delivered once."""
    stage.hold(1)
    stage.cast.start()
    number = stage.ask()
    stage.until(lambda: stage.is_said(number, "running, budget 15 min"))
    stage.cast.arm(moment)
    comment_id = stage.mona.comment(number, "/cancel")
    stage.recover()
    stage.cast.until_idle(requests=1)
    stage.assert_is(commits=1, runs=1, said={"progress": 1, "reply": 1})
    assert stage.repository.runs[0].conclusion == "cancelled"
    assert_seen(stage, number, comment_id)


def newer_words(stage: Stage, moment: Moment) -> None:
    """Words that come while a round's run works stop it, and the next round answers both."""
    pull = stage.first_round()
    stage.hold(2)
    stage.mona.comment(pull, "/regenerate Use fewer registers.")
    stage.until(lambda: stage.is_said(pull, "running, budget 15 min"))
    stage.cast.arm(moment)
    stage.mona.comment(pull, "/regenerate Shorter names.")
    stage.recover()
    stage.cast.until_idle(requests=3)
    # The round that was stopped says so, and the last one what has changed.
    stage.assert_is(commits=2, runs=3, said={"progress": 3, "outcome": 2, "reply": 1})
    assert [run.conclusion for run in stage.repository.runs] == ["success", "cancelled", "success"]
    assert "Use fewer registers." in stage.feedback()
    assert "Shorter names." in stage.feedback()


def reviews_together(stage: Stage, moment: Moment) -> None:
    """A review that comes within the window, after the death, is answered by the same round."""
    stage.cast.set("KERNELWRIGHT_REVIEW_WINDOW_S", "3")
    pull = stage.first_round()
    stage.cast.arm(moment)
    hubot = stage.github.person("hubot", stage.repository, "write")
    stage.mona.review(pull, "REQUEST_CHANGES", "Use fewer registers.")
    stage.recover()
    hubot.review(pull, "REQUEST_CHANGES", "Shorter names.")
    stage.cast.until_idle(requests=2)
    stage.assert_is(commits=2, runs=2, said={"progress": 2, "outcome": 1})
    assert "Use fewer registers." in stage.feedback()
    assert "Shorter names." in stage.feedback()


def failed_delivery(stage: Stage, moment: Moment) -> None:
    """A label told to nobody, as no process was there: GitHub sends it again when asked to."""
    _label_unheard(stage)
    _search(stage, moment)


def missed_label(stage: Stage, moment: Moment) -> None:
    """A label of which GitHub itself no longer knows a delivery."""
    _label_unheard(stage)
    stage.github.hub.webhooks.log.clear()
    _search(stage, moment)


def _label_unheard(stage: Stage) -> None:
    url, stage.github.webhook_url = stage.github.webhook_url, NOBODY
    stage.ask()
    stage.until(lambda: all(each.done.is_set() for each in stage.github.deliveries))
    stage.github.webhook_url = url


def _search(stage: Stage, moment: Moment) -> None:
    stage.cast.set("KERNELWRIGHT_RECONCILE_INTERVAL_S", "1")
    stage.cast.arm(moment)
    stage.recover()
    stage.cast.until_idle(requests=1)
    stage.assert_is(commits=1, runs=1, said={"progress": 1})


def assert_seen(stage: Stage, number: int, comment_id: int) -> None:
    """The comment that asked carries one 👀."""
    (asked,) = [each for each in stage.repository.issues[number].comments if each.id == comment_id]
    assert [reaction.content for reaction in asked.reactions] == ["eyes"]


Scene = Callable[[Stage, Moment], None]
# Every step at which somebody may be killed while the scene's own question is answered.
STEPS_OF: dict[Scene, tuple[str, ...]] = {
    verify: ("admit", "react", "read_pull", "reply", "clock", *VERIFY_STEPS),
    new_head: ("close_progress", *VERIFY_STEPS),
    cancel: ("admit", "react", "find_active", "reply", "cancel_run"),
    newer_words: (
        "admit", "read_opening", "choose", "check_caps", "reply", "look_at_older", "hear_silenced",
        "cancel_run",
    ),
    reviews_together: ("clock", "show_gathering"),
    failed_delivery: RECONCILE_STEPS,
    missed_label: RECONCILE_STEPS,
}  # fmt: skip
MOMENTS: tuple[tuple[Scene, Moment], ...] = tuple(
    (scene, (when, step))
    for scene, steps in STEPS_OF.items()
    for step in steps
    for when in ("before", "after")
)


def name_of(value: Any) -> str:
    """A scene or a moment in the name of a test."""
    return value.__name__ if callable(value) else "-".join(value)
