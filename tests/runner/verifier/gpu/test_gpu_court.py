"""The GPU's court where there is no GPU, or where its making fails half-way."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch

from runner import cli, environment
from runner.contract import Candidate, EvaluationStatus
from runner.errors import DeviceMemoryExhausted, RunnerError
from runner.verifier import Verifier, VerifyOptions, judge
from runner.verifier.arena import Arena
from runner.verifier.finding import Finding
from runner.verifier.gpu import court, hearing
from runner.verifier.gpu.memory_plan import MemoryPlan
from runner.verifier.memory import exhausted
from runner.verifier.sweep import Swept
from runner.verifier.watch import children_of

PROBLEMS = Path(__file__).parents[4] / "problems"
OPTIONS = VerifyOptions(device="cuda", allow_no_sandbox=True)


def open_files():
    return {path.name for path in Path("/proc/self/fd").iterdir()}


@pytest.fixture
def temp(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_gpu_that_is_not_there_is_one_sentence_and_no_process(softmax_problem, monkeypatch, temp):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    before = children_of(os.getpid()), open_files()
    with pytest.raises(RunnerError, match="a GPU is asked for, and PyTorch sees none") as refused:
        Verifier(softmax_problem, OPTIONS)
    assert "\n" not in str(refused.value)
    assert (children_of(os.getpid()), open_files()) == before
    assert list(temp.iterdir()) == []


class FakeWorker:
    """Counts who was started and who was ended."""

    running: ClassVar[list[str]] = []
    refused: ClassVar[set[str]] = set()  # roles that cannot be started

    def __init__(self, start):
        if start.role in self.refused:
            raise RunnerError("cannot start a worker: no processes left")
        self.role = start.role
        self.ready = {"tools": {}, "triton_cache": None}
        self.running.append(start.role)

    def wait_ready(self): ...

    def alive(self):
        return True

    def kill(self): ...

    def close(self):
        self.running.remove(self.role)


@dataclass
class FakeGpu:
    """A GPU whose memory is the host's. `free_bytes`: what it says is free."""

    arenas: list[Arena] = field(default_factory=list)
    most_arenas: int = 2
    free_bytes: int = 1 << 40
    given_back: int = 0

    def create(self, size_bytes):
        if len(self.arenas) == self.most_arenas:
            raise exhausted(asked_bytes=size_bytes)
        self.arenas.append(Arena.create(size_bytes))
        return self.arenas[-1]

    def give_back(self):
        self.given_back += 1

    @property
    def all_is_given_back(self):
        return self.given_back > 0 and not any(_is_open(arena.fd) for arena in self.arenas)


def _is_open(fd):
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


@pytest.fixture
def gpu(monkeypatch, temp):
    fake = FakeGpu()
    plan = MemoryPlan(
        cases=(),
        timed=(),
        too_large={},
        candidate_bytes=4096,
        reference_bytes=4096,
        keep_bytes=0,
        worker_fraction=0.5,
        due_bytes=8 << 30,
    )
    device = SimpleNamespace(uuid="GPU")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: device)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (fake.free_bytes, 150 * 10**9))
    monkeypatch.setattr(torch.cuda, "empty_cache", fake.give_back)
    monkeypatch.setattr(court, "plan_memory", lambda problem, cases: plan)
    monkeypatch.setattr(court.DeviceArena, "create", fake.create)
    monkeypatch.setattr(court, "WorkerProcess", FakeWorker)
    monkeypatch.setattr(FakeWorker, "running", [])
    monkeypatch.setattr(FakeWorker, "refused", set())
    return fake


def test_a_court_that_cannot_start_its_workers_leaves_nothing_behind(softmax_problem, gpu, temp):
    FakeWorker.refused.add("cuda-candidate")
    with pytest.raises(RunnerError, match="no processes left"):
        Verifier(softmax_problem, OPTIONS)
    assert FakeWorker.running == []
    assert list(temp.iterdir()) == []
    assert gpu.all_is_given_back


