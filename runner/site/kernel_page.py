"""The page of one kernel: its standing, its history, and the evidence of its recorded verdict.

Owns what stands there and in which order. The evidence is the page of `verify --html`, card by
card.
"""

from __future__ import annotations

import base64
from collections.abc import Collection

from runner.contract import Evaluation, sha256_hex
from runner.error_shares import worst_share
from runner.headline import baseline_label, gpu_label
from runner.html_parts import (
    Markup,
    bullets,
    element,
    fold,
    join,
    paragraph,
    section,
    table,
)
from runner.html_report import (
    Page,
    evidence_sections,
    kernel_section,
    machine_section,
    problem_section,
)
from runner.results import Results
from runner.site.assets import render
from runner.site.folder import KernelFolder, Picture
from runner.site.history import history_section
from runner.site.index_page import Entry, badge
from runner.site.links import Forge, issue_link, pull_request_link
from runner.site.matrix import matrix_section
from runner.site.standing import why_no_headline
from runner.timing_text import ABSENT, ratio_text

MAX_ATTEMPT_ROWS = 200
# Cards that a link at the top leads to.
_NAMED = {
    "history": "History",
    "pictures": "Pictures",
    "speed": "Speed",
    "matrix": "Errors",
    "resources": "Compiled",
    "kernel": "Source",
    "problem": "Problem",
    "making": "Run",
}


def render_kernel(entry: Entry, forge: Forge) -> str:
    """The page as HTML."""
    folder = entry.folder
    cards: dict[str, Markup] = {}
    if folder.faults or folder.edited:
        cards["faults"] = _warnings(folder)
    cards["history"] = history_section(entry.nights)
    if folder.pictures:
        cards["pictures"] = _pictures(folder.pictures)
    cards |= _evidence(folder)
    if folder.source is not None:
        cards["kernel"] = kernel_section(folder.source, sha256_hex(folder.source))
    if folder.problem is not None:
        cards["problem"] = problem_section(folder.problem)
    if folder.results is not None:
        cards["making"] = _making(folder.results)
    body = join([_ways(cards), _header(entry, forge), *cards.values()])
    return render(f"{folder.name}: {entry.standing.word}", body)


def _ways(cards: Collection[str]) -> Markup:
    """Back to the index, and to the cards that people come for."""
    links = [element("a", "All kernels", href="../index.html")]
    links += [element("a", name, href=f"#{card}") for card, name in _NAMED.items() if card in cards]
    return element("nav", *(part for link in links for part in (link, " ")))


def _header(entry: Entry, forge: Forge) -> Markup:
    folder, standing = entry.folder, entry.standing
    summary = folder.problem.summary if folder.problem else ""
    links = [link for link in (pull_request_link(folder, forge), issue_link(folder, forge)) if link]
    linked = [part for link in links for part in (link, " ")]
    return element(
        "header",
        badge(standing),
        element("h1", folder.name),
        paragraph(summary) if summary else "",
        paragraph(standing.reason, class_="quiet"),
        _tiles(entry),
        paragraph("On GitHub: ", *linked, class_="links") if linked else "",
        class_=f"verdict {standing.kind}",
    )


def _tiles(entry: Entry) -> Markup:
    folder, standing = entry.folder, entry.standing
    headline = standing.headline
    tiles: list[tuple[str, str, str]] = []
    if headline is None:
        tiles.append(("speed", ABSENT, why_no_headline(folder, standing)))
    else:
        count = f"{headline.workloads} workload{'s' if headline.workloads > 1 else ''}"
        low, high = ratio_text(headline.low), ratio_text(headline.high)
        note = f"{low} to {high} (95 %), geometric mean of {count}"
        name = f"times as fast as {baseline_label(headline.baseline)}"
        tiles.append((name, ratio_text(headline.ratio), note))
    if standing.roofline is not None:
        least, most = standing.roofline
        tiles.append(("of roofline", f"{least:.0%} to {most:.0%}", "over the workloads"))
    tiles += _error_tile(folder.standing_evaluation)
    where = standing.environment
    if where is not None:
        tiles.append(
            ("judged on", gpu_label(where) or "cpu", f"torch {where.torch}, triton {where.triton}")
        )
    seen = standing.verified_on.isoformat() if standing.verified_on else ABSENT
    tiles.append(("verified", seen, "by a night" if standing.verified_on else "by no night yet"))
    return element(
        "dl",
        *(
            element("div", element("dt", name), element("dd", value, element("span", note)))
            for name, value, note in tiles
        ),
        class_="tiles",
    )


