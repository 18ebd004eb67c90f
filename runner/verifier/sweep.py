"""Stages 3 to 5: runs the candidate on every case and judges what came back.

Owns the order of cases and of the looks at one call: memory, form, numbers, integrity. Nothing the
worker says makes a case pass.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from runner.contract import Candidate, Check, EvaluationStatus, OutputError
from runner.problem import Problem
from runner.verifier.arena import Slot, settle
from runner.verifier.bytewise import same_bytes
from runner.verifier.comparison import compare
from runner.verifier.evidence import (
    checks_passed,
    nobody_has,
    on_case,
    raised,
    worker_failed,
    wrote_outside,
)
from runner.verifier.finding import KERNEL_FILE, Finding
from runner.verifier.inputs import NORMAL
from runner.verifier.integrity import Facts, judge_integrity, moved_of
from runner.verifier.judgement import compare_outputs, judge_outputs
from runner.verifier.layouts import POISON, SECOND_START, behind, input_slots, written_outside
from runner.verifier.modules.job import build_job, call_seed, entry_job, kept_inputs
from runner.verifier.modules.values import OTHER_PARAMETERS
from runner.verifier.oracle import Oracle, PreparedCase
from runner.verifier.outputs import read_outputs
from runner.verifier.patterns import describe_sizes
from runner.verifier.process import WorkerFailed, WorkerProcess
from runner.verifier.second_look import judge_without_kernels

__all__ = ["Sweep", "Swept", "compare_outputs", "worker_failed"]

# After a wrong answer the other workloads are tried as well, to say where it is right.
_SURVEY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What the sweep found: every comparison made, and the kernels launched, and blocks of their
    code run, by workload.

    `checks`: what was looked at, when all of it was in order.
    """

    finding: Finding | None
    errors: tuple[OutputError, ...]
    kernels: dict[str, frozenset[str]]
    smoke_s: float | None
    checks: tuple[Check, ...] = ()
    blocks: dict[str, frozenset[str]] = field(default_factory=dict)


