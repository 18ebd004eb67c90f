"""The two committed pictures of a kernel's folder, drawn from its results alone.

Owns `search.svg` and `times.svg`: SVG without scripts, fonts or anything from elsewhere, legible in
light and dark themes. The same results give the same bytes.
"""

from __future__ import annotations

from runner.bundle import PICTURES
from runner.charts.search import draw_search
from runner.charts.times import draw_times

SEARCH_PICTURE, TIMES_PICTURE = PICTURES

__all__ = ["SEARCH_PICTURE", "TIMES_PICTURE", "draw_search", "draw_times"]
