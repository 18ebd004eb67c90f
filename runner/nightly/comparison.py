"""Is a kernel slower than it was? The decision rule, by statistics. Pure and torch-free.

What is compared is a logarithm of a *ratio*: baseline over kernel, timed interleaved in one
session. A clock or a driver that changes moves both and leaves it alone.

Reference. `results.json` is one session, and luck of that session would look like a change every
night. So the reference is the mean, weighted by inverse variance, of the recorded ratio and of the
first seven nights on which the same kernel passed in the same leg on the same GPU. It is not a
rolling mean: that would absorb a slow creep.

Noise. A night's variance is that of its interval (about one session) plus that between sessions,
which no session sees of itself: 1.5 % to begin with, and then what the kernel's own nights show,
the 1.5 % counting as much as four nights. After the first seven, a night more than 2.5 standard
deviations on their slow side teaches nothing of noise: a kernel that has become slower, and passes
a night because z is just short of 4, would else widen its own limit night after night and hide
behind it. (Differences between neighbouring nights are not misled either, but take luck that lasts
for some days for a change.)

Which side moved. Of a workload's baselines the one that speaks best for the kernel counts: a
regression is one that all of them show. Where versions of torch or triton differ from the recorded
ones, a baseline made by `torch.compile` may itself have become faster, so that alone it proves
nothing; it takes one that is not compiled.

Suspicion. z = change / its standard deviation, for each workload, and a change of at least 2 %:
tonight alone beyond z = 4, or, for a small change that stays, the mean of tonight and of the last
two nights beyond z = 5. Those may be unclear ones, else a suspicion that one run did not show would
put off the next by two nights; not regressed ones, which say nothing about tonight. A month of 40
kernels with three workloads in two legs makes 7,200 tests; the normal tail at 4 is 3e-5, at 5 3e-7.

Confirmation. A session that something disturbed is no part of a normal tail. So two further runs in
fresh processes must each show the same workload by itself, beyond z = 3 and 2 % (beyond z = 1.5 for
a change that only the nights together show); what is reported is the mean of the three. One run
that does not show it ends the matter for the night. `tests/bench/nightly_report.py` measures how
often all that is wrong.

Recovery. A kernel that was regressed is back when no workload is beyond z = 2. Between the two
thresholds the night is unclear, which neither opens nor closes anything.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from runner.night_record import NightStatus

SUSPECT_Z, SUSTAINED_Z, CONFIRM_Z, LASTING_Z, BACK_Z = 4.0, 5.0, 3.0, 1.5, 2.0
LEARN_Z = 2.5
MIN_CHANGE = 0.02
ANCHOR_NIGHTS, WINDOW_NIGHTS = 7, 3
SESSION_SD = 0.015
_SESSION_SD_NIGHTS = 4
_INTERVAL_SDS = 2 * 1.96
_COMPILED = "compile"
# Nights that a small change found tonight may have been part of.
_OPEN = (NightStatus.PASSED, NightStatus.UNCLEAR)

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
    """How far the kernel moved on one workload; below 0 it is slower. `sd`: of `value`. `nights`:
    how many it is the mean of, tonight included."""

    workload: Workload
    value: float
    sd: float
    baseline: Baseline
    nights: int = 1

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
    and GPU; `statuses`: what each was called. `other_versions`: tonight's torch or triton is not
    the recorded one."""

    recorded: Session
    nights: tuple[Session, ...] = ()
    statuses: tuple[NightStatus, ...] = ()
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


def shows(past: Past, suspected: Sequence[Change], further: Session) -> tuple[Change, ...]:
    """Those of `suspected` that a further run shows by itself."""
    # Only a change that tonight alone did not show is asked less of.
    needed = {one.workload: CONFIRM_Z if one.nights == 1 else LASTING_Z for one in suspected}
    shown = {
        one.workload
        for one in changes(past, [further])
        if one.workload in needed and one.is_slower(needed[one.workload])
    }
    return tuple(one for one in suspected if one.workload in shown)


def figures(
    past: Past, confirmed: Sequence[Change], tonight: Sequence[Session]
) -> tuple[Change, ...]:
    """`confirmed`, with what all of tonight's runs say together."""
    alone = {one.workload: one for one in changes(past, tonight)}
    window = {one.workload: one for one in _window(past, tonight)}
    return tuple((alone if one.nights == 1 else window)[one.workload] for one in confirmed)


def is_back(past: Past, tonight: Sequence[Session]) -> bool:
    """Whether a kernel that was regressed is as fast as the reference again."""
    rows = changes(past, tonight)
    return bool(rows) and not any(one.z > BACK_Z for one in rows)


def _window(past: Past, tonight: Sequence[Session]) -> tuple[Change, ...]:
    """As `changes`, for tonight and the last nights together; none unless all of those are open."""
    split = len(past.nights) - (WINDOW_NIGHTS - 1)
    if split < 0 or not all(status in _OPEN for status in past.statuses[split:]):
        return ()
    own = _mean_session(tonight)
    return _compare(past, [*past.nights[split:], own], split, nights=WINDOW_NIGHTS)


def _mean_session(sessions: Sequence[Session]) -> Session:
    """One session that stands for several of a night, which then weighs as much as any other."""
    first = sessions[0]
    return {
        workload: {
            name: LogRatio(
                value=statistics.fmean(row.value for row in rows),
                variance=statistics.fmean(row.variance for row in rows),
            )
            for name in baselines
            if len(rows := _pick(sessions, workload, name)) == len(sessions)
        }
        for workload, baselines in first.items()
    }


def _compare(
    past: Past, sessions: Sequence[Session], until: int, *, nights: int = 1
) -> tuple[Change, ...]:
    """The mean of `sessions` against the record and the sound ones of the nights before `until`."""
    sound = [
        night
        for night, status in zip(past.nights[:until], past.statuses[:until], strict=True)
        if status is NightStatus.PASSED
    ]
    rows = []
    for workload in past.recorded:
        row = _of_workload(past, workload, sound, sessions)
        if row is not None:
            rows.append(replace(row, nights=nights))
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
    # Not `statistics.variance`: its exact fractions took half of a night's comparison.
    first = values[:ANCHOR_NIGHTS]
    anchor = mean = math.fsum(first) / max(1, len(first))
    seen = math.fsum((value - mean) ** 2 for value in first)
    count, variance = len(first), _with_prior(seen, len(first))
    for value in values[ANCHOR_NIGHTS:]:
        if anchor - value > LEARN_Z * math.sqrt(variance * (1 + 1 / ANCHOR_NIGHTS)):
            continue
        count, off = count + 1, value - mean
        mean += off / count
        seen += off * (value - mean)
        variance = _with_prior(seen, count)
    return variance


def _with_prior(seen: float, count: int) -> float:
    """`seen`: the squares of `count` nights' deviations from their mean, added up."""
    weight = _SESSION_SD_NIGHTS + max(0, count - 1)
    return (_SESSION_SD_NIGHTS * SESSION_SD**2 + seen) / weight


def _weighted(rows: Sequence[LogRatio], between: float) -> LogRatio:
    weights = [1 / (row.variance + between) for row in rows]
    total = sum(weights)
    value = sum(w * row.value for w, row in zip(weights, rows, strict=True)) / total
    return LogRatio(value=value, variance=1 / total)
