"""Who may use a GPU when several judges share it: many may check, one alone may time.

Owns the lock file, one a GPU and user. Waiting for it is nobody's budget but the wall clock's.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch


class GpuLock:
    """A lock shared by all verifiers of this user on one GPU, in whatever process."""

    def __init__(self, device: int) -> None:
        name = str(torch.cuda.get_device_properties(device).uuid)
        folder = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
        self._path = folder / f"kernelwright-{os.getuid()}-{name}.lock"

    @contextmanager
    def checking(self) -> Iterator[None]:
        """Beside others that check; not while one times."""
        with self._held(fcntl.LOCK_SH):
            yield

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Alone."""
        with self._held(fcntl.LOCK_EX):
            yield

    @contextmanager
    def _held(self, kind: int) -> Iterator[None]:
        # Opened each time: a descriptor held by several threads would be one lock.
        flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._path, flags, 0o600)
        try:
            fcntl.flock(descriptor, kind)
            yield
        finally:
            os.close(descriptor)
