"""Building blocks of a page: elements, tables, bars, source listings.

Owns the escaping: a `str` is always text, only `Markup` is HTML. No script, and nothing that is
loaded from anywhere.
"""

from __future__ import annotations

import html
import math
from collections.abc import Collection, Iterable, Sequence

MAX_SOURCE_CHARS = 200_000
_VOID = frozenset({"br", "img", "input"})  # of those that have no end tag, the ones in use


class Markup(str):
    """HTML that this module made."""

    __slots__ = ()


def element(tag: str, *children: str, **attributes: str) -> Markup:
    """`<tag …>children</tag>`; children that are no Markup are escaped, as all attributes are.

    An attribute's trailing underscore is dropped and an inner one becomes a hyphen.
    """
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_escaped(value)}"'
        for name, value in attributes.items()
    )
    if tag in _VOID:
        return Markup(f"<{tag}{given}>")
    return Markup(f"<{tag}{given}>{join(children)}</{tag}>")


def join(parts: Iterable[str]) -> Markup:
    """The parts one after the other, escaped where they are text."""
    return Markup("".join(p if isinstance(p, Markup) else _escaped(p) for p in parts))


def _escaped(text: str) -> str:
    """Literal text. What does not print, direction marks included, is made visible."""
    shown = "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )
    return html.escape(shown)


def section(title: str, *children: str, id_: str) -> Markup:
    """A card with a heading."""
    return element("section", element("h2", title), *children, id=id_)


def paragraph(*children: str, class_: str = "") -> Markup:
    """A paragraph."""
    return element("p", *children, class_=class_) if class_ else element("p", *children)


def bullets(items: Iterable[str]) -> Markup:
    """An unordered list."""
    return element("ul", *(element("li", item) for item in items))


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numeric: Collection[int] = (),
    bad_rows: Collection[int] = (),
) -> Markup:
    """A table that scrolls by itself where the screen is narrow.

    `numeric` columns are set to the right; `bad_rows` (by place) stand out.
    """

    def cells(tag: str, values: Sequence[str]) -> Markup:
        return join(
            element(tag, value, class_="number") if place in numeric else element(tag, value)
            for place, value in enumerate(values)
        )

    body = [
        element("tr", cells("td", row), class_="bad")
        if place in bad_rows
        else element("tr", cells("td", row))
        for place, row in enumerate(rows)
    ]
    head = element("thead", element("tr", cells("th", header)))
    whole = element("table", head, element("tbody", *body))
    # Reachable by keyboard: what scrolls must take the focus.
    return element("div", whole, class_="scroll", tabindex="0")


def fold(summary: str, *children: str) -> Markup:
    """What a reader may open."""
    return element("details", element("summary", summary), *children)


def code(text: str) -> Markup:
    """A name within a line."""
    return element("code", text)


def listing(source: str, marked: Collection[int] = ()) -> Markup:
    """Source with line numbers; `marked` lines (1-based) stand out. Very long text is cut."""
    cut = source[:MAX_SOURCE_CHARS]
    lines = [
        element("span", line, class_="line marked" if number in marked else "line")
        for number, line in enumerate(cut.rstrip("\n").split("\n"), start=1)
    ]
    shown = element("pre", Markup("\n".join(lines)), class_="listing", tabindex="0")
    if len(cut) == len(source):
        return shown
    note = f"{len(source) - len(cut):,} further characters are left out."
    return join([shown, paragraph(note, class_="quiet")])


def share_bar(share: float, label: str, *, allowance: bool = True) -> Markup:
    """A small bar: which part of an allowance was used. Past 1 it is full and red.

    Without `allowance` it is a part of something that is better when it is large.
    """
    known = min(max(share, 0.0), 1.0) if math.isfinite(share) else 1.0
    kind = "within"
    if allowance and share > 0.8:
        kind = "over" if share > 1 else "near"
    bar = element(
        "svg",
        element("rect", class_="track", x="0", y="0", width="100%", height="8", rx="2"),
        element("rect", class_=kind, x="0", y="0", width=_percent(known), height="8", rx="2"),
        class_="share",
        role="img",
        aria_label=label,
    )
    return element("span", bar, element("span", label, class_="quiet"), class_="bar")


def interval_bar(low: float, middle: float, high: float, scale: tuple[float, float]) -> Markup:
    """An interval on a logarithmic scale, with the place of 1 marked."""
    places = [_percent(_on_scale(value, scale)) for value in (low, middle, high)]
    kind = "faster" if low > 1 else "slower" if high < 1 else "even"
    one = _percent(_on_scale(1.0, scale))
    label = f"ratio {middle:.3f}, 95 % interval {low:.3f} to {high:.3f}"
    return element(
        "svg",
        element("line", class_="track", x1="0", x2="100%", y1="12", y2="12"),
        element("line", class_="one", x1=one, x2=one, y1="0", y2="24"),
        element("line", class_=kind, x1=places[0], x2=places[2], y1="12", y2="12"),
        *(element("line", class_=kind, x1=x, x2=x, y1="7", y2="17") for x in places[::2]),
        element("circle", class_=kind, cx=places[1], cy="12", r="4"),
        class_="interval",
        role="img",
        aria_label=label,
    )


def scale_axis(scale: tuple[float, float]) -> Markup:
    """The ends of a scale and the place of 1, for below its intervals."""
    one = _on_scale(1.0, scale)
    # Two labels in one place would be none.
    ends = [
        (value, x, anchor)
        for value, x, anchor in ((scale[0], "0", "start"), (scale[1], "100%", "end"))
        if abs(_on_scale(value, scale) - one) > 0.12
    ]
    return element(
        "svg",
        element("text", "1", x=_percent(one), y="12", text_anchor="middle"),
        *(
            element("text", f"{value:.2f}", x=x, y="12", text_anchor=anchor)
            for value, x, anchor in ends
        ),
        class_="axis",
        aria_hidden="true",
    )


def scale_of(values: Iterable[float]) -> tuple[float, float]:
    """A logarithmic scale that holds all values and 1, with a little room on both sides."""
    known = [1.0, *values]
    room = max(1.05, (max(known) / min(known)) ** 0.06)
    return min(known) / room, max(known) * room


def _on_scale(value: float, scale: tuple[float, float]) -> float:
    low, high = scale
    return math.log(value / low) / math.log(high / low)


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"
