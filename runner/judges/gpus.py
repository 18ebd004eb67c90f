"""Which GPUs this process may use, by the name that says which one for certain.

Owns the reading of nvidia-smi and CUDA_VISIBLE_DEVICES. Imports no torch: a judge's parent must
not take memory on any of them.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.errors import RunnerError

_QUERY = ["nvidia-smi", "--query-gpu=index,uuid,name", "--format=csv,noheader"]
_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One GPU: its place in nvidia-smi's list, its own number for life, and its kind."""

    index: int
    uuid: str
    name: str

    def __str__(self) -> str:
        return f"{self.name}, index {self.index}, {self.uuid}"


def visible_gpus(environment: Mapping[str, str] | None = None) -> tuple[Device, ...]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves, all of one kind; none without a driver.

    Raises RunnerError where they are of different kinds: their timings could not be compared.
    """
    environment = os.environ if environment is None else environment
    devices = _chosen(_query(), environment.get("CUDA_VISIBLE_DEVICES"))
    refuse_mixed([device.name for device in devices])
    return devices


def refuse_mixed(kinds: Sequence[str]) -> None:
    """Raise RunnerError unless all GPUs are of one kind."""
    if len(set(kinds)) > 1:
        raise RunnerError(
            f"GPUs of different kinds ({', '.join(sorted(set(kinds)))}) have no comparable "
            "timings: set CUDA_VISIBLE_DEVICES to those of one kind"
        )


def _query() -> tuple[Device, ...]:
    try:
        done = subprocess.run(_QUERY, capture_output=True, timeout=_TIMEOUT_S, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ()
    if done.returncode != 0:
        return ()
    rows = [line.split(", ", 2) for line in done.stdout.decode().splitlines() if line.strip()]
    return tuple(
        Device(index=int(index), uuid=uuid.strip(), name=name.strip())
        for index, uuid, name in (row for row in rows if len(row) == 3)
    )


def _chosen(devices: tuple[Device, ...], visible: str | None) -> tuple[Device, ...]:
    """As CUDA reads the variable: in its order, and up to the first entry that names none."""
    if visible is None:
        return devices
    found: list[Device] = []
    for entry in (part.strip() for part in visible.split(",")):
        device = next((d for d in devices if _names(entry, d)), None)
        if device is None or device in found:
            break
        found.append(device)
    return tuple(found)


def _names(entry: str, device: Device) -> bool:
    if entry.isdecimal():
        return int(entry) == device.index
    return entry.startswith("GPU-") and device.uuid.startswith(entry)
