"""The `reverify` command: a night at the command line.

Owns what is printed, a line for each kernel, and the judge that a real night has. With nothing to
report the exit code is 0; see `runner.cli`.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, closing

from runner.contract import Candidate
from runner.executors.choice import open_executor
from runner.executors.interruption import terminated_is_interrupted
from runner.night_record import KernelNight, NightStatus
from runner.nightly.night import Plan, run_night
from runner.nightly.one_kernel import Bench, spread
from runner.nightly.reverify import Judged
from runner.one_line import one_line
from runner.problem import Problem
from runner.verifier.options import VerifyOptions
from runner.verifier.sandbox import open_sandbox

# What a night ends well with; anything else is for somebody to look at.
_GOOD = frozenset({NightStatus.PASSED, NightStatus.NOT_COMPARABLE})


def run_reverify(
    plan: Plan, options: VerifyOptions, executor: str | None = None, bench: Bench | None = None
) -> bool:
    """Carry out the night. True where every kernel is right and none is slower.

    `executor` and `bench`: where the kernels are judged if not in this process, and how. Raises
    RunnerError; KeyboardInterrupt, also for SIGTERM, after which the files say what is done.
    """
    with terminated_is_interrupted(), ExitStack() as stack:
        judge, rows = FreshJudge(options), None
        if executor is not None and bench is not None:
            rows = spread(stack.enter_context(closing(open_executor(executor, os.environ))), bench)
        night = run_night(plan, judge, _tell, rows=rows)
    counts = {
        status.value: sum(row.status is status for row in night.kernels) for status in NightStatus
    }
    words = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    print(f"{night.night} {night.leg} {night.shard}: {words or 'no kernels'}")
    return all(row.status in _GOOD for row in night.kernels)


class FreshJudge:
    """The verifier, opened anew for each verdict: another secret seed, and other processes.

    Making one raises SandboxUnavailable: a night in which nothing can run must not begin.
    """

    def __init__(self, options: VerifyOptions) -> None:
        open_sandbox(allow_none=options.allow_no_sandbox)
        self._options = options

    def judge(self, problem: Problem, candidate: Candidate) -> Judged:
        # Imported late: torch takes seconds, and a mistyped command should not.
        from runner.environment import collect_environment
        from runner.verifier import Verifier

        with Verifier(problem, self._options) as verifier:
            evaluation = verifier.finalize(candidate)
            environment = collect_environment(device=self._options.device, sandbox=verifier.sandbox)
        return Judged(evaluation=evaluation, environment=environment)


def _tell(row: KernelNight) -> None:
    words = row.failure.summary if row.failure else next(iter(row.notes), "")
    print(one_line(f"{row.kernel}: {row.status.value}{': ' if words else ''}{words}", 300))
    sys.stdout.flush()
