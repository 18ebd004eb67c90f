"""The charts' geometry: everything within its frame, whatever the figures are."""

from __future__ import annotations

import re

import pytest

from runner.site.axis import axis_for, tick_text
from runner.site.chart import HEIGHT_PX, Chart, Column, Line, Point, draw

RANGES = [(1.0, 1.0), (0.999, 1.001), (1.0, 3.9), (0.5, 900.0), (1e-9, 1e9), (1e-12, 1e-12)]


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_an_axis_holds_its_values_and_names_round_ones(low, high):
    axis = axis_for([low, high])
    assert 0 < axis.low < low
    assert high < axis.high
    ticks = axis.ticks()
    assert 1 <= len(ticks) <= 7
    assert list(ticks) == sorted(set(ticks))
    assert all(-1e-6 <= axis.share(tick) <= 1 + 1e-6 for tick in ticks)
    assert all(len(tick_text(tick)) <= 9 for tick in ticks)
    assert len({tick_text(tick) for tick in ticks}) == len(ticks)


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_marks_lines_and_targets_stay_within_the_frame(low, high):
    columns = tuple(
        Column(place=place, label="2026-03-01", told="told", kind="passed", epoch=0, flag="new")
        for place in (0.0, 0.5, 1.0)
    )
    middle = (low * high) ** 0.5
    points = tuple(
        Point(column=at, value=value, low=low, high=high)
        for at, value in enumerate((low, middle, high))
    )
    text = draw(Chart(title="t", columns=columns, lines=(Line(name="N", points=points),)))
    heights = [float(y) for y in re.findall(r' y[12]?="(-?[\d.]+)"', text)]
    shares = [float(x) for x in re.findall(r'="(-?[\d.]+)%"', text)]
    assert min(heights) >= 0
    assert max(heights) <= HEIGHT_PX
    assert min(shares) >= 0
    assert max(shares) <= 100
    assert text.count('class="night"') == 3
    widths = [float(width) for width in re.findall(r'width="([\d.]+)%"', text)]
    assert sum(widths) == pytest.approx(100)


def test_nothing_is_drawn_of_nothing():
    column = Column(place=0.5, label="2026-03-01", told="told", kind="not run", epoch=0)
    chart = Chart(title="t", columns=(column,), lines=(Line(name="N", points=()),))
    assert draw(chart) == ""
