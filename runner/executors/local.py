"""The executor of this machine: one worker for each GPU, or on a machine without one by its cores.

Owns the places and the threads that serve them. A worker sees its own GPU alone.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from runner.executors.jobs import MAX_TRIES, Began, Ended, Job, News, Reply
from runner.executors.worker_process import WorkerLost, WorkerProcess, WorkerStart
from runner.judges.gpus import Device

# A verdict without a GPU keeps an interpreter and a compiler busy.
CORES_A_PLACE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one job at a time runs. `variables` are added to its worker's environment."""

    name: str
    variables: Mapping[str, str] = field(default_factory=dict)


def places_of(gpus: Sequence[Device], cores: int) -> tuple[Place, ...]:
    """One for each GPU; without any one for every two cores, and at least one."""
    if gpus:
        return tuple(
            Place(name=f"gpu {gpu.index}", variables={"CUDA_VISIBLE_DEVICES": gpu.uuid})
            for gpu in gpus
        )
    return tuple(Place(name=f"cpu {n}") for n in range(max(1, cores // CORES_A_PLACE)))


class LocalExecutor:
    """Jobs on the places of this machine."""

    def __init__(self, places: Sequence[Place], start: WorkerStart) -> None:
        if not places:
            raise ValueError("no place to run anything on")
        self._places = tuple(places)
        self._start = start

    @property
    def words(self) -> str:
        return f"this machine: {', '.join(place.name for place in self._places)}"

    def run(self, jobs: Iterable[Job]) -> Iterator[News]:
        shift = _Shift(jobs)
        threads = [
            threading.Thread(target=shift.serve, args=(place, self._start_at(place)))
            for place in self._places
        ]
        for thread in threads:
            thread.start()
        try:
            left = len(threads)
            while left:
                news = shift.news.get()
                if news is None:
                    left -= 1
                elif isinstance(news, BaseException):
                    raise news
                else:
                    yield news
        finally:
            shift.end()
            for thread in threads:
                thread.join()

    def close(self) -> None:
        """Workers live as long as `run` does."""

    def _start_at(self, place: Place) -> WorkerStart:
        environment = {**self._start.environment, **place.variables}
        return replace(self._start, environment=environment)


class _Shift:
    """One `run`: the jobs that are left, the workers, and what is told of them."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._jobs = iter(jobs)
        self._lock = threading.Lock()
        self._ending = False
        self._workers: set[WorkerProcess] = set()
        # None: a place has nothing left to do.
        self.news: queue.SimpleQueue[News | BaseException | None] = queue.SimpleQueue()

    def serve(self, place: Place, start: WorkerStart) -> None:
        """One place: job after job, in a worker that is replaced where it died."""
        worker: WorkerProcess | None = None
        try:
            while (job := self._next()) is not None:
                worker = self._see_to(job, place, start, worker)
        except BaseException as error:  # noqa: BLE001 - handed to whoever reads the news
            self.news.put(error)
        finally:
            if worker is not None:
                worker.close()
            self.news.put(None)

    def end(self) -> None:
        """No further job; workers are asked to end."""
        with self._lock:
            self._ending = True
            workers = tuple(self._workers)
        for worker in workers:
            worker.stop()

    def _next(self) -> Job | None:
        with self._lock:
            return None if self._ending else next(self._jobs, None)

    def _see_to(
        self, job: Job, place: Place, start: WorkerStart, worker: WorkerProcess | None
    ) -> WorkerProcess | None:
        """Take a job to its reply; the worker that may have the next one, if it still lives."""
        lost = ""
        for tries in range(1, MAX_TRIES + 1):
            worker = worker or self._open(start)
            if worker is None:
                return None
            self.news.put(Began(name=job.name, place=place.name, tries=tries))
            try:
                reply = worker.perform(job)
            except WorkerLost as error:
                lost = str(error)
                self._discard(worker)
                worker = None
                continue
            self.news.put(Ended(reply=reply, place=place.name))
            return worker
        failure = f"{lost}, {MAX_TRIES} times"
        self.news.put(Ended(reply=Reply(name=job.name, failure=failure), place=place.name))
        return None

    def _open(self, start: WorkerStart) -> WorkerProcess | None:
        """A new worker; None where the end has come."""
        with self._lock:
            if self._ending:
                return None
            worker = WorkerProcess(start)
            self._workers.add(worker)
            return worker

    def _discard(self, worker: WorkerProcess) -> None:
        with self._lock:
            self._workers.discard(worker)
        with contextlib.suppress(OSError):
            worker.close()
