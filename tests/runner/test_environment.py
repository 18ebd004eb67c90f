"""What the bundle says of this machine."""

from __future__ import annotations

import platform

import pytest
import torch

from runner import environment
from runner.environment import choose_device, collect_environment, gpu_problem, query_gpus
from runner.errors import RunnerError


def fake_nvidia_smi(folder, output: str, status: int = 0) -> None:
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\necho '{output}'\nexit {status}\n")
    tool.chmod(0o755)


def test_verdict_on_the_cpu_has_versions_and_no_gpu(monkeypatch, tmp_path):
    fake_nvidia_smi(tmp_path, "NVIDIA H100 80GB HBM3, 580.1, 9.0, 81559, 1755, 2619, 1980")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = collect_environment(device="cpu", sandbox="bubblewrap")
    assert (found.torch, found.python) == (torch.__version__, platform.python_version())
    assert (found.gpu, found.driver, found.cuda, found.clocks_mhz) == (None, None, None, None)
    assert found.sandbox == "bubblewrap"


def test_gpu_is_described_with_its_driver_and_clocks(monkeypatch, tmp_path):
    fake_nvidia_smi(tmp_path, "NVIDIA H100 80GB HBM3, 580.1, 9.0, 81559, 1755, 2619, 1980")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = collect_environment(device="cuda", sandbox="none")
    assert (found.gpu, found.driver) == ("NVIDIA H100 80GB HBM3", "580.1")
    assert found.clocks_mhz == {"sm": 1755, "memory": 2619}


@pytest.mark.parametrize(
    ("output", "status"),
    [
        ("No devices were found", 6),
        ("", 0),
        ("a, b, 9.0, 1, [N/A], 1, 1", 0),
        ("NVIDIA H100, 580.1, 9.0, 81559, 1, 2, 3", 9),
    ],
)
def test_tool_that_knows_no_gpu_is_not_believed(output, status, monkeypatch, tmp_path):
    fake_nvidia_smi(tmp_path, output, status)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert collect_environment(device="cuda", sandbox="none").gpu is None


def test_every_gpu_of_a_machine_is_described(monkeypatch, tmp_path):
    row = "NVIDIA H200, 580.1, 9.0, 143771, 345, 3201, 1980"
    fake_nvidia_smi(tmp_path, f"{row}\n{row}")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    first, second = query_gpus()
    assert first == second
    assert (first.compute_capability, first.memory_mib, first.max_sm_mhz) == ("9.0", 143771, 1980)


@pytest.mark.parametrize(
    ("asked", "problem", "chosen"),
    [
        (None, None, "cuda"),
        (None, "sees no GPU", "cpu"),
        ("cpu", None, "cpu"),
        ("cuda", None, "cuda"),
    ],
)
def test_device_is_the_gpu_where_there_is_one(monkeypatch, asked, problem, chosen):
    monkeypatch.setattr(environment, "gpu_problem", lambda: problem)
    assert choose_device(asked) == chosen


def test_asking_for_a_gpu_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setattr(environment, "gpu_problem", lambda: "torch sees no GPU")
    with pytest.raises(RunnerError, match="no GPU to use: torch sees no GPU"):
        choose_device("cuda")


@pytest.mark.parametrize(
    ("cuda", "available", "words"),
    [(None, False, "is built without CUDA"), ("12.8", False, "sees no GPU"), ("12.8", True, None)],
)
def test_torch_says_why_it_has_no_gpu(monkeypatch, cuda, available, words):
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    said = gpu_problem()
    assert said is None if words is None else words in said


def test_missing_triton_says_what_to_install(monkeypatch):
    def missing(package):
        raise environment.importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(environment.importlib.metadata, "version", missing)
    with pytest.raises(RunnerError, match=r"pip install '\.\[runner\]'"):
        collect_environment(device="cpu", sandbox="none")
