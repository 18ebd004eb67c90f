"""Answers from a recorded transcript, in the recorded order.

Owns the choice of lines by generation. Never looks at the prompt.
"""

from __future__ import annotations

from pathlib import Path

from runner.errors import ModelExhausted
from runner.model.interface import Answer, Progress, Prompt
from runner.model.transcript import read_transcript


class ReplayModel:
    """Serves the answers of one generation of a transcript. Raises ModelError on a faulty file."""

    def __init__(self, path: Path, generation: int) -> None:
        self._generation = generation
        self._entries = [e for e in read_transcript(path) if e.generation == generation]
        self._served = 0

    @property
    def name(self) -> str:
        """The recorded models, not 'replay': who wrote the kernel is what a reader asks."""
        return ", ".join(dict.fromkeys(entry.model for entry in self._entries)) or "replay"

    async def answer(self, prompt: Prompt, progress: Progress | None = None) -> Answer:
        if self._served >= len(self._entries):
            raise ModelExhausted(
                f"the transcript has {len(self._entries)} answers of generation {self._generation}"
            )
        entry = self._entries[self._served]
        self._served += 1
        return Answer(
            model=entry.model,
            content=entry.content,
            reasoning=entry.reasoning,
            tokens=entry.usage,
        )

    async def close(self) -> None:
        """Nothing is held."""
