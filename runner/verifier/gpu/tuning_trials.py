"""Every configuration once on every benchmark workload: does it compile, run and answer right?

Owns what is dropped before anything is timed, and why. Configurations are compiled in parallel,
each by its member of the crew; a wrong one is fast for the wrong reason, so it is never timed.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.contract import Workload
from runner.problem import Problem
from runner.tune.types import Config
from runner.verifier.arena import SharedMemory, Slot, lay_out, settle
from runner.verifier.assembler import Assembled
from runner.verifier.gpu.tuning_crew import Crew, Member
from runner.verifier.inputs import Case
from runner.verifier.judgement import compare_outputs
from runner.verifier.layouts import POISON
from runner.verifier.modules.job import build_job, call_seed
from runner.verifier.oracle import PreparedCase
from runner.verifier.process import WorkerFailed

TRIAL_TIMEOUT_S = 30.0  # of one configuration on one workload, its compilation included
COMPILE, SHARED, RUN = "does not compile", "exceeds shared memory", "fails when it runs"
HUNG, WRONG, LATE = "hangs or dies", "gives wrong results", "no time to compile it"
SPILLS = "spills heavily"


@dataclass(slots=True, kw_only=True)
class Trials:
    """What is known so far. `reasons`: why a configuration is out. `spill_bytes`: its worst."""

    reasons: dict[int, str] = field(default_factory=dict)
    spill_bytes: dict[int, int] = field(default_factory=dict)
    said: dict[int, str] = field(default_factory=dict)  # of those that failed, one sentence


class Trial:
    """Runs configurations of one candidate. `reports`: see `toolchain.Toolchain`."""

    def __init__(
        self,
        problem: Problem,
        arena: SharedMemory,
        crew: Crew,
        configs: Sequence[Config],
        reports: Mapping[str, Assembled],
    ) -> None:
        self._problem = problem
        self._arena = arena
        self._crew = crew
        self._configs = configs
        self._reports = reports
        self.deadline = math.inf  # nothing is waited for any longer (time.monotonic seconds)
        self._comparing = threading.Lock()  # one comparison's float64 copies at a time
        self.found = Trials()

    def run(self, prepared: PreparedCase, numbers: Sequence[int], until: float) -> None:
        """Try `numbers` on one case; none is begun after `until` (time.monotonic seconds)."""
        slots = self._put(prepared)
        reached: set[int] = set()

        def task(member: Member, number: int) -> None:
            reached.add(number)
            # Alone, a call has all of the room: no crew was made small enough for every test.
            place = self._crew.number_of(member) if len(numbers) > 1 else 0
            outputs_at = _outputs_at(self._problem, prepared.case.workload, place)
            reason = self._try(member, number, prepared, slots, outputs_at)
            if reason is not None:
                self.found.reasons[number] = reason

        self._crew.do(numbers, task, lambda: time.monotonic() < until)
        for number in set(numbers) - reached:
            self.found.reasons[number] = LATE

    def alive(self, numbers: Sequence[int]) -> list[int]:
        """Those of `numbers` that nothing speaks against."""
        return [number for number in numbers if number not in self.found.reasons]

    def _put(self, prepared: PreparedCase) -> tuple[Slot, ...]:
        rows = [(s.dtype, s.concrete_shape(prepared.case.workload)) for s in self._problem.inputs]
        slots = lay_out(rows)
        for spec, slot in zip(self._problem.inputs, slots, strict=True):
            self._arena.tensor(slot).copy_(prepared.inputs[spec.name])
        settle(self._arena.device)
        return slots

    def _try(
        self,
        member: Member,
        number: int,
        prepared: PreparedCase,
        slots: tuple[Slot, ...],
        outputs_at: int,
    ) -> str | None:
        """One call, and its outputs beside the truth; the reason to drop the configuration."""
        self._poison(prepared.case.workload, outputs_at)
        job = {
            "op": "call",
            "inputs": [slot.to_json() for slot in slots],
            "outputs_at": outputs_at,
            "precise": False,
            "seed": call_seed(self._problem, prepared.case),
        }
        deadline = min(time.monotonic() + TRIAL_TIMEOUT_S, self.deadline)
        config = self._configs[number]
        try:
            reply = self._build(member, config, prepared.case, deadline)
            if reply.get("ok") is True:
                reply = member.ask(config, job, deadline)
        except WorkerFailed as error:
            self.found.said[number] = error.reason
            return HUNG
        if reply.get("ok") is not True:
            self.found.said[number] = str(reply.get("message"))[:200]
            return _why(reply)
        spilled = _spill_bytes(reply, self._reports)
        self.found.spill_bytes[number] = max(spilled, self.found.spill_bytes.get(number, 0))
        with self._comparing:
            finding = compare_outputs(self._problem, prepared, reply, self._arena)
        if finding is not None:
            self.found.said[number] = finding.summary
            return WRONG
        return None

    def _build(self, member: Member, config: Config, case: Case, deadline: float) -> dict[str, Any]:
        """A module is made for the case, with the parameters and draws that its truth had."""
        if self._problem.module is None:
            return {"ok": True}
        return member.ask(config, build_job(self._problem, case), deadline)

    def _poison(self, workload: Workload, outputs_at: int) -> None:
        """What a configuration leaves unwritten must not look like another one's answer."""
        size = min(output_room_bytes(self._problem, workload), self._arena.size_bytes - outputs_at)
        self._arena.tensor(Slot(dtype="uint8", shape=(size,), offset=outputs_at)).fill_(POISON)
        settle(self._arena.device)


def output_room_bytes(problem: Problem, workload: Workload) -> int:
    """What the outputs of one call take in the arena, up to where the next call's may begin."""
    rows = [(spec.dtype, spec.concrete_shape(workload)) for spec in problem.outputs]
    return lay_out(rows)[-1].next_offset


def rooms(problem: Problem, workload: Workload, arena_bytes: int) -> int:
    """How many calls at a time have room for their outputs, beside the inputs of all."""
    left_bytes = arena_bytes - _outputs_at(problem, workload, 0)
    return max(1, left_bytes // output_room_bytes(problem, workload))


def _outputs_at(problem: Problem, workload: Workload, place: int) -> int:
    """Where the outputs of call number `place` lie, of those made at a time."""
    inputs = lay_out([(s.dtype, s.concrete_shape(workload)) for s in problem.inputs])
    start = inputs[-1].next_offset if inputs else 0
    return start + place * output_room_bytes(problem, workload)


def _why(reply: Mapping[str, Any]) -> str:
    said = f"{reply.get('type')} {reply.get('message')}"
    if "OutOfResources" in said or "out of resource" in said:
        return SHARED if "shared memory" in said else RUN
    return COMPILE if reply.get("stage") == "compile" else RUN


def _spill_bytes(reply: Mapping[str, Any], reports: Mapping[str, Assembled]) -> int:
    """The most that any kernel of the call spills, by the judge's own assembler."""
    rows = reply.get("kernels")
    digests = [str(row.get("ptx_sha256")) for row in rows or () if isinstance(row, dict)]
    return max((reports[digest].spill_bytes for digest in digests if digest in reports), default=0)
