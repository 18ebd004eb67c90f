"""Which GPUs a run may use, as nvidia-smi and CUDA_VISIBLE_DEVICES say."""

from __future__ import annotations

import pytest

from runner.errors import RunnerError
from runner.judges.gpus import visible_gpus

FOUR = """\
0, GPU-aa11, NVIDIA H200
1, GPU-aa22, NVIDIA H200
2, GPU-bb33, NVIDIA H200
3, GPU-cc44, NVIDIA A100, odd
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    def install(text, status=0):
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}END\nexit {status}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return install


@pytest.mark.parametrize(
    ("visible", "indices"),
    [
        (None, [0, 1, 2]),
        ("2,0", [2, 0]),
        ("GPU-bb33, GPU-aa1", [2, 0]),
        ("1,7,2", [1]),
        ("1,1,2", [1]),
        ("", []),
        ("-1", []),
    ],
)
def test_the_variable_is_read_as_cuda_reads_it(machine, visible, indices):
    machine("".join(FOUR.splitlines(keepends=True)[:3]))
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert [device.index for device in visible_gpus(environment)] == indices


def test_kinds_are_not_mixed(machine):
    machine(FOUR)
    with pytest.raises(RunnerError, match=r"different kinds .NVIDIA A100, odd, NVIDIA H200") as no:
        visible_gpus({})
    assert "\n" not in str(no.value)
    assert len(visible_gpus({"CUDA_VISIBLE_DEVICES": "0,1"})) == 2


def test_without_a_driver_there_is_none(machine, monkeypatch, tmp_path):
    machine("no devices\n", status=9)
    assert visible_gpus({}) == ()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert visible_gpus({}) == ()


def test_a_device_names_itself(machine):
    machine("1, GPU-aa22, NVIDIA H200\n")
    assert str(visible_gpus({})[0]) == "NVIDIA H200, index 1, GPU-aa22"
