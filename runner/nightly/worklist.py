"""Which kernels a night looks at: a plain list of independent tasks, and one shard of it.

Owns the order, which is the same on every machine, so that N shards together are the whole. A
folder without a kernel is no task; whatever else it lacks is said when its turn comes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.errors import RunnerError
from runner.nightly.recorded import KERNEL_FILE

_SLUG = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One merged kernel: its name, and the folder with its files."""

    kernel: str
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Part `index` of `count`, from 1."""

    index: int = 1
    count: int = 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def list_tasks(problems: Path) -> tuple[Task, ...]:
    """Every merged kernel below `problems`, by name. Raises RunnerError where that is no folder.

    Links are not followed: a folder of a repository may point anywhere on this machine.
    """
    if not problems.is_dir():
        raise RunnerError(f"there is no folder {problems}")
    return tuple(
        Task(kernel=folder.name, folder=folder)
        for folder in sorted(problems.iterdir(), key=lambda path: path.name)
        if _SLUG.fullmatch(folder.name) and not folder.is_symlink() and _has_kernel(folder)
    )


def take_shard(tasks: Sequence[Task], shard: Shard) -> tuple[Task, ...]:
    """Every `count`-th task: neighbours are often of one family and take as long."""
    return tuple(tasks[shard.index - 1 :: shard.count])


def _has_kernel(folder: Path) -> bool:
    return folder.is_dir() and (folder / KERNEL_FILE).is_file()