@pytest.mark.parametrize("most_arenas", [0, 1])
def test_a_court_without_memory_for_its_arenas_leaves_nothing_behind(
    most_arenas, softmax_problem, gpu, temp
):
    gpu.most_arenas, gpu.free_bytes = most_arenas, 1000
    with pytest.raises(DeviceMemoryExhausted, match="the GPU's memory ran out"):
        Verifier(softmax_problem, OPTIONS)
    assert len(gpu.arenas) == most_arenas
    assert FakeWorker.running == []
    assert list(temp.iterdir()) == []
    assert gpu.all_is_given_back


def out_of_memory(*_):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a …")


def test_memory_that_runs_out_before_a_verdict_is_one_sentence(softmax_problem, gpu, monkeypatch):
    gpu.free_bytes = 10**9
    monkeypatch.setattr(court, "measure_roofline", out_of_memory)
    with Verifier(softmax_problem, OPTIONS) as verifier:
        with pytest.raises(DeviceMemoryExhausted) as told:
            verifier.prepare()
        assert FakeWorker.running == ["cuda-candidate"]  # its reference may be in any state
    assert str(told.value) == (
        "the GPU's memory ran out: 2.15 GB were asked for, 1 of the GPU's 150 GB are free; other "
        "processes may hold the rest (nvidia-smi lists them)"
    )
    assert FakeWorker.running == []
    assert gpu.all_is_given_back


def test_the_command_line_tells_it_as_the_machines_failure(gpu, monkeypatch, capsys):
    monkeypatch.setattr(court, "measure_roofline", out_of_memory)
    monkeypatch.setattr(environment, "choose_device", lambda asked: asked)
    order = ["verify", str(PROBLEMS / "rms_norm"), "--device", "cuda", "--allow-no-sandbox"]
    assert cli.main(order) == cli.EXIT_FAILED
    said = capsys.readouterr().err
    assert said.startswith("kernelwright: the GPU's memory ran out: 2.15 GB were asked for")
    assert said.count("\n") == 1


FAILED = Finding(
    status=EvaluationStatus.RUNTIME_ERROR,
    stage="smoke",
    summary="kernel.py:9: OutOfMemoryError: CUDA out of memory. Tried to allocate 60.00 GiB.",
)


@pytest.fixture
def judged(softmax_problem, gpu, monkeypatch):
    """The verdict on a candidate for which memory ran out; the truth is none of it."""

    class FailingSweep:
        def __init__(self, *_): ...

        def run(self, candidate, deadline):
            return Swept(finding=FAILED, errors=(), kernels={}, smoke_s=None)

    oracle = SimpleNamespace(too_large={}, cases=(), close=lambda: None)
    monkeypatch.setattr(hearing, "Sweep", FailingSweep)
    monkeypatch.setattr(court.GpuCourt, "prepare", lambda self: None)
    monkeypatch.setattr(judge, "screen", lambda source, problem: None)

    def verdict():
        with Verifier(softmax_problem, OPTIONS) as verifier:
            monkeypatch.setattr(verifier._court, "_oracle", oracle)
            monkeypatch.setattr(verifier._court, "_baselines", object())
            return verifier.verify(Candidate.of("def row_softmax(x): ...", 1))

    return verdict


def test_a_candidate_that_takes_too_much_is_told_so(judged):
    evaluation = judged()
    assert evaluation.status is EvaluationStatus.RUNTIME_ERROR
    assert evaluation.summary == FAILED.summary


def test_what_a_candidate_held_is_free_again_when_its_want_is_looked_into(judged, monkeypatch):
    """Else one that takes all of a GPU would get no verdict: the judge would wait for others."""

    def free_and_total():
        return (0 if "cuda-candidate" in FakeWorker.running else 1 << 40), 150 * 10**9

    monkeypatch.setattr(torch.cuda, "mem_get_info", free_and_total)
    assert judged().summary == FAILED.summary


def test_a_candidate_beside_others_that_fill_the_gpu_gets_no_verdict(judged, gpu):
    gpu.free_bytes = 4 << 30
    with pytest.raises(DeviceMemoryExhausted, match="a candidate could not be judged: the GPU's"):
        judged()
    assert FakeWorker.running == []
