"""The figures of a verdict's page: errors against budgets, checks, resources and times.

Owns their tables and charts. Draws what an evaluation says and nothing else; a figure that is
absent has no place on the page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from runner.check_notes import what_it_catches
from runner.contract import Evaluation, OutputError, Performance, WorkloadTiming
from runner.error_shares import worst_cases, worst_share
from runner.html_parts import (
    Markup,
    bullets,
    code,
    element,
    fold,
    interval_bar,
    join,
    paragraph,
    scale_axis,
    scale_of,
    share_bar,
    table,
)
from runner.markdown import error_text
from runner.problem import Problem
from runner.speed_advice import suggestions
from runner.speed_facts import facts_of
from runner.timing_text import (
    RATIO_NOTE,
    WORK_HEADER,
    has_work,
    interval_text,
    measurement_notes,
    ms_text,
    standing,
    work_cells,
)
from runner.verdict_limits import checks_made
from runner.verifier.resources import residency

# More comparisons than this and the page opens with the worst of each workload.
MAX_OPEN_ROWS = 10
_STANDING_CLASS = {"faster": "good", "slower": "poor", "no significant difference": "quiet"}


def errors_figure(evaluation: Evaluation, problem: Problem) -> Markup:
    """Every comparison beside its budget, the worst of each workload first where there are many."""
    cases = evaluation.correctness.cases if evaluation.correctness else ()
    if len(cases) <= MAX_OPEN_ROWS:
        return _error_table(cases, problem)
    worst = worst_cases(cases)
    return join(
        [
            paragraph("The worst comparison of each workload and output:", class_="quiet"),
            _error_table(worst, problem),
            fold(f"All {len(cases)} comparisons, in the order made", _error_table(cases, problem)),
        ]
    )


def held_out(problem: Problem, case: OutputError) -> bool:
    """Whether the spec names the comparison's workload nowhere: it was drawn by the judge."""
    return case.workload not in (*problem.tests, *problem.benchmarks)


def _error_table(cases: Sequence[OutputError], problem: Problem) -> Markup:
    header = ("workload", "inputs", "output", "elements", "largest error", "RMS error", "used")
    rows = []
    for case in cases:
        share = worst_share(case)
        label = _used(share)
        mark = element("span", " held out", class_="quiet") if held_out(problem, case) else ""
        rows.append(
            (
                join([code(str(case.workload)), mark]),
                case.distribution,
                code(case.output),
                _elements(case),
                f"{error_text(case.max_error)} of {error_text(case.max_budget)}",
                f"{error_text(case.rms_error)} of {error_text(case.rms_budget)}",
                share_bar(share, label),
            )
        )
    bad = [place for place, case in enumerate(cases) if not case.within_budget]
    return table(header, rows, numeric=(3, 4, 5), bad_rows=bad)


def _used(share: float) -> str:
    if not math.isfinite(share):
        return "all"
    return f"{share:.0%}" if share < 10 else f"{share:,.0f} times"


def _elements(case: OutputError) -> str:
    if not case.wrong_elements:
        return f"{case.elements:,}"
    return f"{case.wrong_elements:,} wrong of {case.elements:,}"


def worst_place(case: OutputError) -> str:
    """Where the largest error is and what stands there, as a sentence."""
    if case.worst_index is None:
        return ""
    place = ", ".join(map(str, case.worst_index))
    text = f"The largest error is at {case.output}[{place}]"
    if case.expected is not None and case.found is not None:
        text += f": expected {case.expected:.6g}, found {case.found:.6g}"
    return f"{text}."


def checks_figure(evaluation: Evaluation) -> Markup:
    """Each check: what was seen, and what it would have caught where that is known."""
    rows = [
        (element("strong", check.name), check.detail, what_it_catches(check.name) or "")
        for check in checks_made(evaluation)
    ]
    return table(("check", "what was seen", "what it would have caught"), rows)


