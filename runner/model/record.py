"""Write every answer of a model to a transcript as it arrives.

Owns the appending. An answer is on disk before anyone acts on it: it has been paid for.
"""

from __future__ import annotations

import os
from pathlib import Path

from runner.errors import ModelError
from runner.model.interface import Answer, Model, Progress, Prompt
from runner.model.transcript import TranscriptEntry, mend_transcript, transcript_line


class RecordingModel:
    """`inner`, with its answers appended to the transcript at `path` under `generation`.

    Half a line at the file's end, which a killed run leaves, is taken away first. Raises
    ModelError where the file cannot be written.
    """

    def __init__(self, inner: Model, path: Path, generation: int) -> None:
        self._inner = inner
        self._path = path
        self._generation = generation
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            mend_transcript(path)
            _try_to_write(path)
        except OSError as error:
            raise ModelError(f"cannot record to {path}: {error.strerror}") from error

    @property
    def name(self) -> str:
        return self._inner.name

    async def answer(self, prompt: Prompt, progress: Progress | None = None) -> Answer:
        answer = await self._inner.answer(prompt, progress)
        entry = TranscriptEntry.of(answer, generation=self._generation, attempt=prompt.attempt)
        try:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(transcript_line(entry))
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise ModelError(f"cannot record to {self._path}: {error.strerror}") from error
        return answer

    async def close(self) -> None:
        await self._inner.close()


def _try_to_write(path: Path) -> None:
    """Raises OSError now, and not after the first answer was paid for. Leaves no empty file."""
    is_new = not path.exists()
    path.open("a", encoding="utf-8").close()
    if is_new:
        path.unlink()
