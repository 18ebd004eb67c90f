"""Stages 3 to 5: runs the candidate on every case and judges what came back.

Owns the comparison with the expected outputs, which the worker never sees, and the words for what
is wrong. Nothing the worker says makes a case pass.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from runner.contract import Candidate, EvaluationStatus, OutputError
from runner.problem import Problem
from runner.verifier.finding import KERNEL_FILE, Finding, error_text, first_line, trim
from runner.verifier.inputs import NORMAL
from runner.verifier.integrity import Facts, judge_integrity
from runner.verifier.numerics import Comparison, compare
from runner.verifier.oracle import PreparedCase
from runner.verifier.outputs import read_outputs
from runner.verifier.patterns import describe_difference
from runner.verifier.process import WorkerFailed, WorkerProcess

# After a wrong answer the other workloads are tried as well, to say where it is right.
_SURVEY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What the sweep found: every comparison made, and the kernels launched by workload."""

    finding: Finding | None
    errors: tuple[OutputError, ...]
    kernels: dict[str, frozenset[str]]
    smoke_s: float | None


class Sweep:
    """Runs one candidate in one worker."""

    def __init__(
        self, problem: Problem, worker: WorkerProcess, cases: Sequence[PreparedCase]
    ) -> None:
        self._problem = problem
        self._worker = worker
        self._cases = cases
        self._errors: list[OutputError] = []
        self._kernels: dict[str, frozenset[str]] = {}
        self._smoke_s: float | None = None

    def run(self, candidate: Candidate, deadline: float) -> Swept:
        """All cases in order, until one fails."""
        finding = self._load(candidate, deadline)
        started = time.monotonic()
        for number, case in enumerate(self._cases if finding is None else ()):
            stage = "sweep" if number else "smoke"
            finding = self._judge(case, stage, deadline)
            if number == 0:
                self._smoke_s = time.monotonic() - started
            if finding is not None:
                if finding.status is EvaluationStatus.INCORRECT_NUMERICAL:
                    finding = self._survey(finding, number, deadline)
                break
        return Swept(
            finding=finding,
            errors=tuple(self._errors),
            kernels=self._kernels,
            smoke_s=self._smoke_s,
        )

    def _load(self, candidate: Candidate, deadline: float) -> Finding | None:
        job = {"op": "load", "file": KERNEL_FILE, "entry": self._problem.entry}
        try:
            reply = self._worker.ask({**job, "source": candidate.source}, deadline)
        except WorkerFailed as error:
            return _worker_failed(error, "smoke", "while it was imported")
        if reply.get("ok") is not True:
            return _raised(reply, "smoke", "while it was imported")
        return None

    def _judge(self, case: PreparedCase, stage: str, deadline: float) -> Finding | None:
        """One call: it ran, its outputs are right, and it was honest about it."""
        arena = self._worker.arena
        # What nobody writes must not look like an answer: all ones is NaN in every float type.
        arena.fill(0xFF, arena.size_bytes)
        for slot, tensor in zip(case.slots, case.inputs.values(), strict=True):
            arena.tensor(slot).copy_(tensor)
        job = {
            "op": "call",
            "inputs": [slot.to_json() for slot in case.slots],
            "outputs_at": case.outputs_at,
            "precise": False,
            "seed": case.case.seed,
        }
        try:
            reply = self._worker.ask(job, deadline)
        except WorkerFailed as error:
            return _worker_failed(error, stage, f"on {case.case}")
        if reply.get("ok") is not True:
            return _raised(reply, stage, f"on {case.case}")
        changed = [
            name
            for slot, (name, tensor) in zip(case.slots, case.inputs.items(), strict=True)
            if not _same_bytes(arena.tensor(slot), tensor)
        ]
        outputs = read_outputs(self._problem, case, reply, arena, stage)
        if isinstance(outputs, Finding):
            return outputs
        facts = Facts.from_reply(reply)
        finding = self._compare(case, outputs, stage, facts)
        if finding is None:
            known = self._kernels.get(str(case.case.workload), frozenset())
            self._kernels[str(case.case.workload)] = known | frozenset(facts.launches)
            finding = judge_integrity(self._problem.policy, facts, changed)
        return finding

    def _compare(
        self, case: PreparedCase, outputs: list[torch.Tensor], stage: str, facts: Facts
    ) -> Finding | None:
        multiplier = self._problem.tolerance.multiplier
        lines: list[str] = []
        wrong = ""
        for spec, found, expected in zip(
            self._problem.outputs, outputs, case.expected, strict=True
        ):
            comparison = compare(found, expected, multiplier)
            self._errors.append(_output_error(case, spec.name, comparison))
            if not comparison.passed:
                said = describe_difference(found, expected, comparison, spec.shape)
                wrong = wrong or f"{spec.name}: {said[0]}"
                lines += [f"Output {spec.name} on {case.case}:", *(f"- {line}" for line in said)]
        if not lines:
            return None
        lines += [f"Configuration of {name}: {text}" for name, text in facts.configs.items()]
        return Finding(
            status=EvaluationStatus.INCORRECT_NUMERICAL,
            stage=stage,
            summary=f"{wrong} on {case.case}",
            detail="\n".join(lines),
        )

    def _survey(self, finding: Finding, number: int, deadline: float) -> Finding:
        """Add on which other workloads the candidate is right; their errors are not recorded."""
        failed = self._cases[number].case.workload
        passed = {str(case.case.workload) for case in self._cases[:number]} - {str(failed)}
        wrong = {str(failed)}
        recorded = len(self._errors)
        deadline = min(deadline, time.monotonic() + _SURVEY_S)
        for case in self._cases[number + 1 :]:
            if case.case.distribution != NORMAL:
                continue
            if time.monotonic() > deadline:
                break
            other = self._judge(case, "sweep", deadline)
            if other is not None and other.status is not EvaluationStatus.INCORRECT_NUMERICAL:
                break
            (passed if other is None else wrong).add(str(case.case.workload))
        del self._errors[recorded:]
        lines = [finding.detail]
        if passed:
            lines.append(f"Right on: {'; '.join(sorted(passed))}")
        if len(wrong) > 1:
            lines.append(f"Wrong on: {'; '.join(sorted(wrong))}")
        return Finding(
            status=finding.status,
            stage=finding.stage,
            summary=finding.summary,
            detail="\n".join(lines),
        )


