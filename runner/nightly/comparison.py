"""Is a kernel slower than it was? The decision rule, by statistics. Pure and torch-free.

What is compared is a logarithm of a *ratio*: baseline over kernel, timed interleaved in one
session. A clock or a driver that changes moves both and leaves it alone.

Reference. `results.json` is one session, and luck of that session would look like a change every
night. So the reference is the mean, weighted by inverse variance, of the recorded ratio and of the
first seven nights on which the same kernel passed in the same leg on the same GPU. It is not a
rolling mean: that would absorb a slow creep.

Noise. A night's variance is that of its interval (about one session) plus that between sessions,
which no session sees of itself: 1 % to begin with, and then what the kernel's own nights show, the
1 % counting as much as four nights.

Which side moved. Of a workload's baselines the one that speaks best for the kernel counts: a
regression is one that all of them show. Where versions of torch or triton differ from the recorded
ones, a baseline made by `torch.compile` may itself have become faster, so that alone it proves
nothing; it takes one that is not compiled.

Suspicion. z = change / its standard deviation, for each workload, and a change of at least 2 %:
tonight alone beyond z = 4, or the mean of the last three nights beyond z = 5. A month of 40 kernels
with three workloads in two legs makes 7,200 tests; the normal tail at 4 is 3e-5, at 5 3e-7.
Confirmation. A second run in fresh processes must, by itself, show the same workload beyond z = 3
and 2 %; what is reported is the mean of both runs. `tests/bench/nightly_report.py` measures both
error rates.

Recovery. A kernel that was regressed is back when no workload is beyond z = 2. Between the two
thresholds the night is unclear, which neither opens nor closes anything.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SUSPECT_Z, SUSTAINED_Z, CONFIRM_Z, BACK_Z = 4.0, 5.0, 3.0, 2.0
MIN_CHANGE = 0.02
ANCHOR_NIGHTS, WINDOW_NIGHTS = 7, 3
SESSION_SD = 0.01
_SESSION_SD_NIGHTS = 4
_INTERVAL_SDS = 2 * 1.96
_COMPILED = "compile"

Workload = str
Baseline = str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRatio:
    """Logarithm of baseline over kernel in one session, and the variance that the session saw."""

    value: float
    variance: float

    @classmethod
    def of(cls, ratio: float, low: float, high: float) -> LogRatio:
        """From a ratio with its 95 % interval."""
        sd = math.log(high / low) / _INTERVAL_SDS
        return cls(value=math.log(ratio), variance=sd * sd)


Session = Mapping[Workload, Mapping[Baseline, LogRatio]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How far the kernel moved on one workload; below 0 it is slower. `sd`: of `value`."""

    workload: Workload
    value: float
    sd: float
    baseline: Baseline

    @property
    def z(self) -> float:
        """Standard deviations by which the kernel is slower."""
        return -self.value / self.sd

    def is_slower(self, z: float) -> bool:
        return self.z > z and self.value < math.log(1 - MIN_CHANGE)

    @property
    def speed(self) -> float:
        """0.94: 6 % slower than it was."""
        return math.exp(self.value)

    @property
    def speed_interval(self) -> tuple[float, float]:
        """95 %."""
        half = self.sd * _INTERVAL_SDS / 2
        return math.exp(self.value - half), math.exp(self.value + half)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What tonight is compared with. `nights`: earlier ones, oldest first, of the same kernel, leg
    and GPU; `sound` says of each whether it passed. `other_versions`: tonight's torch or triton is
    not the recorded one."""

    recorded: Session
    nights: tuple[Session, ...] = ()
    sound: tuple[bool, ...] = ()
    other_versions: bool = False


def changes(past: Past, tonight: Sequence[Session]) -> tuple[Change, ...]:
    """Each workload's change: tonight's runs (their mean) against the reference."""
    return _compare(past, list(tonight), len(past.nights))


def suspects(past: Past, tonight: Session) -> tuple[Change, ...]:
    """The workloads on which the first run looks slower than the reference."""
    alone = [one for one in changes(past, [tonight]) if one.is_slower(SUSPECT_Z)]
    known = {one.workload for one in alone}
    lasting = [one for one in _window(past, [tonight]) if one.is_slower(SUSTAINED_Z)]
    return (*alone, *(one for one in lasting if one.workload not in known))


def confirm(
    past: Past, suspected: Sequence[Change], first: Session, second: Session
) -> tuple[Change, ...]:
    """Those of `suspected` that the second run shows by itself, with the figures of both runs."""
    names = {one.workload for one in suspected}
    shown = {
        one.workload
        for one in (*changes(past, [second]), *_window(past, [second]))
        if one.workload in names and one.is_slower(CONFIRM_Z)
    }
    alone = {one.workload: one for one in changes(past, [first, second])}
    window = {one.workload: one for one in _window(past, [first, second])}
    found = []
    for name in (one.workload for one in suspected):
        rows = [rows[name] for rows in (alone, window) if name in rows]
        if name in shown:
            found.append(max(rows, key=lambda row: row.z))
    return tuple(found)


def is_back(past: Past, tonight: Sequence[Session]) -> bool:
    """Whether a kernel that was regressed is as fast as the reference again."""
    rows = changes(past, tonight)
    return bool(rows) and not any(one.z > BACK_Z for one in rows)


def _window(past: Past, tonight: Sequence[Session]) -> tuple[Change, ...]:
    """As `changes`, for the last nights taken together; none while there are too few."""
    earlier = WINDOW_NIGHTS - 1
    if len(past.nights) < earlier:
        return ()
    split = len(past.nights) - earlier
    return _compare(past, [*past.nights[split:], *tonight], split)


def _compare(past: Past, sessions: Sequence[Session], until: int) -> tuple[Change, ...]:
    """The mean of `sessions` against the record and the sound ones of the nights before `until`."""
    sound = [
        night
        for night, is_sound in zip(past.nights[:until], past.sound[:until], strict=True)
        if is_sound
    ]
    rows = []
    for workload in past.recorded:
        row = _of_workload(past, workload, sound, sessions)
        if row is not None:
            rows.append(row)
    return tuple(rows)


def _of_workload(
    past: Past, workload: Workload, sound: Sequence[Session], sessions: Sequence[Session]
) -> Change | None:
    found = []
    for baseline, recorded in past.recorded[workload].items():
        now = _pick(sessions, workload, baseline)
        if len(now) != len(sessions):
            continue
        before = _pick(sound, workload, baseline)
        between = _session_variance([row.value for row in before])
        reference = _weighted([recorded, *before[:ANCHOR_NIGHTS]], between)
        mean = statistics.fmean(row.value for row in now)
        own = sum(row.variance + between for row in now) / len(now) ** 2
        change = Change(
            workload=workload,
            value=mean - reference.value,
            sd=math.sqrt(own + reference.variance),
            baseline=baseline,
        )
        found.append(change)
    if not found or (past.other_versions and all(_is_compiled(row.baseline) for row in found)):
        return None
    return min(found, key=lambda row: row.z)


def _is_compiled(baseline: Baseline) -> bool:
    return baseline.startswith(_COMPILED)


def _pick(sessions: Sequence[Session], workload: Workload, baseline: Baseline) -> list[LogRatio]:
    rows = (session.get(workload, {}).get(baseline) for session in sessions)
    return [row for row in rows if row is not None]


def _session_variance(values: Sequence[float]) -> float:
    """Between sessions: the prior, and from two nights on what they show beside it."""
    seen = statistics.variance(values) * (len(values) - 1) if len(values) > 1 else 0.0
    weight = _SESSION_SD_NIGHTS + max(0, len(values) - 1)
    return (_SESSION_SD_NIGHTS * SESSION_SD**2 + seen) / weight


def _weighted(rows: Sequence[LogRatio], between: float) -> LogRatio:
    weights = [1 / (row.variance + between) for row in rows]
    total = sum(weights)
    value = sum(w * row.value for w, row in zip(weights, rows, strict=True)) / total
    return LogRatio(value=value, variance=1 / total)
