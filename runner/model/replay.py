"""Answers from a recorded transcript, each to the attempt that it answered.

Owns the choice of lines by generation and attempt, so that streams may ask in any order and a
run that is resumed gets the same answers. Never looks at the prompt. Where the recorded run gave a
number to a tuned kernel, and this one asks, the next answer that was not given yet stands in.
"""

from __future__ import annotations

from pathlib import Path

from runner.errors import ModelError, ModelExhausted
from runner.model.interface import Answer, Progress, Prompt
from runner.model.transcript import TranscriptEntry, read_transcript


class ReplayModel:
    """Serves the answers of one generation of a transcript. Raises ModelError on a faulty file."""

    def __init__(self, path: Path, generation: int) -> None:
        self._generation = generation
        self._entries: dict[int, TranscriptEntry] = {}
        entries = read_transcript(path)
        if not entries:
            raise ModelError(f"the transcript {path} holds no answer")
        for entry in entries:
            if entry.generation != generation:
                continue
            if entry.attempt in self._entries:
                raise ModelError(
                    f"{path}: attempt {entry.attempt} of generation {generation} stands there twice"
                )
            self._entries[entry.attempt] = entry
        self._given: dict[int, int] = {}  # the attempt that asked → the line that it got

    @property
    def name(self) -> str:
        """The recorded models, not 'replay': who wrote the kernel is what a reader asks."""
        return ", ".join(dict.fromkeys(e.model for e in self._entries.values())) or "replay"

    async def answer(self, prompt: Prompt, progress: Progress | None = None) -> Answer:
        """The recorded answer, at once: there is no progress to tell. Raises ModelExhausted."""
        number = self._given.get(prompt.attempt) or self._next(prompt.attempt)
        if number is None:
            raise ModelExhausted(
                f"the transcript has {len(self._entries)} answers of generation "
                f"{self._generation}, and none to attempt {prompt.attempt}"
            )
        self._given[prompt.attempt] = number
        entry = self._entries[number]
        return Answer(
            model=entry.model,
            content=entry.content,
            reasoning=entry.reasoning,
            tokens=entry.usage,
            cut=entry.cut,
        )

    def _next(self, attempt: int) -> int | None:
        """The line of `attempt`, or the next one after it; none is given to two attempts."""
        left = sorted(self._entries.keys() - self._given.values())
        return next((number for number in left if number >= attempt), None)

    async def close(self) -> None:
        """Nothing is held."""
