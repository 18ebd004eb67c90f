"""The nights of every kernel, as `history.jsonl` tells them.

Owns the reading: one row for each kernel, night and leg, in the order of time. A line that is none
is refused with its number; nothing is skipped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from runner.errors import ContractError, RunnerError
from runner.night_record import KernelNight

Nights = Mapping[str, tuple[KernelNight, ...]]


def read_nights(path: Path) -> Nights:
    """The rows of `path` by kernel. Raises ContractError at a bad line, RunnerError without file.

    A night that was run again replaces what it said before.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise RunnerError(f"cannot read {path}: {error.strerror}") from error
    rows: dict[str, dict[tuple[str, str], KernelNight]] = defaultdict(dict)
    for number, line in enumerate(lines, start=1):
        if line.strip():
            row = _row(line, f"{path}:{number}")
            rows[row.kernel][row.night.isoformat(), row.leg] = row
    return {
        kernel: tuple(by_night[key] for key in sorted(by_night))
        for kernel, by_night in sorted(rows.items())
    }


def _row(line: bytes, where: str) -> KernelNight:
    try:
        return KernelNight.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ContractError(f"{where}: {field + ': ' if field else ''}{first['msg']}") from error
