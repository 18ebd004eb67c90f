"""Workloads and kinds of inputs at one look: how much of its error budget each comparison used.

Owns the table alone; the comparisons in full stand in the card on correctness.
"""

from __future__ import annotations

import math

from runner.contract import Correctness
from runner.error_shares import worst_share
from runner.html_parts import Markup, code, element, paragraph, section

# Shades of the budget used; the last one is the budget itself.
_STEPS = (0.2, 0.4, 0.6, 0.8, 1.0)


def matrix_section(correctness: Correctness) -> Markup:
    """One row a workload, one column a distribution; over several outputs the worst counts."""
    shares: dict[tuple[str, str], float] = {}
    for case in correctness.cases:
        place = str(case.workload), case.distribution
        shares[place] = max(shares.get(place, 0.0), worst_share(case))
    workloads = dict.fromkeys(workload for workload, _ in shares)
    distributions = dict.fromkeys(distribution for _, distribution in shares)
    head = [element("th", "workload", scope="col")]
    head += [element("th", name, scope="col") for name in distributions]
    body = [
        element(
            "tr",
            element("th", code(workload), scope="row"),
            *(_cell(shares.get((workload, name))) for name in distributions),
        )
        for workload in workloads
    ]
    whole = element(
        "table", element("thead", element("tr", *head)), element("tbody", *body), class_="matrix"
    )
    note = (
        "The share of its error budget that the worst output used. An empty cell was not drawn: "
        "every workload meets normal inputs, and others by lot."
    )
    return section(
        "Errors at one look",
        paragraph(note, class_="quiet"),
        element("div", whole, class_="scroll", tabindex="0"),
        id_="matrix",
    )


def _cell(share: float | None) -> Markup:
    if share is None:
        return element("td", "")
    if not math.isfinite(share) or share > 1:
        return element("td", "over" if math.isfinite(share) else "no value", class_="over")
    step = next(place for place, limit in enumerate(_STEPS) if share <= limit)
    return element("td", f"{share:.0%}", class_=f"step-{step}")
