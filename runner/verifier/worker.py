"""The worker's main loop: limits itself, loads its libraries, then serves the judge's jobs.

Owns the order of things: everything trusted happens before foreign code arrives. Decides nothing:
what it reports is feedback, and the judge looks at the tensors. Started by `process` only, as
`python -m runner.verifier.worker SETTINGS` (JSON); one source a process.
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
    settings: Job = json.loads(arguments[0])
    _limit(settings)
    # Only this copy leads to the judge; what foreign code prints goes to stderr.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    jobs = sys.stdin.buffer

    def ask(request: Job) -> Job:
        """In the middle of a job: ask the judge for a tool, and wait."""
        _reply(replies, request)
        answer: Job = json.loads(jobs.readline())
        return answer

    try:
        handler, facts = _prepare(settings, ask)
    except Exception as error:  # noqa: BLE001 - the edge: the judge gets the reason
        _reply(replies, {"ready": False, "error": f"{type(error).__name__}: {error}"})
        return 1
    _reply(replies, {"ready": True, **facts})
    for line in iter(jobs.readline, b""):
        _reply(replies, handler(json.loads(line)))
    return 0


def _prepare(settings: Job, ask: Handler) -> tuple[Handler, Job]:
    """Import what the role needs, then give up every right that it does not need."""
    from runner.verifier.lockdown import lock_down

    role = settings["role"]
    facts: Job = {}
    handler: Handler
    if role.startswith("cuda"):
        from runner.verifier.gpu.cuda_role import CudaRole

        cuda = CudaRole(settings, ask)
        handler, facts = cuda.handle, cuda.facts
    else:
        handler, facts = _prepare_cpu(role, *settings["arenas"][0])
    lock_down(threads=needs_threads(role))
    return handler, facts


def needs_threads(role: str) -> bool:
    """CUDA does, and the reference's PyTorch; the interpreter works in one. So does the compiler
    since Triton 3.6: before, MLIR makes some, and can be told not to."""
    if role == "compiler":
        from triton._C.libtriton import ir

        return hasattr(ir.context, "disable_multithreading")
    return role != "candidate"


def _prepare_cpu(role: str, fd: int, size_bytes: int) -> tuple[Handler, Job]:
    from runner.verifier.arena import Arena

    arena = Arena(fd, size_bytes)
    if role == "compiler":
        from runner.verifier.compile_role import CompileRole

        compiler = CompileRole(arena)
        return compiler.handle, compiler.facts
    from runner.verifier.call_role import CallRole

    tracer: Any = None
    if role == "candidate":
        from runner.verifier.trace import Tracer

        tracer = Tracer()
    return CallRole(arena, tracer).handle, {}


def _limit(settings: Job) -> None:
    limits = {
        resource.RLIMIT_AS: settings["address_space"],
        resource.RLIMIT_DATA: settings["data"],
        resource.RLIMIT_CPU: settings["cpu_s"],
        resource.RLIMIT_FSIZE: MAX_FILE_BYTES,
        resource.RLIMIT_NOFILE: 256,
        resource.RLIMIT_CORE: 0,
    }
    for kind, wanted in limits.items():
        if wanted is None:
            continue
        _, hard = resource.getrlimit(kind)
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (limit, limit))


def _reply(stream: BinaryIO, message: Job) -> None:
    stream.write(json.dumps(message).encode() + b"\n")
    stream.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
