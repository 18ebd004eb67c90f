"""What several tests of the GPU side share: a timing session by a made-up clock."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from runner.verifier.gpu import timing
from tests.runner.verifier.gpu.fake_gpu_worker import Session


@pytest.fixture
def session(monkeypatch) -> Session:
    """A session whose clock is the one that the judge reads."""
    made = Session()
    clock = SimpleNamespace(perf_counter=made.clock.read, monotonic=made.clock.read)
    monkeypatch.setattr(timing, "time", clock)
    return made
