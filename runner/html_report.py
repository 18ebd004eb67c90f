"""One page on one verdict: why we believe this, or what failed and what to do.

Owns what the page says and in which order. A single file without scripts or outside resources;
everything that somebody else wrote stands in it as text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from runner.contract import Environment, Evaluation, EvaluationStatus
from runner.error_shares import worst_share
from runner.feedback import advice, findings
from runner.html_document import render_document
from runner.html_figures import (
    checks_figure,
    errors_figure,
    held_out,
    resources_figure,
    speed_figure,
    worst_place,
)
from runner.html_parts import (
    Markup,
    bullets,
    code,
    element,
    fold,
    join,
    listing,
    paragraph,
    section,
    table,
)
from runner.problem import Problem
from runner.prompts import excerpt
from runner.timing_text import ABSENT, ratio_text, why_not_measured
from runner.verdict_limits import checks_made, what_was_not_checked

MAX_FINDINGS_CHARS = 20_000
_KERNEL_LINE = re.compile(r"kernel\.py:(\d{1,6})")
_DISTRIBUTIONS = {
    "normal": "standard normal numbers",
    "uniform": "uniform between -1 and 1",
    "large": "normal, sixteen times as large: sums and exponentials overflow where care is missing",
    "near zero": "normal, scaled by 2⁻¹⁰: behaviour near zero, and divisions by little",
    "heavy tail": "Cauchy: a few values dwarf all others",
    "constant rows": "one number along each row: variances and differences vanish",
    "one-hot": "zero but for one element of each row: every index counts",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The facts of one verdict. `environment` None: no code ran; `made_at` None: not recorded."""

    problem: Problem
    source: str
    evaluation: Evaluation
    environment: Environment | None
    quick: bool
    made_at: datetime | None = None

    @property
    def passed(self) -> bool:
        return self.evaluation.status is EvaluationStatus.PASSED


def render_page(page: Page) -> str:
    """The page as HTML."""
    evaluation = page.evaluation
    parts = [_header(page), *evidence_sections(page).values()]
    told = f"{evaluation.summary}\n{evaluation.detail}"
    marked = () if page.passed else {int(line) for line in _KERNEL_LINE.findall(told)}
    parts.append(kernel_section(page.source, evaluation.candidate_sha256, marked))
    parts += [problem_section(page.problem), machine_section(page), _footer(page)]
    return render_document(f"{page.problem.name}: {evaluation.status}", join(parts))


def evidence_sections(page: Page) -> dict[str, Markup]:
    """What a verdict rests on, and what it does not say: one card each, by its id."""
    evaluation = page.evaluation
    cards: dict[str, Markup] = {}
    if not page.passed:
        cards["failure"] = _failure(page)
    if evaluation.correctness is not None:
        cards["correctness"] = _correctness(page)
    if checks_made(evaluation):
        checks = checks_figure(evaluation)
        cards["checks"] = section("What was checked", checks, id_="checks")
    if evaluation.performance is not None:
        times = speed_figure(evaluation, evaluation.performance)
        cards["speed"] = section("Speed", times, id_="speed")
    if evaluation.resources:
        note = "Registers and spilled bytes a thread, shared memory a block, as assembled."
        figure = resources_figure(evaluation)
        cards["resources"] = section("Compiled kernels", paragraph(note), figure, id_="resources")
    limits = what_was_not_checked(page.problem, evaluation, page.environment, quick=page.quick)
    cards["limits"] = section("What was not checked", bullets(limits), id_="limits")
    return cards


def _header(page: Page) -> Markup:
    evaluation = page.evaluation
    heading = "Why we believe this kernel" if page.passed else "Why this kernel did not pass"
    return element(
        "header",
        element("span", str(evaluation.status), class_="badge"),
        element("h1", f"{page.problem.name}: {heading[0].lower()}{heading[1:]}"),
        paragraph(_lead(page)),
        _tiles(page),
        class_="verdict passed" if page.passed else "verdict",
    )


def _lead(page: Page) -> str:
    evaluation = page.evaluation
    if not page.passed or evaluation.correctness is None:
        return f"{evaluation.summary.rstrip('.')}. It stopped at the stage {evaluation.stage}."
    cases = evaluation.correctness.cases
    workloads = {str(case.workload) for case in cases}
    unseen = {str(case.workload) for case in cases if held_out(page.problem, case)}
    drawn = f", {len(unseen)} of them drawn by the judge and named nowhere" if unseen else ""
    return (
        f"It agreed with a float64 reference in all of {len(cases)} comparisons over "
        f"{len(workloads)} workloads{drawn}, on inputs from a secret seed. The verdict was "
        "computed from its outputs by a process that it cannot reach; nothing that it says counts."
    )