def _error_tile(evaluation: Evaluation | None) -> list[tuple[str, str, str]]:
    if evaluation is None or evaluation.correctness is None:
        return []
    cases = evaluation.correctness.cases
    share = max(worst_share(case) for case in cases)
    return [("largest error", f"{share:.0%}", f"of its budget, {len(cases)} comparisons")]


def _warnings(folder: KernelFolder) -> Markup:
    told = [
        f"{name} is not what the recorded verdict is about: it was edited afterwards."
        for name in folder.edited
    ]
    return section("What is wrong with this folder", bullets([*told, *folder.faults]), id_="faults")


def _pictures(pictures: tuple[Picture, ...]) -> Markup:
    """The committed pictures, as images: whatever is inside, a browser runs and loads nothing."""
    shown = [
        element(
            "figure",
            element("img", src=_data_address(row.svg), alt=row.text),
            element("figcaption", row.text),
        )
        for row in pictures
    ]
    return section("Pictures of the run", *shown, id_="pictures")


def _data_address(svg: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _evidence(folder: KernelFolder) -> dict[str, Markup]:
    """The recorded verdict. Speed comes first here: people come to compare kernels."""
    results, problem = folder.results, folder.problem
    if results is None or results.evaluation is None or problem is None:
        return {}
    page = Page(
        problem=problem,
        source=folder.source or "",
        evaluation=results.evaluation,
        environment=results.environment,
        quick=False,
    )
    note = "What follows is the verdict that was recorded when the kernel was made" + (
        ", about the files as they were then." if folder.edited else "."
    )
    found = evidence_sections(page)
    cards = {"note": paragraph(note, class_="quiet between")}
    if "speed" in found:
        cards["speed"] = found["speed"]
    if results.evaluation.correctness is not None:
        cards["matrix"] = matrix_section(results.evaluation.correctness)
    # A name that is there keeps its place.
    return {**cards, **found, "machine": machine_section(page)}


def _making(results: Results) -> Markup:
    """How the kernel came to be: the model, the cost, and each attempt."""
    cost = results.cost
    facts = [
        ("outcome", results.outcome.value),
        ("model", results.model),
        ("ended", results.stopped_because),
        ("generation", str(results.generation)),
        (
            "time",
            f"{cost.wall_s:.1f} s; model {cost.model_s:.1f} s, verifier {cost.verifier_s:.1f} s",
        ),
        ("tokens", _tokens(results)),
        ("cost", "not known" if cost.usd is None else f"US$ {cost.usd:.2f}"),
    ]
    rows = [
        (
            str(row.index),
            row.phase,
            row.status,
            "best so far" if row.kept else "",
            row.summary[:300],
        )
        for row in results.attempts[:MAX_ATTEMPT_ROWS]
    ]
    header = ("attempt", "phase", "status", "", "what the verifier said")
    left_out = len(results.attempts) - len(rows)
    more = paragraph(f"{left_out} further attempts are in results.json.") if left_out else ""
    title = f"Every attempt ({len(results.attempts)})"
    tried = fold(title, table(header, rows, numeric=(0,)), more) if rows else ""
    return section("How it was made", table(("", ""), facts), tried, id_="making")


def _tokens(results: Results) -> str:
    cost = results.cost
    if cost.prompt_tokens is None or cost.completion_tokens is None:
        return "not counted"
    return f"{cost.prompt_tokens:,} in, {cost.completion_tokens:,} out"
