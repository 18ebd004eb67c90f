"""The workers of one tune: each holds the candidate, and compiles its share of configurations.

Owns who works for which configuration, and that a worker which hangs or dies costs nobody else:
it is killed and another one starts in its place. Judges and times nothing.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from runner.errors import RunnerError
from runner.problem import Problem
from runner.tune.types import Config
from runner.verifier.finding import KERNEL_FILE, error_text
from runner.verifier.modules.job import entry_job
from runner.verifier.pool import WorkerPool
from runner.verifier.process import Role, WorkerFailed, WorkerProcess

MAX_WORKERS = 4
_CORES_A_WORKER = 4  # Triton's passes, and ptxas on the judge's side beside them


class LoadFailed(Exception):
    """The candidate cannot be imported: no configuration can be tried. Carries one sentence."""


class Member:
    """One worker, started when it is needed. Used by one thread at a time.

    `age` counts its workers: with the last one went all that was compiled in it.
    """

    def __init__(self, pool: WorkerPool, role: Role, problem: Problem, source: str) -> None:
        self._pool = pool
        self._role = role
        self._job = {
            "op": "load",
            "file": KERNEL_FILE,
            "entry": entry_job(problem),
            "source": source,
        }
        self._worker: WorkerProcess | None = None
        self._config: Config | None = None
        self.age = 0

    def start(self) -> None:
        """Begin to start the worker, without waiting for it."""
        if self._worker is None:
            self._worker = self._pool.take(self._role)
            self._config = None
            self.age += 1

    def ask(self, config: Config, job: dict[str, Any], deadline: float) -> dict[str, Any]:
        """The reply to `job` with `config` set, by `deadline`; only its start may take longer.

        Raises WorkerFailed, after which another worker starts at the next question, LoadFailed,
        and RunnerError once the pool is closed.
        """
        self.start()
        worker = self._worker
        if worker is None:
            raise RunnerError("the worker of a tune was ended while it was asked")
        worker.wait_ready()
        try:
            if self._config is None:
                self._load(worker, deadline)
            if config != self._config:
                worker.ask({"op": "configure", "config": dict(config)}, deadline)
                self._config = config
            return worker.ask(job, deadline)
        except WorkerFailed:
            self.end()
            raise

    def end(self) -> None:
        """End the worker, if there is one."""
        worker, self._worker = self._worker, None
        if worker is not None:
            self._pool.retire(worker)

    def _load(self, worker: WorkerProcess, deadline: float) -> None:
        reply = worker.ask(self._job, deadline)
        if reply.get("ok") is not True:
            raise LoadFailed(error_text(reply)[0])


# What one configuration came to in the hands of a member, for whoever asked.
Task = Callable[[Member, int], None]


class Crew:
    """`size` members and a thread for each. `close` ends them all; call it once."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = tuple(members)
        self._owner: dict[int, Member] = {}
        # Threads that live as long as the crew: a worker ends with the thread that started it.
        self._threads = ThreadPoolExecutor(len(self._members), thread_name_prefix="tuning")
        self._lock = threading.Lock()

    def owner(self, number: int) -> Member:
        """Who compiled configuration `number`."""
        return self._owner[number]

    def number_of(self, member: Member) -> int:
        """The place of `member` in the crew, from 0."""
        return self._members.index(member)

    def do(self, numbers: Iterable[int], task: Task, more: Callable[[], bool]) -> None:
        """`task` for every configuration, in parallel, each by its owner; `more` may end it.

        A configuration without an owner goes to the member that is free first.
        """
        queues: dict[Member | None, deque[int]] = {None: deque()}
        for number in numbers:
            queues.setdefault(self._owner.get(number), deque()).append(number)

        def work(member: Member) -> None:
            while more() and (number := self._next(member, queues)) is not None:
                task(member, number)

        futures = [self._threads.submit(work, member) for member in self._members]
        for future in futures:
            future.exception()  # all have ended before the first error is raised
        for future in futures:
            future.result()

    def _next(self, member: Member, queues: dict[Member | None, deque[int]]) -> int | None:
        with self._lock:
            for queue in (queues.get(member), queues[None]):
                if queue:
                    number = queue.popleft()
                    self._owner[number] = member
                    return number
        return None

    def close(self) -> None:
        """End every worker and every thread."""
        for member in self._members:
            member.end()
        self._threads.shutdown(wait=True)


@contextmanager
def open_crew(
    pool: WorkerPool, role: Role, problem: Problem, source: str, size: int
) -> Iterator[Crew]:
    """A crew whose workers begin to start at once; all of it ends with the block, and `pool`."""
    members = [Member(pool, role, problem, source) for _ in range(size)]
    crew = Crew(members)
    try:
        for member in members:
            member.start()
        yield crew
    finally:
        crew.close()
        pool.close()


def crew_size(free_bytes: int, worker_bytes: int) -> int:
    """How many workers this machine has the cores and the GPU memory for; at least one."""
    cores = len(os.sched_getaffinity(0))
    return max(1, min(MAX_WORKERS, cores // _CORES_A_WORKER, free_bytes // worker_bytes))
