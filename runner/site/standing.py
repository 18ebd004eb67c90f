"""How a kernel stands today: the word on its badge, and its one ratio.

Owns the order of what counts: a night's verdict on these very files, then the recorded one, and
only for the files that it is about. Whatever is missing is never 'passed'.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from runner.contract import Environment, Outcome
from runner.night_record import KernelNight, NightStatus
from runner.site.folder import KernelFolder
from runner.timing_text import ratio_text, why_not_measured

Kind = Literal["good", "even", "warn", "bad", "none"]
# What a user would run who has no kernel; without it eager, then whatever was timed.
BASELINES_BY_RANK = ("compile", "compile_max_autotune", "eager")
# The worst first: a kernel is as good as its worst leg of the latest night.
_BY_RANK = (
    NightStatus.FAILED,
    NightStatus.REGRESSED,
    NightStatus.UNCLEAR,
    NightStatus.NOT_COMPARABLE,
    NightStatus.PASSED,
)
_TROUBLE: dict[NightStatus, Kind] = {
    NightStatus.FAILED: "bad",
    NightStatus.REGRESSED: "bad",
    NightStatus.UNCLEAR: "warn",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The geometric mean of the ratios to one baseline, over the workloads it was timed on.

    `low` and `high` are the geometric means of the intervals' ends: wider than an interval of the
    mean would be if the errors of the workloads were independent, which nobody showed.
    """

    baseline: str
    ratio: float
    low: float
    high: float
    workloads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The latest verdict. `verified_on` None: not recorded; `headline` None: not timed."""

    word: str
    kind: Kind
    reason: str
    verified_on: date | None
    environment: Environment | None
    headline: Headline | None
    roofline: tuple[float, float] | None  # least and largest share over the workloads


def standing_of(folder: KernelFolder, nights: Sequence[KernelNight]) -> Standing:
    """How the files of `folder` stand after `nights` (in the order of time)."""
    current = [row for row in nights if _is_about(row, folder)]
    judged = [row for row in current if row.status is not NightStatus.NOT_RUN]
    if not judged:
        return _recorded(folder, current)
    latest = [row for row in judged if row.night == judged[-1].night]
    worst = min(latest, key=lambda row: _BY_RANK.index(row.status))
    word, kind, reason = _night_words(folder, worst)
    if current[-1].night > worst.night:
        reason += f" Not run since: {current[-1].night} has no verdict."
    failed = worst.status is NightStatus.FAILED
    timed = next((row for row in latest if row.timings and _fits_the_record(row, folder)), None)
    recorded = _recorded_environment(folder)
    return Standing(
        word=word,
        kind=kind,
        reason=reason,
        verified_on=worst.night,
        environment=timed.environment if timed else recorded or worst.environment,
        # A wrong kernel has no speed.
        headline=None
        if failed
        else (_headline_of_night(timed) if timed else _recorded_headline(folder)),
        roofline=None if failed else _roofline(folder),
    )


def _is_about(row: KernelNight, folder: KernelFolder) -> bool:
    """Whether the night looked at the kernel that is there now. 'Not run' looked at none."""
    if folder.problem is not None and row.problem_sha256 not in (None, folder.problem.sha256):
        return False
    return row.kernel_sha256 is None or row.kernel_sha256 in folder.kernel_digests


def _fits_the_record(row: KernelNight, folder: KernelFolder) -> bool:
    """Whether figures of both may stand side by side: times of two GPUs may not."""
    recorded = _recorded_environment(folder)
    if _recorded_headline(folder) is None or recorded is None:
        return True
    return row.environment is not None and row.environment.gpu == recorded.gpu


def _recorded_environment(folder: KernelFolder) -> Environment | None:
    if folder.results is None or folder.standing_evaluation is None:
        return None
    return folder.results.environment


def _night_words(folder: KernelFolder, row: KernelNight) -> tuple[str, Kind, str]:
    leg = f"{row.night}, versions {row.leg}"
    if row.status in _TROUBLE:
        told = [row.failure.summary] if row.failure else [*_slowest(row), *row.notes]
        return row.status.value, _TROUBLE[row.status], f"{leg}: {'; '.join(told)}."
    word, kind = _outcome_words(folder)
    if row.status is NightStatus.NOT_COMPARABLE:
        notes = "; ".join(row.notes)
        return "correct", "even", f"{leg}: correct; speed not comparable. {notes}".strip()
    return word, kind, f"{leg}: verified with fresh inputs, as fast as recorded."


def _slowest(row: KernelNight) -> list[str]:
    """The workload that lost most against what was recorded."""
    known = [
        (timing.speed, timing.speed_low, timing.speed_high, timing.workload)
        for timing in row.timings
        if timing.speed is not None
    ]
    if not known:
        return [row.status.value]
    speed, low, high, workload = min(known, key=lambda figures: figures[0])
    interval = f" [{low:.3f}, {high:.3f}]" if low is not None and high is not None else ""
    return [f"{speed:.3f}{interval} times as fast as recorded at {workload}"]


def _outcome_words(folder: KernelFolder) -> tuple[str, Kind]:
    # What was edited has lost the claim that was recorded for it, not the night's verdict.
    improved = folder.results is not None and folder.results.outcome is Outcome.IMPROVED
    return ("faster", "good") if improved and not folder.edited else ("correct", "even")


def _recorded(folder: KernelFolder, not_run: Sequence[KernelNight]) -> Standing:
    """The verdict that came with the kernel, where it is about these files."""
    word, kind, reason = _recorded_words(folder)
    if not_run:
        reason += f" Not run in the night of {not_run[-1].night}."
    return Standing(
        word=word,
        kind=kind,
        reason=reason,
        verified_on=None,
        environment=_recorded_environment(folder),
        headline=_recorded_headline(folder),
        roofline=_roofline(folder),
    )


def _recorded_words(folder: KernelFolder) -> tuple[str, Kind, str]:
    results, evaluation = folder.results, folder.evaluation
    if results is None:
        if folder.refused:
            return "unreadable", "warn", "Its results.json is refused: see its page."
        return "not measured", "none", "There are no results: nobody judged what is there."
    if evaluation is None:
        return "unsolved", "none", f"No kernel passed: {results.stopped_because}."
    if folder.source is None:
        return "not measured", "none", "There are results, but no kernel.py that can be read."
    if folder.edited:
        what = ", ".join(folder.edited)
        return "edited", "warn", f"Not verified: {what} changed after the recorded verdict."
    word, kind = _outcome_words(folder)
    if evaluation.performance is None:
        return word, kind, f"Correct; speed {why_not_measured(evaluation)}."
    if word == "faster":
        return word, kind, "Correct, and faster than every baseline on every workload."
    return word, kind, "Correct; not faster than every baseline on every workload."


def _recorded_headline(folder: KernelFolder) -> Headline | None:
    evaluation = folder.standing_evaluation
    if evaluation is None or evaluation.performance is None:
        return None
    timings = evaluation.performance.timings
    return _headline(
        [
            {row.name: (row.ratio, row.ratio_low, row.ratio_high) for row in timing.baselines}
            for timing in timings
        ]
    )


def _headline_of_night(night: KernelNight) -> Headline | None:
    return _headline(
        [
            {row.name: (row.ratio, row.low, row.high) for row in timing.baselines}
            for timing in night.timings
        ]
    )


def _headline(timings: Sequence[Mapping[str, tuple[float, float, float]]]) -> Headline | None:
    """Over the first known baseline that was timed on every workload.

    One that failed on a hard workload must not look better for it.
    """
    names = [name for name in timings[0] if all(name in row for row in timings)]
    if not names:
        return None
    name = next((known for known in BASELINES_BY_RANK if known in names), names[0])
    ratio, low, high = (_geometric_mean([row[name][end] for row in timings]) for end in range(3))
    return Headline(baseline=name, ratio=ratio, low=low, high=high, workloads=len(timings))


def _geometric_mean(values: Sequence[float]) -> float:
    return math.exp(math.fsum(map(math.log, values)) / len(values))


def _roofline(folder: KernelFolder) -> tuple[float, float] | None:
    evaluation = folder.standing_evaluation
    if evaluation is None or evaluation.performance is None:
        return None
    shares = [
        timing.roofline_share
        for timing in evaluation.performance.timings
        if timing.roofline_share is not None
    ]
    return (min(shares), max(shares)) if shares else None


def headline_text(headline: Headline) -> str:
    """The ratio with its interval."""
    low, high = ratio_text(headline.low), ratio_text(headline.high)
    return f"{ratio_text(headline.ratio)} [{low}, {high}]"


def why_no_headline(folder: KernelFolder, standing: Standing) -> str:
    """Why there is no ratio to show."""
    if standing.word == NightStatus.FAILED:
        return "none: it failed"
    if folder.edited:
        return "not measured since it was edited"
    evaluation = folder.standing_evaluation
    if evaluation is None:
        return "not measured"
    if evaluation.performance is None:
        return why_not_measured(evaluation)
    return "not measured: no baseline was timed on every workload"
