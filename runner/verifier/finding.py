"""A reason for which a candidate does not pass. Torch-free; no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runner.contract import EvaluationStatus

MAX_DETAIL_CHARS = 6000
KERNEL_FILE = "kernel.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What stopped the cascade: `summary` is one sentence, `detail` what the model is told."""

    status: EvaluationStatus
    stage: str
    summary: str
    detail: str = ""


def trim(text: str, limit: int = MAX_DETAIL_CHARS) -> str:
    """`text` without control characters, and cut in the middle when it is longer than `limit`.

    What a candidate prints ends up in prompts, terminals and Markdown.
    """
    if len(text) > 8 * limit:  # a reply may hold millions of characters, looked at one by one
        text = f"{text[: 4 * limit]}{text[-4 * limit :]}"
    clean = "".join(c for c in text if c in "\n\t" or c.isprintable())
    if len(clean) <= limit:
        return clean
    half = (limit - 20) // 2
    return f"{clean[:half]}\n… cut …\n{clean[-half:]}"


def first_line(text: str, limit: int = 300) -> str:
    """The first line that says something, of at most `limit` characters."""
    for line in trim(text, 100_000).splitlines():
        if line.strip():
            short = line.strip()
            return short if len(short) <= limit else f"{short[: limit - 1]}…"
    return ""


def error_text(reply: dict[str, Any]) -> tuple[str, str]:
    """(one sentence, all lines) of an error that a worker reports; both are only text."""
    kind, message = str(reply.get("type", "error")), str(reply.get("message", ""))
    line = reply.get("line")
    place = f"{KERNEL_FILE}:{line}: " if isinstance(line, int) else ""
    lines = reply.get("lines")
    trace = ""
    if isinstance(lines, list) and len(lines) > 1:
        called = " → ".join(str(n) for n in lines[:8] if isinstance(n, int))
        trace = f"\nLines on the way: {called}"
    return f"{place}{kind}: {first_line(message)}", trim(f"{place}{kind}: {message}{trace}")
