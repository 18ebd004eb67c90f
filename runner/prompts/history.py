"""What was tried, as a table: attempt, change, result, kept or not.

Owns the table and its cells. Changes and findings are others' words: the table stands in a fence.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.one_line import one_line
from runner.prompts import fenced
from runner.prompts.change import MAX_CHANGE_CHARS
from runner.timing_text import ms_text
from runner.tried import Tried
from runner.verifier.resources import geometric_mean_ms

MAX_RESULT_CHARS = 160
_HEADER = ("attempt", "change", "result", "kept")


def history_table(rows: Sequence[Tried], limit: int) -> str:
    """The last `limit` of `rows`, oldest first; empty where there are none."""
    shown = rows[len(rows) - limit :] if limit < len(rows) else rows
    if not shown or limit < 1:
        return ""
    left_out = len(rows) - len(shown)
    title = "What was tried in this line of work, oldest first"
    if any(time_text(row) is not None for row in shown):
        title += "; times are geometric means over the workloads"
    if left_out:
        title += f" ({left_out} older {'one' if left_out == 1 else 'ones'} left out)"
    return f"{title}:\n\n{_table([(*_cells(row), _kept(row)) for row in shown], _HEADER)}"


def others_table(rows: Sequence[Tried]) -> str:
    """The best attempts of other lines of work, for their ideas; empty where there are none."""
    if not rows:
        return ""
    table = _table([_cells(row) for row in rows], _HEADER[:3])
    return f"The best of other lines of work, for their ideas:\n\n{table}"


def time_text(row: Tried) -> str | None:
    """The geometric mean of an attempt's times over the workloads; None where none was taken."""
    performance = row.attempt.evaluation.performance
    return None if performance is None else ms_text(geometric_mean_ms(performance))


def _cells(row: Tried) -> tuple[str, str, str]:
    change = one_line(row.change or "", MAX_CHANGE_CHARS) or "not stated"
    return str(row.attempt.index), change, _result(row)


def _result(row: Tried) -> str:
    evaluation = row.attempt.evaluation
    if row.repeats is not None:
        whose = "the kernel under review" if row.repeats == 0 else f"attempt {row.repeats}"
        return f"the source of {whose} again"
    if evaluation.performance is not None:
        timed, left_out = evaluation.performance.timings, evaluation.performance.not_timed
        of = f" on {len(timed)} of {len(timed) + len(left_out)} workloads" if left_out else ""
        return f"passed, {time_text(row)}{of}"
    if row.passed:
        return "passed"
    return one_line(f"{evaluation.status}: {evaluation.summary}", MAX_RESULT_CHARS)


def _kept(row: Tried) -> str:
    return "kept" if row.attempt.kept else "no"


def _table(rows: Sequence[tuple[str, ...]], header: tuple[str, ...]) -> str:
    lines = [header, *rows]
    return fenced("\n".join(" | ".join(_cell(cell) for cell in line) for line in lines))


def _cell(text: str) -> str:
    return one_line(text).replace("|", "/")
