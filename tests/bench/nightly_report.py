"""How often a night is wrong about a kernel: simulated months, through the real comparison.

    python tests/bench/nightly_report.py --months 200

Prints false alarms, how much is found of regressions of several sizes and how soon, how many of
those a leg that found them lets pass while they last, and how long a recovery takes. The noise is
that of `tests/fakes/night_simulation.py`: 8 % clock drift, a session's luck of 0.4 to 0.5 % (steady
kernels) or 1.2 to 1.6 % (noisy ones), one session in a hundred disturbed by up to 6 %, a baseline
that becomes 5 % faster with a new torch.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from runner.night_record import KernelNight, NightStatus
from runner.nightly.reverify import Occasion, reverify
from runner.nightly.worklist import list_tasks
from tests.fakes.night_simulation import Event, SimulatedGpu, is_noisy, night_date, write_kernel

NIGHTS, LEGS = 30, ("pinned", "newest")
SIZES = (0.03, 0.04, 0.06, 0.10)
FIRST, END = 9, 20
QUIET = 4  # of each kind
KINDS = ("steady", "noisy")
Case = tuple[float, str]  # how much slower, and what kind of kernel


@dataclass(slots=True)
class Tally:
    """What many months showed. Delays are in nights; a regression is found by either leg."""

    months: int = 0
    verdicts: int = 0
    suspected: int = 0
    false_alarms: list[str] = field(default_factory=list)
    found: dict[Case, list[int]] = field(default_factory=dict)
    missed: dict[Case, int] = field(default_factory=dict)
    back: dict[Case, list[int]] = field(default_factory=dict)
    well_too_early: dict[Case, int] = field(default_factory=dict)


def play_month(seed: int, tally: Tally) -> None:
    """A month of quiet kernels, and one kernel of each kind for each size of regression."""
    quiet = [name for kind in KINDS for name in _names("quiet", kind, QUIET)]
    slow = {
        name: (size, kind)
        for size in SIZES
        for kind in KINDS
        for name in _names(f"slow_{round(size * 1000)}", kind, 1)
    }
    events = [
        Event(kernel=name, first=FIRST, end=END, slower=size) for name, (size, _) in slow.items()
    ]
    with tempfile.TemporaryDirectory() as folder:
        merged = SimulatedGpu(random=random.Random(seed))
        for name in (*quiet, *slow):
            write_kernel(Path(folder), name, merged)
        rows: dict[str, list[KernelNight]] = {}
        for task in list_tasks(Path(folder)):
            history: list[KernelNight] = []
            for night in range(NIGHTS):
                for number, leg in enumerate(LEGS):
                    key = f"{seed} {night} {number} {task.kernel}"
                    gpu = SimulatedGpu(
                        random=random.Random(key), events=events, night=night, leg=leg
                    )
                    occasion = Occasion(night=night_date(night), leg=leg, history=tuple(history))
                    history.append(reverify(task, gpu, occasion))
            rows[task.kernel] = history
    count(rows, slow, tally)


def _names(start: str, kind: str, count: int) -> list[str]:
    """The first names that the simulated noise gives to kernels of that kind."""
    names = (f"{start}_{number}" for number in itertools.count())
    fitting = (name for name in names if is_noisy(name) == (kind == "noisy"))
    return list(itertools.islice(fitting, count))


def count(rows: dict[str, list[KernelNight]], slow: dict[str, Case], tally: Tally) -> None:
    tally.months += 1
    for name, history in rows.items():
        tally.verdicts += len(history)
        tally.suspected += sum(row.runs > 1 for row in history if name not in slow)
        alarms = _alarms(history)
        case = slow.get(name)
        if case is None:
            tally.false_alarms += [f"month {tally.months}: {name} on night {n}" for n in alarms]
            continue
        # The anchor holds a lucky record against the kernel: before its time it is an alarm too.
        tally.false_alarms += [f"month {tally.months}: {name} on {n}" for n in alarms if n < FIRST]
        during = [night for night in alarms if FIRST <= night < END]
        if not during:
            tally.missed[case] = tally.missed.get(case, 0) + 1
            continue
        tally.found.setdefault(case, []).append(during[0] - FIRST)
        if any(_well_too_early(history, leg) for leg in LEGS):
            tally.well_too_early[case] = tally.well_too_early.get(case, 0) + 1
        after = [night for night in range(END, NIGHTS) if _all_passed(history, night)]
        tally.back.setdefault(case, []).append(after[0] - END if after else NIGHTS)


def _well_too_early(history: Sequence[KernelNight], leg: str) -> bool:
    """Whether a leg that found the regression lets the kernel pass while it lasts."""
    during = range(FIRST, END)
    said = [row.status for row in history if row.leg == leg and _number(row) in during]
    if NightStatus.REGRESSED not in said:
        return False
    return NightStatus.PASSED in said[said.index(NightStatus.REGRESSED) :]


def _number(row: KernelNight) -> int:
    return (row.night - night_date(0)).days


def _alarms(history: Sequence[KernelNight]) -> list[int]:
    bad = (NightStatus.REGRESSED, NightStatus.FAILED)
    return sorted({_number(row) for row in history if row.status in bad})


def _all_passed(history: Sequence[KernelNight], night: int) -> bool:
    rows = [row for row in history if row.night == night_date(night)]
    return all(row.status is NightStatus.PASSED for row in rows)


def report(tally: Tally) -> str:
    lines = [
        f"{tally.months} months, {tally.verdicts} verdicts on a kernel, a night and a leg",
        f"false alarms: {len(tally.false_alarms)}",
        *tally.false_alarms[:10],
        f"second runs on kernels that are well: {tally.suspected}",
        "",
        "| slower by | kernel | found | median nights until told | 95 % within "
        "| called well too early | median nights to close |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(_line(tally, (size, kind)) for kind in KINDS for size in SIZES),
    ]
    return "\n".join(lines)


def _line(tally: Tally, case: Case) -> str:
    found, back = sorted(tally.found.get(case, [])), tally.back.get(case, [])
    of = len(found) + tally.missed.get(case, 0)
    cells = ["-", "-", "-", "-"]
    if found:
        most = found[min(len(found) - 1, int(0.95 * len(found)))]
        early = tally.well_too_early.get(case, 0)
        cells = [
            f"{statistics.median(found):g}",
            str(most),
            str(early),
            f"{statistics.median(back):g}",
        ]
    size, kind = case
    return f"| {size:.0%} | {kind} | {len(found)} of {of} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--months", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tally = Tally()
    try:
        for month in range(options.months):
            play_month(options.seed * 100_000 + month, tally)
    except KeyboardInterrupt:
        pass  # the whole months so far
    print(report(tally))


if __name__ == "__main__":
    main()
