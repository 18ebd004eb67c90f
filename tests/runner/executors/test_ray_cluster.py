"""A sweep on a Ray cluster of two nodes, without GPUs, of which one is killed under its task."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.errors import RunnerError
from runner.executors import ray_cluster
from runner.executors.choice import open_executor
from runner.executors.jobs import Began, Job, News
from runner.executors.ray_cluster import RayExecutor
from runner.sweep import command
from runner.sweep.results import SweepResults
from tests.fakes import sweep_scene
from tests.fakes.command_line import run
from tests.fakes.suites_looking import keep_specs
from tests.fakes.sweep_suite import Recorded, write

ROOT = Path(__file__).parents[3]
NAMES = ["relu", "dot", "bias", "silu"]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head that does no work, and two nodes that do one job at a time each."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("needs Ray: make cluster")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        yield made
    finally:
        made.shutdown()


def arguments(suite: Recorded, out: Path) -> tuple[str, ...]:
    base = ("sweep", str(suite.suite), "--model", suite.model, "--budget", "15m")
    return (*base, "--out", str(out), "--executor", "ray")


def told(out: Path) -> list[dict[str, Any]]:
    """The rows, without what a clock says."""
    found = SweepResults.model_validate_json((out / "sweep.json").read_text())
    timeless = {"spent_s": None, "solved_at_s": 0.0, "state": "solved"}
    return [{**row.model_dump(), **timeless} for row in found.problems if row.state == "solved"]


def kernels(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.glob("kernels/*/*"))}


@pytest.mark.cluster
def test_a_lost_nodes_problem_is_run_again_and_nothing_differs_from_local(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    nodes = [cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)]
    cluster.wait_for_nodes()
    suite = write(tmp_path, NAMES)
    keep_specs(suite.suite)
    faults = tmp_path / "faults"
    faults.mkdir()
    held = ("relu", "dot")
    for name in held:
        (faults / f"hang-{name}").touch()

    begun_again = threading.Event()

    class Watched(RayExecutor):
        def run(self, jobs: Iterable[Job]) -> Iterator[News]:
            for news in super().run(jobs):
                if isinstance(news, Began) and news.tries > 1:
                    begun_again.set()
                yield news

    def open_ray(name: str, environment: Any, log: Any = None) -> RayExecutor:
        variables = {sweep_scene.FAULTS: str(faults)}
        return Watched(cluster.address, variables, sweep_scene.WORKER)

    def kill_a_node() -> None:
        """Once both nodes are at a verdict: one goes without a word, and the other goes on."""
        until_s = time.monotonic() + 60
        while not all((faults / f"hanging-{name}").exists() for name in held):
            if time.monotonic() > until_s:
                break
            time.sleep(0.05)
        cluster.remove_node(nodes[1], allow_graceful=False)
        # Not before: what the lost node is at must not come to its end there.
        begun_again.wait(60)
        for name in held:
            (faults / f"hang-{name}").unlink()

    monkeypatch.setattr(command, "open_executor", open_ray)
    killer = threading.Thread(target=kill_a_node)
    killer.start()
    code = run(*arguments(suite, tmp_path / "on_ray"))
    killer.join()
    said = capsys.readouterr().err
    assert code == 0, said
    assert said.count("again (2): its worker was lost") == 1

    monkeypatch.setattr(command, "open_executor", sweep_scene.local_executor)
    assert run(*arguments(suite, tmp_path / "local")) == 0
    assert len(told(tmp_path / "on_ray")) == len(NAMES)
    assert told(tmp_path / "on_ray") == told(tmp_path / "local")
    assert kernels(tmp_path / "on_ray") == kernels(tmp_path / "local")


@pytest.mark.cluster
def test_what_is_under_way_on_a_cluster_ends_with_the_sweep(cluster: Any, tmp_path: Path) -> None:
    cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    # Answers nothing; says when its stdin has ended, as a worker's does that is told to stop.
    script = f"""\
import pathlib, sys
pathlib.Path({str(tmp_path / "began")!r}).touch()
sys.stdin.read()
pathlib.Path({str(tmp_path / "ended")!r}).touch()
"""
    executor = RayExecutor(cluster.address, {}, (sys.executable, "-c", script))
    try:
        news = executor.run([Job(name="held", work="sweep", order={})])
        assert next(news) == Began(name="held", place="cluster")
        until_s = time.monotonic() + 60
        while not (tmp_path / "began").exists() and time.monotonic() < until_s:
            time.sleep(0.05)
        news.close()  # type: ignore[attr-defined]
        assert (tmp_path / "ended").exists()
    finally:
        executor.close()


def test_a_cluster_that_nobody_named_is_told() -> None:
    with pytest.raises(RunnerError, match="RAY_ADDRESS is not set"):
        open_executor("ray", {})


def test_a_missing_ray_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RunnerError, match=r"pip install '\.\[cluster\]'"):
        open_executor("ray", {"RAY_ADDRESS": "127.0.0.1:1"})


def test_a_folder_that_a_node_does_not_see_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Context:
        def get_node_id(self) -> str:
            return "0123456789"

    class Ray:
        @staticmethod
        def get_runtime_context() -> Context:
            return Context()

    monkeypatch.setitem(sys.modules, "ray", Ray)
    start = ray_cluster.NodeStart(
        variables=dict(os.environ), command=sweep_scene.WORKER, folder=str(tmp_path / "not here")
    )
    with pytest.raises(RunnerError, match="must be shared by all nodes"):
        ray_cluster.perform_on_node("{}", start)
