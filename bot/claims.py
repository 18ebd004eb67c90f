"""Whether a pull request's claims hold on another, clean machine. Pure.

Owns the rules. Claims are what the committed results say, which is what the body says: the kernel
is the one that was judged, it is correct, and each ratio. Only one kind of GPU is compared with
itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.records import Record
from runner.contract import (
    BaselineTiming,
    Environment,
    Evaluation,
    EvaluationStatus,
    Performance,
    sha256_hex,
)
from runner.errors import ResultsError
from runner.kernel_facts import kernel_digest
from runner.results import Results, read_results
from runner.timing_text import interval_text, standing

# Two machines with the same GPU differ by so much in the ratio of two kernels, beyond what the
# interval of either can see: other clocks, other memory, another temperature.
MACHINE_SLACK = 0.03
_RANK = {"slower": 0, "no significant difference": 1, "faster": 2}


class Claim(Record):
    """One claim, with what the results say and what was found. `holds` None: no verdict on it."""

    what: str
    recorded: str
    found: str
    holds: bool | None


class Committed(Record):
    """The texts of the problem folder at the head; None: there is no such file."""

    results: str | None
    kernel: str | None
    problem_toml: str | None
    reference: str | None


def check_claims(
    committed: Committed, evaluation: Evaluation | None, environment: Environment | None
) -> tuple[Claim, ...]:
    """Every claim of the folder against a new verdict. Without a verdict nothing is claimed."""
    if evaluation is None:
        return ()
    passed = evaluation.status is EvaluationStatus.PASSED
    correct = Claim(what="correct", recorded="PASSED", found=evaluation.status.value, holds=passed)
    if committed.results is None:
        return (correct, _faulty("is not in the folder"))
    try:
        results = read_results(committed.results)
    except ResultsError as error:
        return (correct, _faulty(str(error)))
    return (
        correct,
        *_same_texts(results, committed),
        *_speed(results, evaluation, environment),
    )


def all_hold(claims: Sequence[Claim]) -> bool:
    """Whether no claim is refuted. One without a verdict is neither held up nor refuted."""
    return all(claim.holds is not False for claim in claims)


def _faulty(reason: str) -> Claim:
    return Claim(what="results.json", recorded="what the body says", found=reason, holds=False)


def _same_texts(results: Results, committed: Committed) -> list[Claim]:
    """That the results are about this kernel and this spec: a later edit leaves them behind."""
    recorded = results.evaluation.candidate_sha256 if results.evaluation else "none"
    kernel = kernel_digest(committed.kernel or "")
    spec = sha256_hex(f"{committed.problem_toml or ''}\0{committed.reference or ''}")
    rows = (
        ("kernel.py is the kernel of the results", recorded, kernel),
        ("problem.toml and reference.py are those of the results", results.problem_sha256, spec),
    )
    return [
        Claim(what=what, recorded=before[:12], found=now[:12], holds=before == now)
        for what, before, now in rows
    ]


def _speed(
    results: Results, evaluation: Evaluation, environment: Environment | None
) -> list[Claim]:
    recorded = results.evaluation.performance if results.evaluation else None
    if recorded is None:
        return []
    here = environment.gpu if environment is not None else None
    there = results.environment.gpu
    if here != there or here is None:
        return [
            _no_verdict(f"measured on {there or 'no GPU'}", f"this machine has {here or 'no GPU'}")
        ]
    if evaluation.performance is None:
        return [_no_verdict("timed", "not timed: only a kernel that passes every check is")]
    return _ratios(recorded, evaluation.performance)


def _no_verdict(recorded: str, found: str) -> Claim:
    return Claim(what="speed", recorded=recorded, found=found, holds=None)


def _ratios(recorded: Performance, found: Performance) -> list[Claim]:
    now = {
        (str(timing.workload), row.name): row
        for timing in found.timings
        for row in timing.baselines
    }
    claims = []
    for timing in recorded.timings:
        for row in timing.baselines:
            again = now.get((str(timing.workload), row.name))
            claims.append(
                Claim(
                    what=f"vs {row.name}, {timing.workload}",
                    recorded=f"{interval_text(row)}, {standing(row)}",
                    found="not timed"
                    if again is None
                    else f"{interval_text(again)}, {standing(again)}",
                    holds=None if again is None else _ratio_holds(row, again),
                )
            )
    return claims


def _ratio_holds(claimed: BaselineTiming, found: BaselineTiming) -> bool:
    """Not slower than claimed by more than the noise, and no weaker word for it."""
    near = found.ratio_high >= claimed.ratio_low * (1 - MACHINE_SLACK)
    return near and _RANK[standing(found)] >= _RANK[standing(claimed)]
