"""Workloads and kinds of inputs at one look: how much of its error budget each comparison used.

Owns the table alone; the comparisons in full stand in the card on correctness.
"""

from __future__ import annotations

from runner.contract import Correctness
from runner.error_shares import ShareMatrix, share_matrix
from runner.html_parts import Markup, code, element, paragraph, section

# Shades of the budget used; above the last one is a failure.
_STEPS = (0.2, 0.4, 0.6, 0.8, 1.0)


def matrix_section(correctness: Correctness) -> Markup:
    """One row a workload, one column a distribution; over several outputs the worst counts."""
    matrix = share_matrix(correctness.cases)
    head = [element("th", "workload", scope="col")]
    head += [element("th", name, scope="col") for name in matrix.distributions]
    body = [
        element(
            "tr",
            element("th", code(str(workload)), scope="row"),
            *(
                element(
                    "td",
                    matrix.text(workload, name),
                    class_=_shade(matrix, (str(workload), name)),
                )
                for name in matrix.distributions
            ),
        )
        for workload in matrix.workloads
    ]
    whole = element(
        "table", element("thead", element("tr", *head)), element("tbody", *body), class_="matrix"
    )
    note = (
        "The share of its error budget that the worst output used. A dash: the two did not meet; "
        "every workload meets normal inputs, and others by lot."
    )
    return section(
        "Errors at one look",
        paragraph(note, class_="quiet"),
        element("div", whole, class_="scroll", tabindex="0"),
        id_="matrix",
    )


def _shade(matrix: ShareMatrix, place: tuple[str, str]) -> str:
    share = matrix.shares.get(place)
    if share is None:
        return "none"
    return next((f"step-{n}" for n, limit in enumerate(_STEPS) if share <= limit), "over")
