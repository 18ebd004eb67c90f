"""Write every answer of a model to a transcript as it arrives.

Owns the appending. An answer is on disk before anyone acts on it: it has been paid for.
"""

from __future__ import annotations

import os
from pathlib import Path

from runner.model.interface import Answer, Model, Prompt
from runner.model.transcript import TranscriptEntry, transcript_line


class RecordingModel:
    """`inner`, with its answers appended to the transcript at `path` under `generation`."""

    def __init__(self, inner: Model, path: Path, generation: int) -> None:
        self._inner = inner
        self._path = path
        self._generation = generation

    @property
    def name(self) -> str:
        return self._inner.name

    async def answer(self, prompt: Prompt) -> Answer:
        answer = await self._inner.answer(prompt)
        entry = TranscriptEntry.of(answer, generation=self._generation, attempt=prompt.attempt)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(transcript_line(entry))
            stream.flush()
            os.fsync(stream.fileno())
        return answer

    async def close(self) -> None:
        await self._inner.close()
