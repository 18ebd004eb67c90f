"""The one figure by which a kernel is known: its speed against the strongest baseline. Pure.

Owns which baseline that is and how both are named, so that a title, a README, a docstring and a
picture say the same. Claims nothing that the interval of any workload does not allow.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from runner.contract import Environment, Evaluation, Outcome, Performance

_LABELS = {
    "eager": "PyTorch eager",
    "compile": "torch.compile",
    "compile_max_autotune": "torch.compile max-autotune",
}
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9 _+()]")
_VENDOR = re.compile(r"^(NVIDIA|AMD|Intel)\s+", re.IGNORECASE)
MAX_NAME_CHARS = 40
TIMES = "×"  # noqa: RUF001 - the sign for 'times', as readers expect it


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """A kernel against one baseline: the geometric mean of the ratios over `workloads` of them.

    `lowest` and `highest` are the ratios of single workloads. Above 1: the kernel is faster.
    """

    baseline: str
    ratio: float
    lowest: float
    highest: float
    workloads: int


def mean_ratios(performance: Performance) -> dict[str, float]:
    """The geometric mean of the ratios to each baseline that was timed on every workload."""
    return {lead.baseline: lead.ratio for lead in _leads(performance)}


def lead_over_strongest(performance: Performance | None) -> Lead | None:
    """The kernel against the baseline that is hardest to beat; None where none was timed."""
    leads = _leads(performance) if performance is not None else []
    return min(leads, key=lambda lead: lead.ratio, default=None)


def baseline_label(name: str) -> str:
    """How a baseline is called before people."""
    return _LABELS.get(name, tame(name))


def gpu_label(environment: Environment) -> str:
    """The GPU's name without its vendor; empty where there is none."""
    return tame(_VENDOR.sub("", environment.gpu or ""))


def tame(name: str) -> str:
    """A name from elsewhere, with nothing in it that Markdown, XML or a title gives a meaning."""
    return " ".join(_NOT_IN_A_NAME.sub(" ", name).split())[:MAX_NAME_CHARS]


def times_text(ratio: float) -> str:
    """A ratio with two decimals, from 10 on with none, and the sign for 'times'."""
    return f"{ratio:.0f}{TIMES}" if ratio >= 10 else f"{ratio:.2f}{TIMES}"


def claim(outcome: Outcome, best: Evaluation | None, environment: Environment) -> str:
    """What may be said of a run in one line, in a title for example. Plain text.

    A win is named only where the outcome is IMPROVED; any other ratio stands behind 'no
    significant win'.
    """
    if best is None or outcome is Outcome.UNSOLVED:
        return "no kernel passed"
    if best.performance is None:
        return "correct, not timed"
    lead = lead_over_strongest(best.performance)
    if lead is None:
        return "correct, no baseline timed"
    where = f" on {gpu_label(environment)}" if gpu_label(environment) else ""
    figure = f"{times_text(lead.ratio)} vs {baseline_label(lead.baseline)}{where}"
    return figure if outcome is Outcome.IMPROVED else f"correct, no significant win ({figure})"


def _leads(performance: Performance) -> list[Lead]:
    found: dict[str, list[float]] = {}
    for timing in performance.timings:
        for row in timing.baselines:
            found.setdefault(row.name, []).append(row.ratio)
    count = len(performance.timings)
    return [
        Lead(
            baseline=name,
            ratio=math.exp(math.fsum(map(math.log, ratios)) / count),
            lowest=min(ratios),
            highest=max(ratios),
            workloads=count,
        )
        for name, ratios in found.items()
        # A baseline that failed on a hard workload must not look better for it.
        if len(ratios) == count
    ]