def _output_error(case: PreparedCase, name: str, comparison: Comparison) -> OutputError:
    return OutputError(
        workload=case.case.workload,
        distribution=case.case.distribution,
        output=name,
        elements=comparison.wrong.numel(),
        wrong_elements=int(comparison.wrong.sum()),
        max_error=comparison.max_error,
        max_budget=comparison.max_budget,
        rms_error=comparison.rms_error,
        rms_budget=comparison.rms_budget,
        worst_index=comparison.worst_index,
        expected=comparison.expected,
        found=comparison.found,
    )


def _same_bytes(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Bitwise, so that NaN equals itself."""
    if one.numel() == 0:
        return True
    return bool(torch.equal(one.flatten().view(torch.uint8), other.flatten().view(torch.uint8)))


def _raised(reply: dict[str, Any], stage: str, when: str) -> Finding:
    summary, detail = error_text(reply)
    return Finding(
        status=EvaluationStatus.RUNTIME_ERROR,
        stage=stage,
        summary=summary,
        detail=f"{detail}\nRaised {when}.",
    )


def _worker_failed(error: WorkerFailed, stage: str, when: str) -> Finding:
    tail = trim("\n".join(error.stderr.splitlines()[-12:]), 2000)
    if error.kind == "timeout":
        status, summary = EvaluationStatus.TIMEOUT, f"the candidate did not finish in time {when}"
    else:
        status = EvaluationStatus.RUNTIME_ERROR
        summary = f"the candidate's process failed {when}: {error.reason}"
    return Finding(status=status, stage=stage, summary=first_line(summary), detail=tail)
