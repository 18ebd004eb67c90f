"""The executor of one machine: its places, its workers' ends, and a night spread over it."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.cli import main
from runner.executors.jobs import MAX_TRIES, Began, Ended, Job
from runner.executors.local import LocalExecutor, Place, places_of
from runner.executors.worker_process import WorkerStart
from runner.judges.gpus import Device
from runner.night_record import Night
from runner.nightly import command
from runner.settings import for_workers
from tests.fakes import sweep_scene
from tests.fakes.night_simulation import SimulatedGpu, write_kernel

# Answers each job with its own GPU and number; `die` ends it, `hang` waits for its stdin's end.
SCRIPT = """\
import json, os, sys
for count, line in enumerate(sys.stdin):
    name = json.loads(line)["name"]
    if name == "die":
        os._exit(9)
    if name == "babble":
        print("no reply", flush=True)
        continue
    if name == "hang":
        sys.stdin.read()
        break
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    reply = {"name": name, "result": {"gpu": gpu, "count": count}}
    print("said beside", file=sys.stderr, flush=True)
    print(json.dumps(reply), flush=True)
"""
GPUS = tuple(Device(index=n, uuid=f"GPU-{n}", name="H200") for n in range(2))


def executor(*places: Place, log: Path | None = None) -> LocalExecutor:
    command = (sys.executable, "-c", SCRIPT)
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "none"}
    return LocalExecutor(places, WorkerStart(environment=environment, command=command, log=log))


def jobs(*names: str) -> list[Job]:
    return [Job(name=name, work="sweep", order={}) for name in names]


def test_each_gpu_is_a_place_and_a_machine_without_one_has_them_by_its_cores() -> None:
    assert [dict(place.variables) for place in places_of(GPUS, 64)] == [
        {"CUDA_VISIBLE_DEVICES": "GPU-0"},
        {"CUDA_VISIBLE_DEVICES": "GPU-1"},
    ]
    assert [len(places_of((), cores)) for cores in (1, 2, 3, 8)] == [1, 1, 1, 4]


def test_every_job_is_done_once_by_a_worker_that_sees_one_gpu(tmp_path: Path) -> None:
    log = tmp_path / "log"
    names = [f"job{n}" for n in range(12)]
    news = list(executor(*places_of(GPUS, 2), log=log).run(jobs(*names)))
    ended = [each for each in news if isinstance(each, Ended)]
    assert sorted(each.reply.name for each in ended) == sorted(names)
    for each in ended:
        assert each.reply.result is not None
        assert each.reply.result["gpu"] == f"GPU-{each.place[-1]}"
    # One process a GPU: its jobs are counted on.
    counts: dict[str, list[Any]] = {}
    for each in ended:
        counts.setdefault(each.place, []).append((each.reply.result or {})["count"])
    assert all(numbers == list(range(len(numbers))) for numbers in counts.values())
    assert log.read_text().count("said beside") == len(names)


def test_a_job_that_kills_its_workers_is_given_up_and_the_next_has_its_turn() -> None:
    news = list(executor(Place(name="cpu 0")).run(jobs("die", "next")))
    assert [each.tries for each in news if isinstance(each, Began)] == [1, 2, 3, 1]
    first, second = (each.reply for each in news if isinstance(each, Ended))
    assert first.failure == f"die: its worker ended with status 9, {MAX_TRIES} times"
    assert second.result == {"gpu": "none", "count": 0}


def test_a_worker_that_says_what_is_no_reply_is_replaced() -> None:
    news = list(executor(Place(name="cpu 0")).run(jobs("babble", "next")))
    first, second = (each.reply for each in news if isinstance(each, Ended))
    assert first.failure == f"babble: its worker said what is no reply, {MAX_TRIES} times"
    assert second.result == {"gpu": "none", "count": 0}


def test_a_job_is_taken_when_its_place_is_free_and_not_before(tmp_path: Path) -> None:
    log = tmp_path / "log"
    done_before: list[int] = []

    def lazily() -> Iterator[Job]:
        for job in jobs("a", "b", "c"):
            done_before.append(log.read_text().count("said beside") if log.exists() else 0)
            yield job

    assert len(list(executor(Place(name="cpu 0"), log=log).run(lazily()))) == 6
    assert done_before == [0, 1, 2]


def test_what_a_job_source_raises_reaches_the_caller() -> None:
    def broken() -> Iterator[Job]:
        yield from jobs("a")
        raise OSError("the list is gone")

    with pytest.raises(OSError, match="the list is gone"):
        list(executor(Place(name="cpu 0"), Place(name="cpu 1")).run(broken()))


def test_a_caller_that_stops_ends_what_is_under_way() -> None:
    news = executor(Place(name="cpu 0")).run(jobs("hang", "never"))
    assert isinstance(next(news), Began)
    news.close()  # type: ignore[attr-defined]
    assert list(news) == []


def test_workers_elsewhere_get_the_settings_and_keys_and_nothing_else() -> None:
    environment = {
        "KERNELWRIGHT_MODEL": "deepseek", "DEEPSEEK_API_KEY": "k", "HOME": "/root",
        "VLLM_BASE_URL": "http://x", "AWS_SECRET": "s",
    }  # fmt: skip
    assert set(for_workers(environment)) == {
        "KERNELWRIGHT_MODEL", "DEEPSEEK_API_KEY", "VLLM_BASE_URL",
    }  # fmt: skip


def test_a_night_spread_over_workers_finds_what_one_process_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    for name in ("alpha", "beta", "gamma"):
        write_kernel(tmp_path / "problems", name, SimulatedGpu(random=random.Random(1)))
    monkeypatch.setattr(command, "FreshJudge", sweep_scene.night_judge)
    monkeypatch.setattr(command, "open_executor", sweep_scene.local_executor)
    rows = {}
    for executor_name in ("local", None):
        out = tmp_path / str(executor_name)
        given = ["reverify", str(tmp_path / "problems"), "--out", str(out), "--device", "cpu"]
        assert main([*given, *(("--executor", executor_name) if executor_name else ())]) == 0
        night = Night.model_validate_json((out / "night.json").read_text())
        assert night.complete
        rows[executor_name] = [(row.kernel, row.status, row.kernel_sha256) for row in night.kernels]
    assert rows["local"] == rows[None]
    assert len(rows["local"]) == 3
    assert "alpha: passed" in capsys.readouterr().out


def test_no_kernel_begins_after_the_nights_time_also_on_an_executor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_kernel(tmp_path / "problems", "alpha", SimulatedGpu(random=random.Random(1)))
    monkeypatch.setattr(command, "FreshJudge", sweep_scene.night_judge)
    monkeypatch.setattr(command, "open_executor", sweep_scene.local_executor)
    given = ["reverify", str(tmp_path / "problems"), "--out", str(tmp_path / "out")]
    given += ["--device", "cpu", "--executor", "local", "--time-budget", "0.000001s"]
    assert main(given) == 1
    night = Night.model_validate_json((tmp_path / "out" / "night.json").read_text())
    assert [row.status.value for row in night.kernels] == ["not run"]
