"""The report of a sweep as one page: the tables, the two pictures, and what was not run.

Owns what stands there. Every figure is one of `SweepResults`; what was not measured says so.
"""

from __future__ import annotations

import base64

from runner.contract import NOT_MEASURED
from runner.event_lines import budget_text
from runner.headline import baseline_label
from runner.html_parts import (
    Markup,
    bullets,
    code,
    element,
    join,
    paragraph,
    section,
    table,
)
from runner.site.assets import render
from runner.sweep.pictures import draw_solved, draw_speed_ups, speed_text
from runner.sweep.results import BASELINES, THRESHOLDS, FastShare, Group, ProblemRow, SweepResults
from runner.timing_text import ABSENT


def render_sweep(results: SweepResults) -> str:
    """The page as HTML."""
    body = [
        _header(results),
        section("Solved over time", _picture(draw_solved(results), "solved"), id_="solved"),
        section("fast_p", _fast_notes(results), _fast_table(results), id_="fast"),
        section("Speed-ups", _picture(draw_speed_ups(results), "speed-ups"), id_="speed"),
        section("Problems", _problem_table(results), id_="problems"),
        _left_out(results),
        _provenance(results),
    ]
    return render(f"Sweep of {results.suite}", join(body))


def _header(results: SweepResults) -> Markup:
    whole = results.groups[-1]
    lead = (
        f"{whole.solved} of {whole.problems} problems solved by {results.model}, each in "
        f"{budget_text(results.budget)} at most. Solved: the final verdict, on new secret inputs "
        "in fresh processes, is PASSED."
    )
    tiles = [_tile(group) for group in results.groups]
    return element(
        "header",
        element("h1", f"Sweep of {results.suite}"),
        paragraph(lead),
        element("dl", *tiles, class_="tiles"),
        class_="verdict site",
    )


def _tile(group: Group) -> Markup:
    share = f"{group.solved / group.problems:.0%}"
    note = element("span", f"{group.solved} of {group.problems} solved")
    return element("div", element("dt", group.name), element("dd", share, note))


def _picture(picture: str, name: str) -> Markup:
    data = base64.b64encode(picture.encode()).decode()
    return element("img", src=f"data:image/svg+xml;base64,{data}", alt=name, class_="picture")


def _fast_notes(results: SweepResults) -> Markup:
    words = (
        "The share of all problems, also of those that were not run, that are solved with a kernel "
        "more than p times as fast as the baseline; at p = 0 being right is all."
    )
    notes = [paragraph(words, class_="quiet")]
    if len(results.gpus) > 1:
        mixed = f"The runs were on GPUs of different kinds: {', '.join(results.gpus)}."
        notes.append(paragraph(mixed, class_="poor"))
    return join(notes)


def _fast_table(results: SweepResults) -> Markup:
    header = ["problems", "against", "timed", *(f"p = {p:g}" for p in THRESHOLDS)]
    rows = [
        [
            group.name,
            baseline_label(name),
            f"{group.timed[name]} of {group.solved} solved",
            *(_share_text(fast) for fast in group.fast if fast.baseline == name),
        ]
        for group in results.groups
        for name in BASELINES
    ]
    return table(header, rows, numeric=range(3, 3 + len(THRESHOLDS)))


def _share_text(fast: FastShare) -> str:
    return NOT_MEASURED.partition(":")[0] if fast.share is None else f"{100 * fast.share:.1f} %"


def _problem_table(results: SweepResults) -> Markup:
    header = ["problem", "title", "verdict", "solved after", "attempts", "spent"]
    header += [f"vs {baseline_label(name)} [95 %]" for name in BASELINES]
    header += ["own kernels", "kernel"]
    rows = [_problem_cells(row) for row in results.problems]
    bad = [n for n, row in enumerate(results.problems) if row.state == "failed"]
    return table(header, rows, numeric=range(3, 8), bad_rows=bad)


def _problem_cells(row: ProblemRow) -> list[str]:
    speeds = [speed_text(row, name) or ABSENT for name in BASELINES]
    own = ABSENT if row.own_share is None else f"{row.own_share:.0%}"
    kernel: str = ABSENT
    if row.state == "solved":
        kernel = element("a", "kernel.py", href=f"kernels/{row.run}/kernel.py")
    return [
        code(row.key),
        row.title if row.title != row.key else ABSENT,
        row.state,
        _clock(row.solved_at_s),
        str(row.attempts),
        _clock(row.spent_s),
        *speeds,
        own,
        kernel,
    ]


def _clock(seconds: float | None) -> str:
    return ABSENT if seconds is None else f"{seconds / 60:.2f} min"


def _left_out(results: SweepResults) -> Markup:
    left = [row for row in results.problems if row.state != "solved"]
    if not left:
        return section("Not solved", paragraph("Every problem is solved."), id_="left")
    items = [join([code(row.key), f" {row.state}: {row.words}"]) for row in left]
    return section("Not solved, and why", bullets(items), id_="left")


def _provenance(results: SweepResults) -> Markup:
    gpus = ", ".join(results.gpus) or "none: speed was not measured"
    rows = [
        ("suite", results.suite),
        ("model", results.model),
        ("budget of a problem", budget_text(results.budget)),
        ("GPU", gpus),
        ("versions", "; ".join(results.versions) or ABSENT),
    ]
    words = (
        "Made from the journals alone: each run's own is in runs/, the problem as it had it in "
        "problems/, and a solved one's kernel with its evaluation in kernels/. "
        "'python -m runner verify' judges any of them again."
    )
    return section("Where this comes from", table(("", ""), rows), paragraph(words), id_="from")
