"""The GPU's court where there is no GPU, or where its making fails half-way."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
import torch

from runner.errors import RunnerError
from runner.verifier import Verifier, VerifyOptions
from runner.verifier.arena import Arena
from runner.verifier.gpu import court
from runner.verifier.gpu.memory_plan import MemoryPlan
from runner.verifier.watch import children_of

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
    """Counts who was started and who was ended. The candidate's cannot be started."""

    running: ClassVar[list[str]] = []

    def __init__(self, start):
        if start.role == "cuda-candidate":
            raise RunnerError("cannot start a worker: no processes left")
        self.role = start.role
        self.running.append(start.role)

    def close(self):
        self.running.remove(self.role)


def test_a_court_that_cannot_start_its_workers_leaves_nothing_behind(
    softmax_problem, monkeypatch, temp
):
    arenas = []

    def create(size_bytes):
        arenas.append(Arena.create(size_bytes))
        return arenas[-1]

    plan = MemoryPlan(
        cases=(),
        timed=(),
        too_large={},
        candidate_bytes=4096,
        reference_bytes=4096,
        keep_bytes=0,
        worker_fraction=0.5,
        due_bytes=4096,
    )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="GPU")
    )
    monkeypatch.setattr(court, "plan_memory", lambda problem, cases: plan)
    monkeypatch.setattr(court.DeviceArena, "create", create)
    monkeypatch.setattr(court, "WorkerProcess", FakeWorker)
    with pytest.raises(RunnerError, match="no processes left"):
        Verifier(softmax_problem, OPTIONS)
    assert FakeWorker.running == []
    assert list(temp.iterdir()) == []
    for arena in arenas:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(arena.fd)
