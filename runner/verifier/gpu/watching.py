"""Stage 5 on a GPU for one worker: whose kernels run in a call, and what they are made of.

Owns the traced call and the one under CUPTI on each benchmark workload. Times nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from runner.contract import EvaluationStatus, KernelResources, Workload
from runner.problem import Problem
from runner.verifier.arena import settle
from runner.verifier.assembler import Assembled
from runner.verifier.evidence import worker_failed
from runner.verifier.finding import Finding, error_text
from runner.verifier.gpu.figures import resources_of
from runner.verifier.gpu.input_sets import TimedInputs
from runner.verifier.gpu.kernel_share import Ran, judge_profile, read_profile
from runner.verifier.gpu.timing import ENTRY
from runner.verifier.inputs import NORMAL, Case
from runner.verifier.integrity import Facts
from runner.verifier.modules.job import build_job
from runner.verifier.process import WorkerFailed, WorkerProcess

# What a profile waits for at both its ends, in seconds: longer where the last one lost events.
_MARGINS_S = (0.0, 0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


class _Refused(Exception):
    """What was seen must not be. Carries `finding`."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.summary)
        self.finding = finding


class Watching:
    """Watches one candidate, loaded in `worker`. Fills `resources` and `shares`.

    `shares`: of the GPU's kernel time, that of the candidate's own kernels, one for each workload.
    """

    def __init__(self, problem: Problem, worker: WorkerProcess, inputs: TimedInputs) -> None:
        self._problem = problem
        self._worker = worker
        self._inputs = inputs
        self.resources: list[KernelResources] = []
        self.shares: list[float] = []

    def run(
        self, workloads: Sequence[Workload], reports: Mapping[str, Assembled], deadline: float
    ) -> Finding | None:
        """All of `workloads`, until one shows what must not be. `reports`: the assembler's."""
        try:
            for workload in workloads:
                self._watch(workload, reports, deadline)
        except _Refused as refused:
            return refused.finding
        except WorkerFailed as error:
            return worker_failed(error, "integrity", "while it was watched")
        return None

    def _watch(self, workload: Workload, reports: Mapping[str, Assembled], deadline: float) -> None:
        """One traced call, for resources, and one under CUPTI, for whose kernels ran."""
        seed = secrets.randbits(48)
        sets = self._inputs.of(workload)
        settle(self._worker.arena.device)
        if self._problem.module is not None:
            # Watched and timed with the parameters that all input sets have in common.
            case = Case(
                workload=workload, distribution=NORMAL, seed=seed, module_seed=sets.module_seed
            )
            self._ask(build_job(self._problem, case), deadline)
            seed = sets.module_seed
        rows = sets.rows(1)
        call = {"op": "call", "inputs": rows[0], "outputs_at": sets.outputs_at}
        reply = self._ask({**call, "precise": False, "seed": seed}, deadline)
        facts = Facts.from_reply(reply)
        self.resources += resources_of(reply, workload, reports)
        self._judge_threads(reply)
        ran = self._profile(rows, facts.launches.keys(), deadline)
        finding = judge_profile(ran, self._problem.policy)
        if finding is not None:
            raise _Refused(finding)
        self.shares.append(ran.own_share)

    def _profile(
        self, rows: list[list[dict[str, Any]]], own: Collection[str], deadline: float
    ) -> Ran:
        """One call under CUPTI, again where it lost events: on a busy machine it does."""
        job = {"op": "profile", "who": ENTRY, "arena": 0, "inputs": rows}
        for margin_s in _MARGINS_S:
            reply = self._ask({**job, "margin_s": margin_s}, deadline)
            if reply.get("whole") is True:
                return read_profile(reply, own)
        raise _Refused(
            Finding(
                status=EvaluationStatus.RUNTIME_ERROR,
                stage="integrity",
                summary=f"CUPTI lost events in each of {len(_MARGINS_S)} profiles of a call",
                detail="Not even the judge's own kernels around the call were all seen.",
            )
        )

    def _judge_threads(self, reply: Mapping[str, Any]) -> None:
        threads = reply.get("threads")
        if isinstance(threads, int) and threads > 0:
            raise _Refused(
                Finding(
                    status=EvaluationStatus.CHEATED,
                    stage="integrity",
                    summary=f"it left {threads} thread(s) running behind the call",
                    detail="A call must be done when its stream is.",
                )
            )

    def _ask(self, job: dict[str, Any], deadline: float) -> dict[str, Any]:
        reply = self._worker.ask(job, deadline)
        if reply.get("ok") is not True:
            summary, detail = error_text(reply)
            raise _Refused(
                Finding(
                    status=EvaluationStatus.RUNTIME_ERROR,
                    stage="integrity",
                    summary=summary,
                    detail=detail,
                )
            )
        return reply
