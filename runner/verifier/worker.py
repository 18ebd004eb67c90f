"""The worker's main loop: limits itself, loads its libraries, then serves the judge's jobs.

Owns the order of things: everything trusted happens before foreign code arrives. Decides nothing:
what it reports is feedback, and the judge looks at the tensors. Started by `process` only, as
`python -m runner.verifier.worker ROLE FD SIZE ADDRESS_SPACE CPU_S`; one source a process.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

MAX_FILE_BYTES = 64 << 20  # stderr is a file on the host; tensors do not pass through files
Job = dict[str, Any]
Handler = Callable[[Job], Job]


def main(arguments: list[str]) -> int:
    """Serve jobs from stdin until it closes. Replies go to the stdout that came with the start."""
    role, fd, size, address_space, cpu_s = arguments[0], *map(int, arguments[1:5])
    _limit(address_space, cpu_s)
    # Only this copy leads to the judge; what foreign code prints goes to stderr.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    jobs = sys.stdin.buffer
    try:
        handler, facts = _prepare(role, fd, size)
    except Exception as error:  # noqa: BLE001 - the edge: the judge gets the reason
        _reply(replies, {"ready": False, "error": f"{type(error).__name__}: {error}"})
        return 1
    _reply(replies, {"ready": True, **facts})
    for line in iter(jobs.readline, b""):
        _reply(replies, handler(json.loads(line)))
    return 0


def _prepare(role: str, fd: int, size: int) -> tuple[Handler, Job]:
    """Import what the role needs, then give up every right that it does not need."""
    from runner.verifier.arena import Arena
    from runner.verifier.lockdown import lock_down

    arena = Arena(fd, size)
    facts: Job = {}
    handler: Handler
    if role == "compiler":
        from runner.verifier.compile_role import CompileRole

        compiler = CompileRole(arena)
        handler, facts = compiler.handle, compiler.facts
    else:
        from runner.verifier.call_role import CallRole

        handler = CallRole(arena, traced=role == "candidate").handle
    lock_down()
    return handler, facts


def _limit(address_space: int, cpu_s: int) -> None:
    limits = {
        resource.RLIMIT_AS: address_space,
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_FSIZE: MAX_FILE_BYTES,
        resource.RLIMIT_NOFILE: 256,
        resource.RLIMIT_CORE: 0,
    }
    for kind, wanted in limits.items():
        _, hard = resource.getrlimit(kind)
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (limit, limit))


def _reply(stream: BinaryIO, message: Job) -> None:
    stream.write(json.dumps(message).encode() + b"\n")
    stream.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