class Sweep:
    """Runs one candidate in one worker."""

    def __init__(self, problem: Problem, worker: WorkerProcess, oracle: Oracle) -> None:
        self._problem = problem
        self._worker = worker
        self._oracle = oracle
        self._errors: list[OutputError] = []
        self._kernels: dict[str, frozenset[str]] = {}
        self._blocks: dict[str, frozenset[str]] = {}
        self._outputs: list[torch.Tensor] = []  # of the last call
        self._smoke_s: float | None = None
        self._calls = 0
        self._binding: object = None  # how a module takes its parameters

    def run(self, candidate: Candidate, deadline: float) -> Swept:
        """All cases in order, until one fails."""
        finding = self._load(candidate, deadline)
        cases = self._oracle.cases if finding is None else ()
        fixed = self._oracle.fixed
        for number, case in enumerate(cases):
            if case.distribution == OTHER_PARAMETERS and self._binding == "seed" and not fixed:
                continue  # its parameters are its own: those that the seed gave it
            finding = self._judge_case(number, deadline)
            if finding is not None:
                if finding.status is EvaluationStatus.INCORRECT_NUMERICAL:
                    finding = self._survey(finding, number, deadline)
                break
        if finding is None and self._worker.arena.device.type == "cpu":
            finding = self.judge_without_kernels(deadline)
        return Swept(
            finding=finding,
            errors=tuple(self._errors),
            kernels=self._kernels,
            blocks=self._blocks,
            smoke_s=self._smoke_s,
            checks=checks_passed(cases, self._calls) if finding is None else (),
        )

    def _load(self, candidate: Candidate, deadline: float) -> Finding | None:
        job = {"op": "load", "file": KERNEL_FILE, "entry": entry_job(self._problem)}
        try:
            reply = self._worker.ask({**job, "source": candidate.source}, deadline)
        except WorkerFailed as error:
            return worker_failed(error, "smoke", "while it was imported")
        if reply.get("ok") is not True:
            return raised(reply, "smoke", "while it was imported")
        return None

    def _judge_case(self, number: int, deadline: float) -> Finding | None:
        """Case `number`, the first one twice. Nothing is held of it when it is done with: of a
        large problem two cases at once are more than a GPU has room for."""
        started = time.monotonic()
        prepared = self._oracle.case(number)
        stage = "held-out" if prepared.case.held_out else "sweep" if number else "smoke"
        try:
            finding = self._judge(prepared, stage, deadline)
            if number:
                return finding
            self._smoke_s = time.monotonic() - started
            return self._repeat(prepared, finding, deadline)
        finally:
            self._outputs = []

    def _judge(
        self, prepared: PreparedCase, stage: str, deadline: float, start: int = 0
    ) -> Finding | None:
        """One call: it ran, its outputs are right, and it was honest about it."""
        arena, case, problem = self._worker.arena, prepared.case, self._problem
        names = [spec.name for spec in self._problem.inputs]
        slots = dict(zip(names, input_slots(self._problem, case, start), strict=True))
        try:
            reply = self._call(prepared, slots, deadline)
        except WorkerFailed as error:
            return worker_failed(error, stage, on_case(case))
        if reply.get("ok") is not True:
            return raised(reply, stage, on_case(case))
        outputs = read_outputs(self._problem, case, reply, arena, stage)
        kept = kept_inputs(self._problem)
        changed = [
            name for name, slot in slots.items()
            if name in kept and not same_bytes(arena.tensor(slot), prepared.inputs[name])
        ]  # fmt: skip
        facts = Facts.from_reply(reply)
        changed += [name for name in moved_of(reply, names) if name not in changed]
        # Bands are looked at last: where inputs have gaps, that overwrites them.
        around = written_outside(arena, slots, start)
        finding = wrote_outside(self._problem, case, stage, facts.overruns, around)
        if finding is not None:
            return finding
        if isinstance(outputs, Finding):
            return outputs
        self._outputs = outputs
        rows, finding = judge_outputs(self._problem, prepared, outputs, stage, facts)
        self._errors += rows
        if finding is not None and case.distribution == OTHER_PARAMETERS:
            finding = nobody_has(finding, reply)
        if finding is None:
            known = self._kernels.get(str(case.workload), frozenset())
            self._kernels[str(case.workload)] = known | frozenset(facts.launches)
            ran = self._blocks.get(str(case.workload), frozenset())
            self._blocks[str(case.workload)] = ran | facts.blocks
            finding = judge_integrity(
                facts,
                changed,
                self._problem.library_ops,
                library_calls=None if problem.module is None else problem.module.library_calls,
                something_due=any(output.numel() for output in outputs),
            )
        return finding

    def judge_without_kernels(self, deadline: float) -> Finding | None:
        """After `run`: whether its kernels do anything. Part of `run` on a CPU.

        On a GPU a library's kernel that is given what nobody wrote may take the context with it:
        nothing is asked of the worker after that.
        """
        if not self._kernels:
            return None

        def call(prepared: PreparedCase, slots: dict[str, Slot]) -> dict[str, Any]:
            return self._call(prepared, slots, deadline, idle=True)

        return judge_without_kernels(self._problem, self._oracle, self._worker.arena, call)

    def _call(
        self,
        prepared: PreparedCase,
        slots: dict[str, Slot],
        deadline: float,
        *,
        idle: bool = False,
    ) -> dict[str, Any]:
        """`idle`: kernels are launched and do nothing."""
        arena = self._worker.arena
        if self._problem.module is not None:
            job = build_job(self._problem, prepared.case, self._oracle.fixed_states)
            reply = self._worker.ask(job, deadline)
            if reply.get("ok") is not True:
                return reply
            self._binding = reply.get("binding")
        # What nobody writes must not look like an answer: all ones is NaN in every float type.
        arena.fill(POISON, arena.size_bytes)
        for name, slot in slots.items():
            arena.tensor(slot).copy_(prepared.inputs[name])
        settle(arena.device)
        self._calls += 1
        call = {
            "op": "call",
            "inputs": [slot.to_json() for slot in slots.values()],
            "outputs_at": behind(list(slots.values())),
            "precise": False,
            **({"idle": True} if idle else {}),
            "seed": call_seed(self._problem, prepared.case),
        }
        return self._worker.ask(call, deadline)

    def _repeat(
        self, prepared: PreparedCase, finding: Finding | None, deadline: float
    ) -> Finding | None:
        """The same inputs at other addresses: a race or unwritten memory shows itself here."""
        wrong = EvaluationStatus.INCORRECT_NUMERICAL
        if finding is not None and finding.status is not wrong:
            return finding
        once, recorded = self._outputs, len(self._errors)
        again = self._judge(prepared, "smoke", deadline, SECOND_START)
        if again is not None and again.status is not wrong:
            return again if finding is None else finding
        multiplier = self._problem.tolerance.multiplier
        steady = all(
            compare(two, replace(truth, exact=one.to(torch.float64)), multiplier).passed
            for one, two, truth in zip(once, self._outputs, prepared.expected, strict=True)
        )
        if finding is not None or again is None:
            # One row a case: only a second answer that is wrong has something to add.
            del self._errors[recorded:]
        told = finding or again
        if told is None or steady:
            return told
        return replace(
            told,
            summary=f"differs from run to run: {told.summary}",
            detail=f"{told.detail}\nThe same inputs at other addresses gave another result, by "
            "more than the budget: a race, uninitialised memory, or an answer that depends on "
            "addresses.",
        )

    def _survey(self, finding: Finding, number: int, deadline: float) -> Finding:
        """Add on which other workloads the candidate is right; their errors are not recorded."""
        cases = self._oracle.cases
        failed = cases[number].workload
        wrong = {str(failed): failed}
        passed = {str(case.workload): case.workload for case in cases[:number]}
        passed.pop(str(failed), None)
        recorded = len(self._errors)
        deadline = min(deadline, time.monotonic() + _SURVEY_S)
        for later in range(number + 1, len(cases)):
            if cases[later].distribution != NORMAL:
                continue
            if time.monotonic() > deadline:
                break
            other = self._judge(self._oracle.case(later), "sweep", deadline)
            self._outputs = []
            if other is not None and other.status is not EvaluationStatus.INCORRECT_NUMERICAL:
                break
            workload = cases[later].workload
            if other is not None:
                passed.pop(str(workload), None)
                wrong[str(workload)] = workload
            elif str(workload) not in wrong:
                passed[str(workload)] = workload
        del self._errors[recorded:]
        lines = [finding.detail]
        if passed:
            lines.append(f"Right on: {'; '.join(sorted(passed))}")
        if len(wrong) > 1:
            lines.append(f"Wrong on: {'; '.join(sorted(wrong))}")
        sizes = describe_sizes(list(passed.values()), list(wrong.values()))
        if sizes is not None:
            lines.append(f"By size: {sizes}.")
        return Finding(
            status=finding.status,
            stage=finding.stage,
            summary=finding.summary,
            detail="\n".join(lines),
        )
