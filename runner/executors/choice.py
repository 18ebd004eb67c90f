"""From `--executor` to an executor.

Owns what each needs of the machine and the environment. Starts nothing but Ray's client.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from runner.errors import RunnerError
from runner.executors.jobs import Executor
from runner.executors.local import LocalExecutor, places_of
from runner.executors.ray_cluster import RayExecutor
from runner.executors.worker_process import WorkerStart
from runner.judges.gpus import visible_gpus
from runner.settings import for_workers, ray_address


def open_executor(name: str, environment: Mapping[str, str], log: Path | None = None) -> Executor:
    """The executor `name`. Raises RunnerError.

    `log`: where the workers of this machine write what is not a reply; a cluster keeps it in Ray's
    own logs.
    """
    if name == "ray":
        address = ray_address(environment)
        if address is None:
            raise RunnerError(
                "RAY_ADDRESS is not set: name the cluster, such as ray-head:6379, or set 'local' "
                "to start Ray on this machine"
            )
        return RayExecutor(address, for_workers(environment))
    places = places_of(visible_gpus(environment), len(os.sched_getaffinity(0)))
    return LocalExecutor(places, WorkerStart(environment=dict(environment), log=log))
