"""The marks of charts: one shape a workload, one shape a night's verdict.

Owns the shapes. Colour alone tells nothing to some readers, and nothing on paper.
"""

from __future__ import annotations

from runner.html_parts import Markup, element

_STATUS_SHAPES = {
    "passed": "M-3.5 0 A3.5 3.5 0 1 0 3.5 0 A3.5 3.5 0 1 0 -3.5 0 Z",
    "failed": "M-4.5 -4.5 L4.5 4.5 M-4.5 4.5 L4.5 -4.5",
    "regressed": "M-5 -4 L5 -4 L0 5 Z",
    "unclear": "M0 -5 L5 0 L0 5 L-5 0 Z",
    "not comparable": "M-3.5 -3.5 H3.5 V3.5 H-3.5 Z",
    "not run": "M-3.5 0 H3.5",
}
_LINE_SHAPES = (
    "M-3 0 A3 3 0 1 0 3 0 A3 3 0 1 0 -3 0 Z",
    "M-2.8 -2.8 H2.8 V2.8 H-2.8 Z",
    "M0 -3.8 L3.8 3 L-3.8 3 Z",
    "M0 -4 L4 0 L0 4 L-4 0 Z",
    "M0 3.8 L3.8 -3 L-3.8 -3 Z",
    "M-3.4 -3.4 L3.4 3.4 M-3.4 3.4 L3.4 -3.4",
)
MAX_LINES = len(_LINE_SHAPES)


def status_mark(kind: str, x: str, y: float) -> Markup:
    """How a night went. `kind` is a `NightStatus`; `x` may be a share of the width."""
    return element(
        "g", _glyph(_STATUS_SHAPES[kind], x, y), class_=f"status {kind.replace(' ', '-')}"
    )


def line_mark(line: int, x: str, y: float) -> Markup:
    """The mark of the line in place `line`."""
    return _glyph(_LINE_SHAPES[line % MAX_LINES], x, y)


def _glyph(path: str, x: str, y: float) -> Markup:
    # Shares of the width are no coordinates of a path: a frame of its own puts it in its place.
    return element("svg", element("path", d=path), x=x, y=f"{y:.1f}", overflow="visible")
