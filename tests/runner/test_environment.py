"""What the bundle says of this machine."""

from __future__ import annotations

import platform

import pytest
import torch

from runner import environment
from runner.environment import collect_environment
from runner.errors import RunnerError


def fake_nvidia_smi(folder, output: str, status: int = 0) -> None:
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\necho '{output}'\nexit {status}\n")
    tool.chmod(0o755)


def test_verdict_on_the_cpu_has_versions_and_no_gpu(monkeypatch, tmp_path):
    fake_nvidia_smi(tmp_path, "NVIDIA H100 80GB HBM3, 580.1, 1980, 2619")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = collect_environment(device="cpu", sandbox="bubblewrap")
    assert (found.torch, found.python) == (torch.__version__, platform.python_version())
    assert (found.gpu, found.driver, found.cuda, found.clocks_mhz) == (None, None, None, None)
    assert found.sandbox == "bubblewrap"


def test_gpu_is_described_with_its_driver_and_clocks(monkeypatch, tmp_path):
    fake_nvidia_smi(tmp_path, "NVIDIA H100 80GB HBM3, 580.1, 1980, 2619")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found = collect_environment(device="cuda", sandbox="none")
    assert (found.gpu, found.driver) == ("NVIDIA H100 80GB HBM3", "580.1")
    assert found.clocks_mhz == {"sm": 1980, "memory": 2619}


@pytest.mark.parametrize(
    ("output", "status"),
    [("No devices were found", 6), ("", 0), ("a, b, [N/A], 1", 0), ("NVIDIA H100, 580.1, 1, 2", 9)],
)
def test_tool_that_knows_no_gpu_is_not_believed(output, status, monkeypatch, tmp_path):
    fake_nvidia_smi(tmp_path, output, status)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert collect_environment(device="cuda", sandbox="none").gpu is None


def test_missing_triton_says_what_to_install(monkeypatch):
    def missing(package):
        raise environment.importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(environment.importlib.metadata, "version", missing)
    with pytest.raises(RunnerError, match=r"pip install 'kernelwright\[runner\]'"):
        collect_environment(device="cpu", sandbox="none")
