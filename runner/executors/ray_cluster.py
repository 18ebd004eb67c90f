"""The executor of a Ray cluster: one GPU a task, and a lost node's task again.

Owns the driver's side and the task. A task starts the very worker that `local` starts, so what a
job comes to depends on its machine alone. Orders name files: the folders must be shared by all
nodes, and a work refuses where they are not. Ray is imported here and nowhere else.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runner.errors import RunnerError
from runner.executors.jobs import MAX_TRIES, Began, Ended, Job, News, Reply
from runner.executors.worker_process import (
    COMMAND,
    GRACE_S,
    WorkerLost,
    WorkerProcess,
    WorkerStart,
)

_POLL_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStart:
    """How a node's worker starts. `command` None: by the node's own Python, wherever it is."""

    variables: Mapping[str, str]
    command: tuple[str, ...] | None
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A job that is under way somewhere."""

    job: Job
    tries: int = 1


class RayExecutor:
    """Jobs on a cluster. `variables`: what of this environment the nodes' workers get as well;
    `command` is what starts one there, if not the node's own Python.

    Raises RunnerError where Ray is not installed or the cluster cannot be reached.
    """

    def __init__(
        self, address: str, variables: Mapping[str, str], command: Sequence[str] | None = None
    ) -> None:
        try:
            import ray
        except ModuleNotFoundError as error:
            raise RunnerError(
                "Ray is not installed: pip install '.[cluster]' in a checkout of kernelwright, "
                "on every node"
            ) from error
        # As Any: what is known of its types depends on whether it is installed.
        self._ray: Any = ray
        try:
            self._ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise RunnerError(f"cannot reach the Ray cluster {address}: {error}") from error
        self._address = address
        self._start = NodeStart(
            variables=dict(variables),
            command=None if command is None else tuple(command),
            folder=str(Path.cwd()),
        )
        # By what the cluster has, once: tasks of one sweep must not differ.
        self._unit = "GPU" if self._ray.cluster_resources().get("GPU", 0) >= 1 else "CPU"
        # A lost task is begun again here, where it is told, and not behind our back.
        demand = {"num_gpus": 1, "num_cpus": 1} if self._unit == "GPU" else {"num_cpus": 1}
        self._remote: Any = self._ray.remote(max_retries=0, **demand)(perform_on_node)

    @property
    def words(self) -> str:
        return f"Ray at {self._address}: {self._width()} {self._unit}s"

    def run(self, jobs: Iterable[Job]) -> Iterator[News]:
        waiting = iter(jobs)
        under_way: dict[Any, _Task] = {}
        try:
            while True:
                while len(under_way) < self._width():
                    job = next(waiting, None)
                    if job is None:
                        break
                    yield self._begin(_Task(job=job), under_way)
                if not under_way:
                    return
                # With a limit: nodes may have come meanwhile.
                done, _ = self._ray.wait(list(under_way), num_returns=1, timeout=_POLL_S)
                for reference in done:
                    yield self._take(reference, under_way)
        finally:
            self._stop(under_way)

    def close(self) -> None:
        self._ray.shutdown()

    def _width(self) -> int:
        """As many at a time as the cluster has units now; one that lost all of them may recover."""
        return max(1, int(self._ray.cluster_resources().get(self._unit, 0)))

    def _begin(self, task: _Task, under_way: dict[Any, _Task]) -> Began:
        text = task.job.model_dump_json()
        under_way[self._remote.remote(text, self._start)] = task
        return Began(name=task.job.name, place="cluster", tries=task.tries)

    def _take(self, reference: Any, under_way: dict[Any, _Task]) -> News:
        task = under_way.pop(reference)
        try:
            text, place = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            # The worker on the node died, or could not be started.
            lost = str(error.cause or error)
        except self._ray.exceptions.RayError as error:
            # The node died, or Ray's own process on it.
            lost = f"{task.job.name}: its node was lost ({type(error).__name__})"
        else:
            return Ended(reply=Reply.model_validate_json(text), place=place)
        if task.tries < MAX_TRIES:
            return self._begin(replace(task, tries=task.tries + 1), under_way)
        reply = Reply(name=task.job.name, failure=f"{lost}, {MAX_TRIES} times")
        return Ended(reply=reply, place="cluster")

    def _stop(self, under_way: dict[Any, _Task]) -> None:
        """Ask the tasks to end, and give them the time to deliver."""
        if not under_way:
            return
        for reference in under_way:
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.cancel(reference)
        self._ray.wait(list(under_way), num_returns=len(under_way), timeout=GRACE_S)


def perform_on_node(text: str, start: NodeStart) -> tuple[str, str]:
    """The task: a worker for one job, on this node. The reply as JSON, and where it was.

    Raises WorkerLost, or OSError where no worker can be started here.
    """
    import ray

    node = ray.get_runtime_context().get_node_id()[:8]
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    # Ray has set CUDA_VISIBLE_DEVICES in this process to the GPU of this task.
    environment = {**start.variables, **os.environ}
    folder = Path(start.folder)
    if not folder.is_dir():
        raise WorkerLost(f"node {node} has no folder {folder}: it must be shared by all nodes")
    worker = WorkerProcess(
        WorkerStart(environment=environment, command=start.command or COMMAND, folder=folder)
    )
    reply = _reply(worker, Job.model_validate_json(text))
    return reply.model_dump_json(), f"node {node}{f' gpu {gpus}' if gpus else ''}"


def _reply(worker: WorkerProcess, job: Job) -> Reply:
    """The worker's reply; the worker is ended in any case."""
    with ThreadPoolExecutor(1) as threads:
        try:
            reply = threads.submit(worker.perform, job)
            # Ray cancels a task by KeyboardInterrupt, and not out of a read that blocks.
            while not reply.done():
                wait([reply], timeout=_POLL_S)
            return reply.result()
        finally:
            worker.close()
