"""Puts what the stages found together into one Evaluation: the first failure of the cascade counts.

Owns the order of findings: compilation of the first workload, the sweep, the rest of compilation.
It does not depend on which process was quicker. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from runner.contract import (
    Candidate,
    Check,
    Correctness,
    Evaluation,
    EvaluationStatus,
    KernelResources,
    Performance,
)
from runner.verifier.compile_stage import Compiled
from runner.verifier.finding import Finding, first_line, trim
from runner.verifier.resources import describe_resources
from runner.verifier.sweep import Swept
from runner.verifier.wire import LAUNCH


def stops(compiled: Compiled) -> bool:
    """Whether compilation decides before the sweep. Host errors are left to it: it says more."""
    finding = compiled.finding
    if finding is None or compiled.crashed or not compiled.early:
        return False
    return finding.status is not EvaluationStatus.RUNTIME_ERROR


def conclude(
    candidate: Candidate, compiled: Compiled, swept: Swept, times: dict[str, float]
) -> Evaluation:
    """The first failure in the order of the cascade, whichever process found it first."""
    if swept.smoke_s is not None:
        times["smoke"] = swept.smoke_s
    if compiled.finding is not None and stops(compiled):
        return evaluation_of(candidate, compiled.finding, times)
    if swept.finding is not None:
        return evaluation_of(candidate, swept.finding, times, swept=swept)
    finding = compiled.finding or _unequal_paths(compiled, swept)
    if finding is not None:
        return evaluation_of(candidate, finding, times, compiled, swept)
    passed = Finding(
        status=EvaluationStatus.PASSED,
        stage="integrity",
        summary=f"correct on {len(swept.errors)} comparisons; compiles for sm_90",
        detail=describe_resources(compiled.resources, compiled.notes),
    )
    return evaluation_of(candidate, passed, times, compiled, swept)


def _unequal_paths(compiled: Compiled, swept: Swept) -> Finding | None:
    """What ran in the interpreter must be what was compiled for the same workload."""
    for workload, launched in swept.kernels.items():
        missing = launched - compiled.kernels.get(workload, frozenset())
        if missing:
            names = ", ".join(sorted(missing))
            return Finding(
                status=EvaluationStatus.CHEATED,
                stage="integrity",
                summary=f"{names} ran when checked but was not compiled for {workload}",
                detail="The host code must not depend on where it runs.",
            )
    return None


def unequal_blocks(compiled: Compiled, swept: Swept) -> tuple[str, ...]:
    """The workloads for which the interpreter ran a block that the compiler left out, or a launch
    that was not compiled."""
    if compiled.finding is not None or swept.finding is not None:
        return ()
    return tuple(
        workload
        for workload, ran in swept.blocks.items()
        if not ran <= compiled.blocks.get(workload, frozenset())
    )


def shown_another(
    workload: str, seen: frozenset[str], idle: frozenset[str] | None, ran: frozenset[str] | None
) -> Finding | None:
    """The finding where that is so for equal inputs, too.

    `seen`: by the compiler. `idle`, `ran`: in the interpreter, for inputs as the compiler had them,
    without and with programs that run; None where the call failed.
    """
    same_host = idle is None or idle <= seen
    # Else it reads what its kernels computed, and no more can be said.
    comparable = ran is not None and _launches(ran) <= seen
    if same_host and (ran is None or not comparable or ran <= seen):
        return None
    return Finding(
        status=EvaluationStatus.CHEATED,
        stage="integrity",
        summary=f"a part of its kernels ran when checked but was not compiled for {workload}",
        detail="Neither host code nor a kernel may depend on whether it is interpreted or "
        "compiled: the same inputs must take the same branches.",
    )


def _launches(blocks: frozenset[str]) -> frozenset[str]:
    return frozenset(block for block in blocks if block.startswith(f"{LAUNCH}:"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What a GPU run found besides correctness. `not_timed`: workload → why."""

    resources: tuple[KernelResources, ...] = ()
    checks: tuple[Check, ...] = ()
    performance: Performance | None = None
    not_timed: Mapping[str, str] = field(default_factory=dict)


def conclude_on_gpu(
    candidate: Candidate,
    swept: Swept,
    finding: Finding | None,
    times: dict[str, float],
    passed: Passed,
) -> Evaluation:
    """The first failure in the order of the cascade, or PASSED with what was measured."""
    if swept.smoke_s is not None:
        times["smoke"] = swept.smoke_s
    finding = swept.finding or finding
    if finding is None and not passed.resources:
        finding = Finding(
            status=EvaluationStatus.CHEATED,
            stage="integrity",
            summary="no kernel of its own was compiled by the judge's assembler",
            detail="What was launched did not come from Triton's compiler in this run.",
        )
    if finding is not None:
        found = evaluation_of(candidate, finding, times, swept=swept, device="cuda")
        return found.model_copy(update={"resources": passed.resources})
    summary = f"correct on {len(swept.errors)} comparisons"
    if passed.performance is not None:
        summary += f"; timed on {len(passed.performance.timings)} workload(s)"
    elif passed.not_timed:
        workload, reason = next(iter(passed.not_timed.items()))
        summary += f"; not timed, {workload} for example: {reason}"
    honest = Finding(
        status=EvaluationStatus.PASSED,
        stage="timing" if passed.performance else "integrity",
        summary=summary,
        detail=describe_resources(passed.resources, ()),
    )
    return Evaluation(
        status=honest.status,
        candidate_sha256=candidate.sha256,
        device="cuda",
        stage=honest.stage,
        summary=honest.summary,
        detail=honest.detail,
        correctness=Correctness(cases=swept.errors),
        resources=passed.resources,
        performance=passed.performance,
        checks=(*swept.checks, *passed.checks),
        stage_s={name: round(seconds, 4) for name, seconds in times.items()},
    )


def evaluation_of(
    candidate: Candidate,
    finding: Finding,
    times: dict[str, float],
    compiled: Compiled | None = None,
    swept: Swept | None = None,
    *,
    device: Literal["cpu", "cuda"] = "cpu",
) -> Evaluation:
    """The verdict that `finding` amounts to, with the figures that belong to it."""
    errors = swept.errors if swept is not None else ()
    passed = finding.status is EvaluationStatus.PASSED
    return Evaluation(
        status=finding.status,
        candidate_sha256=candidate.sha256,
        device=device,
        stage=finding.stage,
        summary=first_line(finding.summary),
        detail=trim(finding.detail),
        correctness=Correctness(cases=errors) if errors else None,
        resources=compiled.resources if compiled is not None else (),
        checks=swept.checks if passed and swept is not None else (),
        stage_s={name: round(seconds, 4) for name, seconds in times.items()},
    )
