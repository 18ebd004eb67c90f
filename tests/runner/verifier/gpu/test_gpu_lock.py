"""Several judges on one GPU: many check together, one times alone. Threads stand for judges."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch

from runner.verifier.gpu.gpu_lock import GpuLock

_SOON_S = 5.0
_A_WHILE_S = 0.15  # long enough to see that somebody waits


@pytest.fixture
def lock_of(monkeypatch, tmp_path) -> Callable[[int], GpuLock]:
    """Locks of made-up GPUs, with their files in a folder of the test's."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid=f"GPU-{device}")
    )
    return GpuLock


class Judge:
    """Holds a lock in a thread of its own from `start` until `leave`."""

    def __init__(self, held):
        self.inside, self._leave = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold, args=(held,), daemon=True)
        self._thread.start()

    def leave(self):
        self._leave.set()
        self._thread.join(_SOON_S)

    def _hold(self, held):
        with held:
            self.inside.set()
            self._leave.wait(60)


def test_several_check_together(lock_of):
    judges = [Judge(lock_of(0).checking()) for _ in range(3)]
    assert all(judge.inside.wait(_SOON_S) for judge in judges)
    for judge in judges:
        judge.leave()


@pytest.mark.parametrize("kind", ["checking", "timing"])
def test_nobody_is_beside_one_who_times(kind, lock_of):
    first = Judge(lock_of(0).timing())
    assert first.inside.wait(_SOON_S)
    second = Judge(getattr(lock_of(0), kind)())
    assert not second.inside.wait(_A_WHILE_S)
    first.leave()
    assert second.inside.wait(_SOON_S)
    second.leave()


def test_timing_waits_for_the_last_who_checks(lock_of):
    checkers = [Judge(lock_of(0).checking()) for _ in range(2)]
    assert all(judge.inside.wait(_SOON_S) for judge in checkers)
    timer = Judge(lock_of(0).timing())
    checkers[0].leave()
    assert not timer.inside.wait(_A_WHILE_S)
    checkers[1].leave()
    assert timer.inside.wait(_SOON_S)
    timer.leave()


def test_one_lock_used_by_two_threads_is_still_exclusive(lock_of):
    lock = lock_of(0)
    first = Judge(lock.timing())
    assert first.inside.wait(_SOON_S)
    second = Judge(lock.timing())
    assert not second.inside.wait(_A_WHILE_S)
    first.leave()
    assert second.inside.wait(_SOON_S)
    second.leave()


def test_another_gpu_is_another_lock(lock_of):
    judges = [Judge(lock_of(device).timing()) for device in (0, 1)]
    assert all(judge.inside.wait(_SOON_S) for judge in judges)
    for judge in judges:
        judge.leave()


def test_an_error_gives_the_lock_back(lock_of):
    with pytest.raises(LookupError), lock_of(0).timing():
        raise LookupError
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: lock_of(0).timing().__enter__()).result(_SOON_S)


def test_the_file_is_its_owners_alone_and_no_link_is_followed(lock_of, tmp_path):
    with lock_of(0).checking():
        (made,) = tmp_path.iterdir()
        assert stat.S_IMODE(made.stat().st_mode) == 0o600
    made.unlink()
    made.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"), lock_of(0).checking():
        pass
    assert not (tmp_path / "elsewhere").exists()
