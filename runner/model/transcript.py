"""The transcript: answers of a model, one JSON object a line.

Owns the line format, its reading and its writing. A faulty line is named by its number.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from runner.contract import TokenUsage, Wire
from runner.errors import ModelError
from runner.model.interface import Answer
from runner.model.thinking import clean_text


class TranscriptEntry(Wire):
    """One answer. `attempt` is 1-based within its generation."""

    generation: int = Field(ge=0)
    attempt: int = Field(ge=1)
    model: str = Field(min_length=1)
    reasoning: str = ""
    content: str
    usage: TokenUsage = TokenUsage()

    @classmethod
    def of(cls, answer: Answer, *, generation: int, attempt: int) -> TranscriptEntry:
        return cls(
            generation=generation,
            attempt=attempt,
            model=answer.model,
            reasoning=clean_text(answer.reasoning),
            content=clean_text(answer.content),
            usage=answer.tokens,
        )


def read_transcript(path: Path) -> tuple[TranscriptEntry, ...]:
    """All entries of a transcript file, in order. Raises ModelError naming the line at fault."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise ModelError(f"cannot read the transcript {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} is not UTF-8 text") from error
    entries = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entries.append(TranscriptEntry.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            message = f"{where}: {first['msg']}" if where else first["msg"]
            raise ModelError(f"{path}:{number}: {message}") from error
    return tuple(entries)


def transcript_line(entry: TranscriptEntry) -> str:
    """The entry as one line, newline included."""
    return entry.model_dump_json() + "\n"
