"""The transcript: answers of a model, one JSON object a line.

Owns the line format, its reading and its writing. A faulty line is named by its number.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from runner.contract import TokenUsage, Wire
from runner.errors import ModelError
from runner.files import write_atomically
from runner.model.interface import Answer
from runner.model.thinking import clean_text


class TranscriptEntry(Wire):
    """One answer. `attempt` is 1-based within its generation; `cut`: it ended at a length limit."""

    generation: int = Field(ge=0)
    attempt: int = Field(ge=1)
    model: str = Field(min_length=1)
    reasoning: str = ""
    content: str
    usage: TokenUsage = TokenUsage()
    cut: bool = False

    @classmethod
    def of(cls, answer: Answer, *, generation: int, attempt: int) -> TranscriptEntry:
        return cls(
            generation=generation,
            attempt=attempt,
            model=answer.model,
            reasoning=clean_text(answer.reasoning),
            content=clean_text(answer.content),
            usage=answer.tokens,
            cut=answer.cut,
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


def mend_transcript(path: Path) -> None:
    """Take away the half line that a killed writer left at the end; a whole one gets its end.

    Without this the next answer would be glued to it, and both would be lost.
    """
    if not path.exists():
        return
    data = path.read_bytes()
    whole, _, last = data.rpartition(b"\n")
    if not last:
        return
    try:
        TranscriptEntry.model_validate_json(last)
    except ValidationError:
        kept = whole + b"\n" if whole else b""
    else:
        kept = data + b"\n"
    write_atomically(path, kept)


def transcript_line(entry: TranscriptEntry) -> str:
    """The entry as one line, newline included."""
    return entry.model_dump_json() + "\n"
