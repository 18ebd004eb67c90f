"""The rule of speed: a change that passed unnoticed for some nights must not hide behind them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from runner.night_record import KernelNight, NightStatus
from runner.nightly import comparison
from runner.nightly.comparison import LogRatio, Past, Session
from runner.nightly.reverify import Occasion, reverify
from runner.nightly.worklist import Task
from tests.fakes.night_simulation import Event, SimulatedGpu, night_date, write_kernel

PASSED, UNCLEAR, REGRESSED = NightStatus.PASSED, NightStatus.UNCLEAR, NightStatus.REGRESSED
WELL = (0.011, -0.014, 0.006, -0.009, 0.015, -0.012, 0.004, -0.003, 0.010)
FIRST, END = 9, 20
# Of the noisy kernels, as `night_simulation.is_noisy` has them.
KERNEL = "unsteady"


def session(change: float) -> Session:
    return {"N=77": {"eager": LogRatio(value=change, variance=0.003**2)}}


def past(nights: Sequence[float], *last: NightStatus) -> Past:
    """`last`: what the last of the nights were called; the others passed."""
    passed = (PASSED,) * (len(nights) - len(last))
    return Past(
        recorded=session(0.0),
        nights=tuple(map(session, nights)),
        statuses=(*passed, *last),
    )


def sd(before: Past) -> float:
    (change,) = comparison.changes(before, [session(0.0)])
    return change.sd


def test_nights_that_passed_though_slow_do_not_widen_the_limit() -> None:
    well = past(WELL)
    missed = past((*WELL, *[-0.055] * 6))
    assert sd(missed) == sd(well)
    assert comparison.suspects(well, session(-0.065))
    assert comparison.suspects(missed, session(-0.065))


def test_nights_that_scatter_on_the_fast_side_or_a_little_do() -> None:
    for scattered in ((0.06, 0.0, 0.06), (0.03, -0.03, 0.03)):
        assert sd(past((*WELL, *scattered))) > 1.05 * sd(past(WELL))


def test_a_kernel_that_always_scattered_is_given_its_own_limit() -> None:
    """Of the first seven nights the slow ones count as well."""
    wild = [4 * value for value in WELL]
    assert sd(past(wild)) > 2 * sd(past(WELL))
    assert not comparison.suspects(past(wild), session(-0.065))


@pytest.mark.parametrize(
    ("last", "nights"),
    [((PASSED, PASSED), 3), ((UNCLEAR, UNCLEAR), 3), ((UNCLEAR, PASSED), 3), ((REGRESSED,), None)],
    ids=str,
)
def test_a_small_change_that_stays_is_suspected_over_unclear_nights_not_over_regressed_ones(
    last: Sequence[NightStatus], nights: int | None
) -> None:
    before = past((*WELL, -0.045, -0.045), *last)
    found = comparison.suspects(before, session(-0.045))
    assert [change.nights for change in found] == ([] if nights is None else [nights])


def test_small_changes_are_no_suspicion_alone() -> None:
    assert not comparison.suspects(past(WELL), session(-0.045))


def month(folder: Path, seed: int) -> list[KernelNight]:
    """A kernel 6 % slower from the tenth night on."""
    write_kernel(folder, KERNEL, SimulatedGpu(random=random.Random(seed)))
    task = Task(kernel=KERNEL, folder=folder / KERNEL)
    slow = Event(kernel=KERNEL, first=FIRST, end=END, slower=0.06)
    rows: list[KernelNight] = []
    for night in range(END):
        draw = random.Random(f"{seed} {night}")
        gpu = SimulatedGpu(random=draw, events=[slow], night=night)
        occasion = Occasion(night=night_date(night), leg="pinned", history=tuple(rows))
        rows.append(reverify(task, gpu, occasion))
    return rows


# Of 60 such months these were missed, or called well while the kernel was slow, by a rule that
# learnt its noise from every night that had passed.
@pytest.mark.parametrize("seed", [8, 39, 14, 43, 44, 57])
def test_a_regression_is_found_and_not_taken_back_while_it_lasts(tmp_path: Path, seed: int) -> None:
    statuses = [row.status for row in month(tmp_path, seed)]
    assert REGRESSED not in statuses[:FIRST]
    assert REGRESSED in statuses[FIRST:]
    assert PASSED not in statuses[statuses.index(REGRESSED) :]
