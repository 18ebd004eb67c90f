"""Has a problem file looked at in a sandboxed worker, and checks the form of what it reports.

Owns one worker for one file. A file at fault is a ReferenceFailed that names it.
"""

from __future__ import annotations

import time
from typing import Any

from runner.errors import ReferenceFailed
from runner.verifier.arena import Arena
from runner.verifier.finding import first_line
from runner.verifier.process import Start, WorkerFailed, WorkerProcess
from runner.verifier.sandbox import open_sandbox

TIMEOUT_S = 60.0
_ARENA_BYTES = 1 << 12  # nothing is computed: no tensor passes through it
_TEXTS = ("init", "call", "recipe")
_ROW = {"name": str, "shape": list, "dtype": str}


def describe_file(text: str, file: str, *, allow_no_sandbox: bool) -> dict[str, Any]:
    """The facts of `runner.verifier.modules.describe`. Raises ReferenceFailed, or RunnerError."""
    sandbox, arena = open_sandbox(allow_none=allow_no_sandbox), Arena.create(_ARENA_BYTES)
    try:
        worker = WorkerProcess(
            Start(role="reference", sandbox=sandbox, arenas=(arena,), cpu_s=2 * TIMEOUT_S)
        )
    except BaseException:
        arena.close()
        raise
    try:
        worker.wait_ready()
        job = {"op": "describe", "source": text, "file": "reference.py"}
        reply = worker.ask(job, time.monotonic() + TIMEOUT_S)
    except WorkerFailed as error:
        lines = error.stderr.strip().splitlines()
        tail = f" ({first_line(lines[-1])})" if lines else ""
        raise ReferenceFailed(f"{file} cannot be read: {error.reason}{tail}") from error
    finally:
        worker.close()
    if reply.get("ok") is not True:
        line = reply.get("line")
        place = f" (line {line})" if isinstance(line, int) else ""
        kind = "" if reply.get("type") == "Unrecordable" else f"{reply.get('type')}: "
        said = first_line(f"{kind}{reply.get('message')}")
        raise ReferenceFailed(f"{file} cannot be taken as a problem: {said}{place}")
    if not _is_well_formed(reply):
        raise ReferenceFailed(f"{file} cannot be taken as a problem: its report is malformed")
    return reply


def _is_well_formed(reply: dict[str, Any]) -> bool:
    """The worker ran foreign code: whatever it says may be made up."""
    texts = all(isinstance(reply.get(key), str) for key in _TEXTS)
    operations = reply.get("operations")
    counted = isinstance(operations, dict) and all(
        type(count) is int and count > 0 for count in operations.values()
    )
    rows = [*_rows(reply.get("tensors")), *_rows(reply.get("outputs"))]
    formed = all(
        isinstance(row.get(key, "" if key == "name" else None), kind)
        for row in rows
        for key, kind in _ROW.items()
    )
    sizes = [size for row in rows for size in row.get("shape") or ()]
    sized = all(type(size) is int for size in sizes) and all(
        type(row.get(key, 0)) is int for row in rows for key in ("low", "high")
    )
    return texts and counted and formed and sized and isinstance(reply.get("random"), bool)


def _rows(value: object) -> list[dict[str, Any]]:
    """The rows; one that cannot be right where there are none."""
    if isinstance(value, list) and all(isinstance(row, dict) for row in value):
        return value
    return [{}]
