"""The order of every workflow's recorded steps, held against the version that it is pinned to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.handlers import REQUEST_LABEL
from bot.reception import receive
from bot.reconcile import Search
from bot.records import (
    Asked,
    Delivery,
    Job,
    Note,
    Regenerate,
    RunMoved,
    RunNews,
    Start,
    Usage,
    Voice,
)
from bot.verification import verification
from bot.versions import APPLICATION_VERSION
from bot.workflow import generation
from runner.run_progress import RunProgress

FOLDER = Path(__file__).parents[1] / "fixtures" / "step_order"
CHANGED = (
    "The workflows no longer have the steps that their version {version} is pinned to. A database "
    "may hold some that were begun in the old order, and these cannot go on in the new one: raise "
    "APPLICATION_VERSION in bot/versions.py, add the text below as the new version's file beside "
    "{file}, and say in the changelog that requests under way must end before the upgrade. Until "
    "the first release the file of version 1 may be changed instead.\n\n{played}"
)
# Of `Requests`: what DBOS records as a step of the workflow that calls it.
RECORDED = frozenset({"start", "start_verification", "tell", "standing", "gathered"})
WAITING = [("queued", None)] * 2
SAID = RunProgress(
    request_id="kw-0123456789abcdef", at_s=9.0, phase="searching", attempts=1, passed=0, left_s=9.0
)


class Recorder:
    """`Steps` or `Requests` that also writes down what is called, in the order of the calls."""

    def __init__(self, real: Any, log: list[str]) -> None:
        self._real = real
        self._log = log

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if name in ("run", "do"):
            return lambda step, *rest: self._write(step, real, step, *rest)
        if callable(real) and name in RECORDED:
            return lambda *given: self._write(f"({name})", real, *given)
        return real

    def _write(self, line: str, real: Callable[..., Any], *given: Any) -> Any:
        self._log.append(line)
        return real(*given)


class RecordedSteps(Recorder):
    """Everything that is asked of `Steps` is recorded there."""

    def __getattr__(self, name: str) -> Any:
        if name in ("run", "do"):
            return super().__getattr__(name)
        real = getattr(self._real, name)
        return lambda *given: self._write(f"({name})", real, *given)


class Play:
    """One service on the fake GitHub; `orders` has the steps of each scene, by its name."""

    def __init__(self, fake: Any, tools: Any, steps: Any, requests: Any) -> None:
        self.fake, self.tools, self.memory, self.kept = fake, tools, steps, requests
        self.orders: dict[str, list[str]] = {}
        self._deliveries = 0

    def scene(self, name: str) -> tuple[Any, Any]:
        log = self.orders.setdefault(name, [])
        return RecordedSteps(self.memory, log), Recorder(self.kept, log)

    def deliver(self, name: str, decision: Any) -> None:
        steps, requests = self.scene(f"delivery: {name}")
        self._deliveries += 1
        given = Delivery(
            delivery_id=f"d-{self._deliveries}", repository="octo/kernels", installation_id=1,
            decision=decision,
        )  # fmt: skip
        receive(steps, self.tools, requests, given)

    def carry_out(self, name: str, job: Job) -> None:
        generation(self.scene(f"generation: {name}")[0], self.tools, job)

    def text(self) -> str:
        return "".join(f"{name}\n  {' '.join(log)}\n" for name, log in self.orders.items())


@pytest.fixture
def play(fake: Any, tools: Any, steps: Any, requests: Any) -> Play:
    return Play(fake, tools, steps, requests)


def asked(command: Any, thread: int, *, by: str = "mona") -> Asked:
    on_pull = thread != 7
    return Asked(command=command, thread_number=thread, on_pull=on_pull, comment_id=5, sender=by)


def first_round(play: Play) -> int:
    """From the label to the pull request, whose number it gives."""
    play.deliver("a label", Start(issue_number=7, sender="mona"))
    play.carry_out("a first round", play.kept.started[-1])
    return int(play.fake.open_pulls()[0].number)


def further_rounds(play: Play, pull: int) -> None:
    """A review that another one joins; words that stop it; a run that is cancelled."""
    review = Regenerate(
        thread_number=pull, pull_number=pull, sender="mona", guidance="faster", review_id=11
    )
    play.deliver("a review", review)
    gathering = play.kept.started[-1]
    play.memory.notes.append(
        Note(kind="join", by="hubot", voice=Voice(sender="hubot", guidance="x", review_id=12))
    )
    play.carry_out("reviews together", gathering)
    play.kept.busy = gathering.request_id
    play.kept.on_tell = lambda request_id, note: setattr(play.kept, "busy", None)
    command = review.model_copy(update={"review_id": None, "comment_id": 6})
    play.deliver("newer words", command)
    succeed = play.fake.on_dispatch
    play.fake.on_dispatch = lambda inputs: ([("in_progress", None)], succeed(inputs)[1])
    play.memory.to_hear = [[], [RunNews(attempt=1, progress=SAID)]]
    play.memory.notes.append(Note(kind="cancel", by="mona"))
    play.carry_out("a run that is cancelled", play.kept.started[-1])
    play.fake.on_dispatch = succeed


def questions(play: Play, pull: int, job: Job) -> None:
    play.deliver("/cancel", asked("cancel", pull))
    play.deliver("/status", asked("status", pull))
    play.deliver("/verify", asked("verify", pull))
    play.fake.on_dispatch = lambda inputs: ([*WAITING, ("completed", "failure")], None)
    play.fake.workflows.add("verify.yml")
    verification(play.scene("verification")[0], play.tools, play.kept.verified[-1])
    usage = Usage(thread_number=7, on_pull=False, comment_id=5, sender="mona")
    play.deliver("/help", usage)
    play.deliver("nonsense", usage.model_copy(update={"problem": "unknown command /x"}))
    play.deliver("somebody who may not", asked("cancel", 7, by="eve"))
    play.deliver("a run that moved", RunMoved(request_id=job.request_id))
    play.fake.open_issue(7, "no form", (REQUEST_LABEL,))
    play.carry_out("a faulty spec", job)


class NothingKnown:
    """What a search knows right after the database was lost."""

    def request(self, request_id: str) -> None:
        return None


def test_a_change_of_the_steps_is_a_change_of_the_version(play: Play, job: Job) -> None:
    pull = first_round(play)
    further_rounds(play, pull)
    questions(play, pull, job)
    Search(steps=play.scene("search")[0], tools=play.tools, known=NothingKnown()).run()  # type: ignore[arg-type]
    file = FOLDER / f"version_{APPLICATION_VERSION}.txt"
    pinned = file.read_text(encoding="utf-8") if file.exists() else None
    shown = file.relative_to(Path(__file__).parents[2])
    message = CHANGED.format(version=APPLICATION_VERSION, file=shown, played=play.text())
    assert play.text() == pinned, message
