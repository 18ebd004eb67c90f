"""What runs of the closed loop came to, from their journals, as a Markdown table.

    python tests/bench/loop_report.py OUT_DIR [OUT_DIR ...] [--against compile]

OUT_DIR is what `python -m runner generate … --out OUT_DIR` left, or a folder with its journal.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # started by its path

from runner.contract import Evaluation, EvaluationStatus, WorkloadTiming
from runner.journal import (
    AttemptFinished,
    Event,
    FinalVerdict,
    RunStarted,
    parse_event,
)

JOURNAL = "journal.jsonl"
HEAD = (
    "| problem | GPU | model | attempts | first correct | workload | ms, first correct → final | "
    "final against {name} | share of roofline |\n" + 9 * "| --- " + "|"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One run: its first line, its attempts in order, and the verdict that was delivered."""

    started: RunStarted
    attempts: tuple[AttemptFinished, ...]
    final: Evaluation | None

    @property
    def first_correct(self) -> AttemptFinished | None:
        return next((row for row in self.attempts if _passed(row.attempt.evaluation)), None)


def story_of(events: Iterable[Event]) -> Story:
    """A journal as a story. Raises ValueError where it has no beginning."""
    started: RunStarted | None = None
    attempts: list[AttemptFinished] = []
    final: Evaluation | None = None
    for event in events:
        if isinstance(event, RunStarted):
            started = event
        elif isinstance(event, AttemptFinished):
            attempts.append(event)
        elif isinstance(event, FinalVerdict) and _passed(event.evaluation):
            final = final or event.evaluation
    if started is None:
        raise ValueError("a journal begins with run_started")
    attempts.sort(key=lambda row: row.attempt.index)
    return Story(started=started, attempts=tuple(attempts), final=final)


def rows_of(story: Story, against: str) -> list[str]:
    """A row for each workload of the final verdict; one row where there is none."""
    first = story.first_correct
    begin = [
        story.started.problem,
        story.started.environment.gpu or "no GPU",
        story.started.model,
        str(len(story.attempts)),
        "none" if first is None else f"attempt {first.attempt.index}",
    ]
    final = story.final
    if final is None or final.performance is None or first is None:
        return [_row([*begin, "", "not measured", "not measured", "not measured"])]
    before = _timings(first.attempt.evaluation)
    rows = []
    for number, timing in enumerate(final.performance.timings):
        old = before.get(str(timing.workload))
        was = "not timed" if old is None else f"{old.median_ms:.4g}"
        share = timing.roofline_share
        rows.append(
            _row(
                [
                    *(begin if number == 0 else [""] * len(begin)),
                    str(timing.workload),
                    f"{was} → {timing.median_ms:.4g}",
                    _against(timing, against),
                    "not known" if share is None else f"{share:.0%}, {timing.bound}",
                ]
            )
        )
    return rows


def _against(timing: WorkloadTiming, name: str) -> str:
    found = next((row for row in timing.baselines if row.name == name), None)
    if found is None:
        return "not timed"
    return f"{found.ratio:.3f} [{found.ratio_low:.3f}, {found.ratio_high:.3f}]"


def _timings(evaluation: Evaluation) -> dict[str, WorkloadTiming]:
    performance = evaluation.performance
    return {} if performance is None else {str(row.workload): row for row in performance.timings}


def _passed(evaluation: Evaluation) -> bool:
    return evaluation.status is EvaluationStatus.PASSED


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="OUT_DIR")
    parser.add_argument("--against", default="compile", metavar="BASELINE")
    options = parser.parse_args(arguments)
    print(HEAD.format(name=options.against))
    for folder in options.folders:
        lines = (folder / JOURNAL).read_text(encoding="utf-8").splitlines()
        for row in rows_of(story_of(map(parse_event, lines)), options.against):
            print(row)
    return 0


if __name__ == "__main__":
    sys.exit(main())
