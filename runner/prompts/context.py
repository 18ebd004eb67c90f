"""What every question of a run has in common: task, compiler, GPU, exemplar.

Owns the types. A figure that was not measured is absent, never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from runner.contract import Roofline
from runner.task import Task


class Exemplar(Protocol):
    """A tested kernel of the problem's family, to adapt. Our own text, but shown as data."""

    @property
    def title(self) -> str: ...

    @property
    def source(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuFigures:
    """What the GPU that judges was measured to do. `name`: as its driver calls it."""

    roofline: Roofline
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptContext:
    """What all questions of a run share. `figures` is None where no GPU judges."""

    task: Task
    triton_version: str
    figures: GpuFigures | None = None
    exemplar: Exemplar | None = None
