"""How many questions are under way at a time, where nobody said.

Owns that choice. Knows models by their specification alone.
"""

from __future__ import annotations

from dataclasses import replace

from runner.task import Task

# An endpoint thinks for a minute where a verdict takes two seconds: with eight questions under
# way one GPU is busy for a quarter of the time, and hardly any of them waits for it.
ENDPOINT_STREAMS = 8


def with_streams(task: Task, spec: str) -> Task:
    """`task` with a number of streams: as many as suit the model where nobody said.

    A recording has its answers in the order of its own run, and a person answers one at a time.
    """
    if task.budget.streams is not None:
        return task
    kind, _, rest = spec.partition(":")
    if kind == "record":
        kind = rest.partition(":")[2].partition(":")[0]
    streams = 1 if kind in ("replay", "mailbox") else ENDPOINT_STREAMS
    return replace(task, budget=task.budget.model_copy(update={"streams": streams}))
