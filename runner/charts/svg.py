"""The small vocabulary that both pictures are drawn with.

Owns escaping, number formats, colours and the frame. Colours are classes: a picture carries its own
ground, so that its ink is legible even where the page's theme is not the browser's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.sax.saxutils import escape

WIDTH = 760
# Class → (light, dark). Status and series share hues that stay apart for colour-blind readers;
# statuses have lanes with names, and series have labels, so colour is never the only sign.
_COLOURS = {
    "ground": ("#ffffff", "#0d1117"),
    "ink": ("#1f2328", "#f0f6fc"),
    "muted": ("#59636e", "#9198a1"),
    "grid": ("#d1d9e0", "#3d444d"),
    "passed": ("#1a7f37", "#3fb950"),
    "wrong": ("#bc4c00", "#f0883e"),
    "broken": ("#8250df", "#ab7df8"),
    "crashed": ("#d1242f", "#f85149"),
    "cheated": ("#bf3989", "#db61a2"),
    "late": ("#0550ae", "#79c0ff"),
    "refused": ("#59636e", "#9198a1"),
    "series0": ("#0969da", "#4493f8"),
    "series1": ("#bc4c00", "#f0883e"),
    "series2": ("#8250df", "#ab7df8"),
    "series3": ("#1a7f37", "#3fb950"),
    "series4": ("#bf3989", "#db61a2"),
    "series5": ("#9a6700", "#d29922"),
}
SERIES = sum(name.startswith("series") for name in _COLOURS)
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd]")


def number(value: float) -> str:
    """A coordinate: two decimals at most, the same on every machine."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def text(x: float, y: float, words: str, classes: str = "ink", anchor: str = "start") -> str:
    """One line of text with its baseline at `y`. `words` may come from anywhere."""
    shown = escape(_UNPRINTABLE.sub(" ", words))
    return (
        f'<text class="{classes}" x="{number(x)}" y="{number(y)}" text-anchor="{anchor}">'
        f"{shown}</text>"
    )


def line(start: tuple[float, float], end: tuple[float, float], classes: str) -> str:
    """A straight line."""
    (x1, y1), (x2, y2) = start, end
    return (
        f'<line class="{classes}" x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" '
        f'y2="{number(y2)}"/>'
    )


def path(points: Iterable[tuple[float, float]], classes: str) -> str:
    """A line through `points`."""
    steps = " ".join(f"{number(x)},{number(y)}" for x, y in points)
    return f'<polyline class="{classes}" points="{steps}"/>'


def dot(x: float, y: float, classes: str, radius: float = 4) -> str:
    """A round mark."""
    return f'<circle class="{classes}" cx="{number(x)}" cy="{number(y)}" r="{number(radius)}"/>'


def diamond(x: float, y: float, classes: str, radius: float = 6) -> str:
    """A square mark on its corner."""
    corners = [(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)]
    return (
        f'<polygon class="{classes}" points="'
        + " ".join(f"{number(a)},{number(b)}" for a, b in corners)
        + '"/>'
    )


def document(height: float, title: str, note: str, parts: Iterable[str]) -> str:
    """The whole picture. `title` stands above it and is what a screen reader says."""
    heading = escape(_UNPRINTABLE.sub(" ", f"{title}. {note}"))
    size = f'width="{WIDTH}" height="{number(height)}" viewBox="0 0 {WIDTH} {number(height)}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{heading}</title>",
            f"<style>{_style()}</style>",
            f'<rect class="ground" width="{WIDTH}" height="{number(height)}" rx="6"/>',
            text(20, 30, title, "ink title"),
            text(20, 50, note, "muted"),
            *parts,
            "</svg>\n",
        ]
    )


def _style() -> str:
    """Rules for both themes. An SVG shown as an image follows the reader's own choice."""
    fixed = (
        "text{font:12px ui-sans-serif,system-ui,-apple-system,'Segoe UI',sans-serif;"
        "font-variant-numeric:tabular-nums}.title{font-size:15px;font-weight:600}"
        ".strong{font-weight:600}polyline{stroke-width:2;stroke-linejoin:round}"
        "line{stroke-width:1}.dashed{stroke-dasharray:4 4}"
        ".hollow{stroke-width:2}"
    )
    return fixed + _rules(0) + f"@media (prefers-color-scheme:dark){{{_rules(1)}}}"


def _rules(theme: int) -> str:
    ground = _COLOURS["ground"][theme]
    rules = []
    for name, shades in _COLOURS.items():
        shade = shades[theme]
        rules.append(f".{name}{{fill:{shade}}}line.{name}{{stroke:{shade}}}")
        rules.append(f"polyline.{name}{{fill:none;stroke:{shade}}}")
        rules.append(f".hollow.{name}{{fill:{ground};stroke:{shade}}}")
    return "".join(rules)
