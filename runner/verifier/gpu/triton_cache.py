"""Hands what Triton compiled while a worker warmed up to the workers after it.

Owns the packing of Triton's cache folder. Only a worker that has met no foreign code packs; the
judge keeps the files, and later workers see them read-only and take a copy.
"""

from __future__ import annotations

import base64
import os
import shutil
from pathlib import Path

_MAX_BYTES = 8 << 20


def pack() -> dict[str, str]:
    """The files of this process's Triton cache, base64 by relative path; nothing above 8 MiB."""
    root = _root()
    files = {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
    if sum(map(len, files.values())) > _MAX_BYTES:
        return {}
    return {name: base64.b64encode(data).decode() for name, data in files.items()}


def save(files: dict[str, str], folder: Path) -> None:
    """Judge side: write packed files below `folder`."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(data))


def unpack(folder: str | None) -> None:
    """Worker side: begin with the files in `folder`, if there are any."""
    if folder is not None:
        shutil.copytree(folder, _root(), dirs_exist_ok=True)


def _root() -> Path:
    return Path(os.environ["TRITON_CACHE_DIR"])
