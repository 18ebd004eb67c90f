"""A worker: `python -m runner.executors.worker`, jobs in on stdin, replies out on stdout.

Owns the end: where stdin closes, a job under way gets SIGTERM, which a run answers by delivering
its best. Whoever dies takes the workers along, because stdin closes then as well.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from typing import BinaryIO

from runner.executors.jobs import Job
from runner.executors.works import do_job


class _Desk:
    """Jobs as they come in, and whether one is under way."""

    def __init__(self) -> None:
        self.jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self.busy = threading.Event()

    def read(self, requests: BinaryIO) -> None:
        """Take in jobs until `requests` ends; then end what is under way."""
        for line in iter(requests.readline, b""):
            self.jobs.put(Job.model_validate_json(line))
        self.jobs.put(None)
        if self.busy.is_set():
            os.kill(os.getpid(), signal.SIGTERM)


def serve(requests: BinaryIO, replies: BinaryIO) -> int:
    """Do one job after the other, in this thread: a run takes signals, which reach no other."""
    desk = _Desk()
    threading.Thread(target=desk.read, args=(requests,), daemon=True).start()
    while (job := desk.jobs.get()) is not None:
        desk.busy.set()
        reply = do_job(job)
        desk.busy.clear()
        try:
            replies.write(reply.model_dump_json().encode() + b"\n")
            replies.flush()
        except BrokenPipeError:  # nobody listens any more
            return 1
    return 0


def main() -> int:
    # Whatever prints to stdout must not get between the replies.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return serve(sys.stdin.buffer, replies)


if __name__ == "__main__":
    sys.exit(main())