def resources_figure(evaluation: Evaluation) -> Markup:
    """Each compiled kernel, as the assembler reports it."""
    rows = []
    for row in evaluation.resources:
        held = residency(row)
        share = "unknown" if held is None else f"{held.share:.0%}"
        limiter = held.limiter if held is not None and held.limiter else ""
        rows.append(
            (
                code(row.kernel),
                code(str(row.workload)),
                row.target,
                str(row.registers),
                f"{row.spill_bytes} B",
                f"{row.shared_bytes:,} B",
                str(row.num_warps),
                str(row.num_stages),
                share,
                limiter,
            )
        )
    header = (
        *("kernel", "workload", "target", "registers", "spilled", "shared", "warps", "stages"),
        *("occupancy", "limited by"),
    )
    return table(header, rows, numeric=range(3, 9))


def speed_figure(evaluation: Evaluation, performance: Performance) -> Markup:
    """Intervals against each baseline, rates against the roofline, and what they suggest."""
    rows = [row for timing in performance.timings for row in timing.baselines]
    scale = scale_of([value for row in rows for value in (row.ratio_low, row.ratio_high)])
    parts = [paragraph(RATIO_NOTE, class_="quiet")]
    parts += [_race(timing, scale) for timing in performance.timings]
    if has_work(performance):
        cells = [(code(row[0]), *row[1:]) for row in work_cells(performance)]
        parts += [
            element("h3", "Against this GPU"),
            _roofline_note(performance),
            *_roofline_bars(performance),
            table(WORK_HEADER, cells, numeric=(1, 2, 3, 5)),
        ]
    parts.append(bullets(measurement_notes(performance)))
    advice = suggestions(facts_of(evaluation))
    if advice:
        parts += [element("h3", "What these figures suggest"), bullets(advice)]
    return join(parts)


def _race(timing: WorkloadTiming, scale: tuple[float, float]) -> Markup:
    """One workload: the kernel's time, and one interval a baseline."""
    title = element("h3", code(str(timing.workload)), f": {ms_text(timing.median_ms)}")
    cells: list[str] = []
    for row in timing.baselines:
        word = standing(row)
        cells += [
            element("span", code(row.name), f" {ms_text(row.median_ms)}"),
            interval_bar(row.ratio_low, row.ratio, row.ratio_high, scale),
            element(
                "span",
                f"{interval_text(row)} ",
                element("strong", word, class_=_STANDING_CLASS[word]),
                class_="number",
            ),
        ]
    if not cells:
        return join([title, paragraph("No baseline was timed.", class_="quiet")])
    axis = [element("span"), scale_axis(scale), element("span")]
    return join([title, element("div", *cells, *axis, class_="race")])


def _roofline_note(performance: Performance) -> Markup:
    roofline = performance.roofline
    if roofline is None:
        return Markup("")
    products = "".join(
        f", {dtype} matrix products at {rate:,.0f} TFLOP/s"
        for dtype, rate in roofline.matmul_tflop_per_s.items()
    )
    return paragraph(
        f"Measured on the same GPU: a copy moves {roofline.copy_gb_per_s:,.0f} GB/s{products}."
    )


def _roofline_bars(performance: Performance) -> list[Markup]:
    """The share of the roofline of each workload. A long bar is good here."""
    rows = []
    for timing in performance.timings:
        share = timing.roofline_share
        if share is not None:
            bar = element(
                "svg",
                element("rect", class_="track", x="0", y="8", width="100%", height="8", rx="2"),
                element(
                    "rect",
                    class_="within",
                    x="0",
                    y="8",
                    width=f"{100 * min(max(share, 0.0), 1.0):.2f}%",
                    height="8",
                    rx="2",
                ),
                class_="interval",
                role="img",
                aria_label=f"{share:.0%} of the roofline",
            )
            rows += [
                code(str(timing.workload)),
                bar,
                element("span", f"{share:.0%} of the roofline", class_="number"),
            ]
    return [element("div", *rows, class_="race")] if rows else []
