"""The nights of every kernel, as the lines of the history tell them.

Owns the reading: one row for each kernel, night and leg, in the order of time. A line that is none
is refused with its number; nothing is skipped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from runner.errors import ContractError, RunnerError
from runner.night_record import KernelNight, NightStatus

Nights = Mapping[str, tuple[KernelNight, ...]]


def read_nights(path: Path) -> Nights:
    """The rows of a file, or of every `*.jsonl` below a folder, by kernel.

    Raises ContractError at a bad line, RunnerError where nothing can be read.
    """
    try:
        files = sorted(path.rglob("*.jsonl")) if path.is_dir() else [path]
        contents = [(file, file.read_bytes()) for file in files if not file.is_symlink()]
    except OSError as error:
        raise RunnerError(f"cannot read {path}: {error.strerror}") from error
    rows: dict[str, dict[tuple[str, str], KernelNight]] = defaultdict(dict)
    for file, content in contents:
        for number, line in enumerate(content.split(b"\n"), start=1):
            if line.strip():
                _add(rows, _row(line, f"{file}:{number}"))
    return {
        kernel: tuple(by_night[key] for key in sorted(by_night))
        for kernel, by_night in sorted(rows.items())
    }


def _add(rows: dict[str, dict[tuple[str, str], KernelNight]], row: KernelNight) -> None:
    """A night that ran again replaces what it said before; 'not run' takes no verdict back."""
    key = row.night.isoformat(), row.leg
    if key not in rows[row.kernel] or row.status is not NightStatus.NOT_RUN:
        rows[row.kernel][key] = row


def _row(line: bytes, where: str) -> KernelNight:
    try:
        return KernelNight.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ContractError(f"{where}: {field + ': ' if field else ''}{first['msg']}") from error
