"""The index: every kernel in one table, and what they are together.

Owns its columns and the keys by which they sort. A table is whole without a script; the script only
adds sorting and filtering.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from runner.headline import baseline_label, gpu_label
from runner.html_parts import (
    Markup,
    element,
    interval_bar,
    join,
    paragraph,
    scale_axis,
    scale_of,
    section,
    share_bar,
)
from runner.night_record import KernelNight
from runner.site.assets import render
from runner.site.folder import KernelFolder
from runner.site.links import Forge, issue_link, pull_request_link
from runner.site.marks import status_mark
from runner.site.standing import Standing, headline_text, why_no_headline
from runner.timing_text import ABSENT

# Nights shown beside a kernel.
MAX_RECENT = 10
_COLUMNS = (
    ("kernel", "text"),
    ("family", "text"),
    ("verdict", "text"),
    ("vs torch.compile [95 %]", "number"),
    ("of roofline", "number"),
    ("last nights", "none"),
    ("GPU", "text"),
    ("verified", "text"),
    ("GitHub", "none"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One kernel of the site. `page`: the name of its page's file, without its ending."""

    folder: KernelFolder
    nights: tuple[KernelNight, ...]
    standing: Standing
    page: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What stands in a cell, and what it sorts by: empty sorts last in both directions."""

    shown: str
    key: str = ""


def render_index(entries: Sequence[Entry], forge: Forge, title: str) -> str:
    """The index as HTML."""
    body = [_header(entries, title), section("Kernels", _table(entries, forge), id_="kernels")]
    return render(title, join(body))


def _header(entries: Sequence[Entry], title: str) -> Markup:
    count = len(entries)
    lead = (
        f"{count} {'kernel' if count == 1 else 'kernels'}, each judged against a float64 "
        "reference on secret inputs and timed between its baselines. What nobody judged or "
        "measured says so."
    )
    return element(
        "header", element("h1", title), paragraph(lead), _tiles(entries), class_="verdict site"
    )


def _tiles(entries: Sequence[Entry]) -> Markup:
    kinds = Counter(entry.standing.kind for entry in entries)
    rows = [
        ("faster than every baseline", kinds["good"], "good"),
        ("correct, no win or not timed", kinds["even"], "even"),
        ("need a look", kinds["bad"] + kinds["warn"], "bad" if kinds["bad"] else "warn"),
        ("without a verdict", kinds["none"], "none"),
    ]
    tiles = [
        element("div", element("dt", name), element("dd", str(count), class_=kind if count else ""))
        for name, count, kind in rows
    ]
    nights = [row.night for entry in entries for row in entry.nights]
    if nights:
        last = element("dd", max(nights).isoformat(), element("span", f"since {min(nights)}"))
        tiles.append(element("div", element("dt", "latest night"), last))
    return element("dl", *tiles, class_="tiles")


def _table(entries: Sequence[Entry], forge: Forge) -> Markup:
    headlines = [entry.standing.headline for entry in entries if entry.standing.headline]
    scale = scale_of([value for row in headlines for value in (row.low, row.high)])
    axis = scale_axis(scale) if headlines else ""
    head = [element("th", name, scope="col", data_sort=kind) for name, kind in _COLUMNS]
    body = [
        element(
            "tr",
            *(
                element("td", cell.shown, data_key=cell.key, data_label=name, **_class_of(cell))
                for cell, (name, _) in zip(_cells(entry, forge, scale), _COLUMNS, strict=True)
            ),
            data_kind=entry.standing.word,
        )
        for entry in entries
    ]
    whole = element(
        "table",
        element("thead", element("tr", *head)),
        element("tbody", *body),
        element("tfoot", element("tr", element("td", colspan="3"), element("td", axis))),
        class_="kernels",
    )
    return element("div", whole, class_="scroll", tabindex="0")


def _cells(entry: Entry, forge: Forge, scale: tuple[float, float]) -> tuple[Cell, ...]:
    folder, standing = entry.folder, entry.standing
    problem = folder.problem
    family = problem.family if problem else ""
    gpu = gpu_label(standing.environment) if standing.environment else ""
    verified = standing.verified_on.isoformat() if standing.verified_on else ""
    links = [link for link in (pull_request_link(folder, forge), issue_link(folder, forge)) if link]
    return (
        Cell(shown=_name(entry), key=folder.name),
        Cell(shown=family or ABSENT, key=family),
        Cell(shown=badge(standing), key=standing.word),
        _ratio(entry, scale),
        _roofline(standing),
        Cell(shown=_recent(entry.nights)),
        Cell(shown=gpu or ABSENT, key=gpu),
        Cell(
            shown=element("span", verified, class_="verified") if verified else ABSENT,
            key=verified,
        ),
        Cell(
            shown=element("span", *(part for link in links for part in (link, " ")), class_="links")
            if links
            else ABSENT
        ),
    )


def _class_of(cell: Cell) -> dict[str, str]:
    return {"class_": "absent"} if cell.shown == ABSENT else {}


def _name(entry: Entry) -> Markup:
    link = element("a", entry.folder.name, href=f"kernels/{entry.page}.html", class_="name")
    summary = entry.folder.problem.summary if entry.folder.problem else ""
    return join([link, element("span", summary, class_="about")])


def badge(standing: Standing) -> Markup:
    """The verdict's word, with its reason for whoever asks."""
    return element("span", standing.word, class_=f"badge {standing.kind}", title=standing.reason)


def _ratio(entry: Entry, scale: tuple[float, float]) -> Cell:
    headline = entry.standing.headline
    if headline is None:
        return Cell(
            shown=element("span", why_no_headline(entry.folder, entry.standing), class_="quiet")
        )
    # The column is about torch.compile: another baseline must not pass for it.
    other = "" if headline.baseline == "compile" else f"vs {baseline_label(headline.baseline)}"
    text = element("span", headline_text(headline), class_="figure")
    bar = interval_bar(headline.low, headline.ratio, headline.high, scale)
    note = element("span", other, class_="quiet") if other else ""
    return Cell(shown=join([text, note, bar]), key=f"{headline.ratio:.6g}")


def _roofline(standing: Standing) -> Cell:
    if standing.roofline is None:
        return Cell(shown=ABSENT)
    low, high = standing.roofline
    label = f"{low:.0%}" if f"{low:.0%}" == f"{high:.0%}" else f"{100 * low:.0f} to {high:.0%}"
    return Cell(shown=share_bar(low, label, allowance=False), key=f"{low:.6g}")


def _recent(nights: Sequence[KernelNight]) -> Markup:
    if not nights:
        return join([ABSENT])
    shown = nights[-MAX_RECENT:]
    marks = [
        element(
            "g",
            element("title", f"{row.night} ({row.leg}): {row.status.value}"),
            status_mark(row.status.value, str(8 + 11 * place), 8),
        )
        for place, row in enumerate(shown)
    ]
    counts = Counter(row.status.value for row in shown)
    label = ", ".join(f"{count} {status}" for status, count in counts.items())
    return element(
        "svg",
        *marks,
        class_="recent",
        width=str(3 + 11 * len(shown)),
        height="16",
        role="img",
        aria_label=f"the last {len(shown)} nights: {label}",
    )
