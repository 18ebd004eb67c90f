"""One kernel of a night as a job: for an executor, and for the worker that does it.

Owns the order. Of earlier nights a worker gets the rows of its own kernel and leg.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import JsonValue, TypeAdapter

from runner.contract import Wire
from runner.executors.jobs import Ended, Executor, Job, Reply
from runner.night_record import KernelNight
from runner.nightly.reverify import Occasion, not_run, reverify
from runner.nightly.worklist import Task

# The rows of tasks as they come in, in any order.
Rows = Callable[[Iterable[Task], Occasion], Iterator[KernelNight]]

_JSON: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])


class Bench(Wire):
    """How a worker verifies. `device` None: a GPU where its machine has one."""

    device: Literal["cpu", "cuda"] | None
    timeout_s: float
    allow_no_sandbox: bool


class KernelOrder(Wire):
    """What a worker must know."""

    kernel: str
    folder: str
    night: date
    leg: str
    history: tuple[KernelNight, ...]
    bench: Bench


def spread(executor: Executor, bench: Bench) -> Rows:
    """Judges kernels on `executor`. One whose worker says nothing is 'not run', with the reason."""

    def rows(tasks: Iterable[Task], occasion: Occasion) -> Iterator[KernelNight]:
        known: dict[str, Task] = {}

        def jobs() -> Iterator[Job]:
            for task in tasks:
                known[task.kernel] = task
                yield _job(task, occasion, bench)

        for news in executor.run(jobs()):
            if isinstance(news, Ended):
                yield _row(news.reply, known[news.reply.name], occasion)

    return rows


def perform(order: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Judge the kernel here: its row. Raises RunnerError where no verdict can be reached at all."""
    # Imported late: torch takes seconds, and the parent needs none of it.
    from runner.environment import choose_device
    from runner.nightly.command import FreshJudge
    from runner.verifier.options import VerifyOptions

    asked = KernelOrder.model_validate_json(_text(order))
    options = VerifyOptions(
        device=choose_device(asked.bench.device),
        timeout_s=asked.bench.timeout_s,
        allow_no_sandbox=asked.bench.allow_no_sandbox,
    )
    task = Task(kernel=asked.kernel, folder=Path(asked.folder))
    occasion = Occasion(night=asked.night, leg=asked.leg, history=asked.history)
    return reverify(task, FreshJudge(options), occasion).model_dump(mode="json")


def _job(task: Task, occasion: Occasion, bench: Bench) -> Job:
    own = tuple(
        row for row in occasion.history if (row.kernel, row.leg) == (task.kernel, occasion.leg)
    )
    order = KernelOrder(
        kernel=task.kernel,
        folder=str(task.folder.resolve()),
        night=occasion.night,
        leg=occasion.leg,
        history=own,
        bench=bench,
    )
    return Job(name=task.kernel, work="reverify", order=order.model_dump(mode="json"))


def _row(reply: Reply, task: Task, occasion: Occasion) -> KernelNight:
    if reply.failure is not None:
        return not_run(task, occasion, reply.failure)
    return KernelNight.model_validate_json(_text(reply.result))


def _text(values: Mapping[str, JsonValue] | None) -> str:
    # As JSON: a date or a tuple is one again only from there.
    return _JSON.dump_json(dict(values or {})).decode()