def _tiles(page: Page) -> Markup:
    evaluation = page.evaluation
    tiles: list[tuple[str, str, str]] = [("ran on", evaluation.device, _where(page))]
    if evaluation.correctness is not None:
        cases = evaluation.correctness.cases
        good = sum(case.within_budget for case in cases)
        tiles.append(("comparisons", f"{good} of {len(cases)}", "within their error budget"))
        share = max(worst_share(case) for case in cases)
        if page.passed:
            tiles.append(("largest error", f"{share:.0%}", "of its budget"))
    performance = evaluation.performance
    if performance is not None:
        rows = [row for timing in performance.timings for row in timing.baselines]
        if rows:
            worst = min(rows, key=lambda row: row.ratio)
            tiles.append(("least ratio", ratio_text(worst.ratio), f"against {worst.name}"))
    else:
        tiles.append(("speed", ABSENT, why_not_measured(evaluation)))
    return element(
        "dl",
        *(
            element("div", element("dt", name), element("dd", value, element("span", note)))
            for name, value, note in tiles
        ),
        class_="tiles",
    )


def _where(page: Page) -> str:
    if page.environment is None:
        return "no code ran"
    return page.environment.gpu or "interpreted, and compiled for the target"


def _failure(page: Page) -> Markup:
    evaluation = page.evaluation
    told = excerpt(findings(evaluation), MAX_FINDINGS_CHARS)
    cases = evaluation.correctness.cases if evaluation.correctness else ()
    places = [text for case in cases if not case.within_budget if (text := worst_place(case))]
    return section(
        "What failed, and what to do",
        element("pre", told, class_="wrap"),
        bullets(places) if places else "",
        paragraph(element("strong", "What it means: "), advice(evaluation.status)),
        id_="failure",
    )


def _correctness(page: Page) -> Markup:
    problem, evaluation = page.problem, page.evaluation
    cases = evaluation.correctness.cases if evaluation.correctness else ()
    used = Counter(case.distribution for case in cases)
    rows = [(name, str(count), _DISTRIBUTIONS.get(name, "")) for name, count in used.items()]
    tolerance = problem.tolerance
    reason = f" The problem says why: {tolerance.reason}" if tolerance.reason.strip() else ""
    return section(
        "Correctness",
        paragraph(
            "The reference runs in float64, and once more as PyTorch computes it at the declared "
            "types. The error that this honest computation makes sets the budget, in each block of "
            f"the output: {tolerance.multiplier:g} times that error, plus rounding.{reason}"
        ),
        errors_figure(evaluation, problem),
        element("h3", "How the inputs were made"),
        paragraph(
            "Drawn for this verdict from a seed that is secret until the outputs are in. Before "
            "each call the kernel's memory is filled with NaN, so that an element that it does not "
            "write is seen."
        ),
        table(("inputs", "comparisons", "what they are"), rows, numeric=(1,)),
        id_="correctness",
    )


def kernel_section(source: str, sha256: str, marked: Collection[int] = ()) -> Markup:
    """The source with line numbers; `marked` lines stand out."""
    digest = paragraph("SHA-256 ", code(sha256), class_="quiet")
    return section("The kernel", digest, listing(source, marked), id_="kernel")


def problem_section(problem: Problem) -> Markup:
    """What was asked: tensors, sizes, reference and spec."""
    tensors = [
        (word, code(spec.name), spec.dtype, f"[{', '.join(map(str, spec.shape))}]")
        for word, rows in (("input", problem.inputs), ("output", problem.outputs))
        for spec in rows
    ]
    axes = ", ".join(
        f"{name} from {low} to {high}" for name, (low, high, *_) in problem.axes.items()
    )
    return section(
        "The problem",
        paragraph(problem.summary),
        table(("", "name", "dtype", "shape"), tensors),
        paragraph(f"Declared sizes: {axes}. Policy: {_policy(problem)}." if axes else ""),
        fold("The reference, which decides what is correct", listing(problem.reference_text)),
        fold("The spec", listing(problem.toml_text)),
        id_="problem",
    )


def _policy(problem: Problem) -> str:
    if not problem.library_ops:
        return problem.policy
    return f"{problem.policy}, with {', '.join(problem.library_ops)} from the library"


def machine_section(page: Page) -> Markup:
    """Where the verdict was reached, and how long its stages took."""
    environment = page.environment
    if environment is None:
        return section("The machine", paragraph("No code ran: nothing to say."), id_="machine")
    clocks = environment.clocks_mhz or {}
    rows = [
        ("GPU", environment.gpu or "none: Triton's interpreter, and compilation for the target"),
        ("driver", environment.driver or ""),
        ("clocks", ", ".join(f"{name} {mhz} MHz" for name, mhz in clocks.items())),
        ("CUDA", environment.cuda or ""),
        ("torch", environment.torch),
        ("triton", environment.triton),
        ("python", environment.python),
        ("sandbox", environment.sandbox),
        *((f"stage {name}", f"{value:.2f} s") for name, value in page.evaluation.stage_s.items()),
    ]
    return section("The machine", table(("", ""), [r for r in rows if r[1]]), id_="machine")


def _footer(page: Page) -> Markup:
    made = f"Made {page.made_at:%Y-%m-%d %H:%M} UTC. " if page.made_at else ""
    again = f"python -m runner verify problems/{page.problem.name}"
    return element("footer", f"{made}To see for yourself: ", code(again))
