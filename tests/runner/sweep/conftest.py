"""Sweeps with recorded verdicts: `tests.fakes.sweep_scene` plays the workers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner.sweep import command
from tests.fakes import sweep_scene
from tests.fakes.suites_looking import keep_specs
from tests.fakes.sweep_runs import FEW
from tests.fakes.sweep_suite import Recorded, write


@pytest.fixture(autouse=True)
def recorded_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of the scene, also where the command runs in this process."""
    monkeypatch.setattr(command, "open_executor", sweep_scene.local_executor)
    for name in [name for name in os.environ if name.startswith("KERNELWRIGHT_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def few(tmp_path: Path) -> Recorded:
    suite = write(tmp_path, FEW)
    keep_specs(suite.suite)
    return suite


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of `sweep_scene`'s faults."""
    folder = tmp_path / "faults"
    folder.mkdir()
    monkeypatch.setenv(sweep_scene.FAULTS, str(folder))
    return folder
