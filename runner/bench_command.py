"""The `bench` command: one kernel timed against its problem's baselines on this GPU.

Owns what is printed on stdout. Times nothing itself: the verifier's final measurement does, in
fresh processes, and only for a kernel that passes.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from runner.contract import Evaluation, EvaluationStatus
from runner.errors import RunnerError
from runner.kernel_file import read_candidate
from runner.problem import Problem
from runner.terminal import open_console, print_machine, print_times, print_verdict
from runner.verify_command import verdict_document


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """What the command line asks for."""

    problem: Problem
    kernel: Path
    rounds: int
    as_json: bool
    timeout_s: float
    allow_no_sandbox: bool


def run_benchmark(asked: Benchmark) -> bool:
    """Measure the kernel and print its times. True only when it PASSED.

    Raises RunnerError, also where there is no GPU, and where a kernel that passed was not timed.
    """
    # Imported late: torch takes seconds, and a mistyped command should not.
    from runner.environment import choose_device, collect_environment
    from runner.verifier import Verifier, VerifyOptions

    started_s = time.monotonic()
    device = choose_device("cuda")
    candidate = read_candidate(asked.kernel, device)
    sandbox = None
    if isinstance(candidate, Evaluation):
        evaluation = candidate
    else:
        options = VerifyOptions(
            device=device,
            rounds=asked.rounds,
            allow_no_sandbox=asked.allow_no_sandbox,
            timeout_s=asked.timeout_s,
        )
        with Verifier(asked.problem, options) as verifier:
            evaluation = verifier.finalize(candidate)
            sandbox = verifier.sandbox
    environment = collect_environment(device=device, sandbox=sandbox) if sandbox else None
    seconds = {**evaluation.stage_s, "total": time.monotonic() - started_s}
    passed = evaluation.status is EvaluationStatus.PASSED
    if passed and evaluation.performance is None:
        raise RunnerError("the kernel passed, but no workload could be timed on this GPU")
    if asked.as_json:
        document = verdict_document(asked.problem, evaluation, seconds)
        document["environment"] = environment.model_dump(mode="json") if environment else None
        json.dump(document, sys.stdout)
        sys.stdout.write("\n")
        return passed
    console = open_console()
    if evaluation.performance is None or environment is None:
        print_verdict(console, asked.problem.name, evaluation, seconds["total"])
    else:
        print_machine(console, environment)
        print_times(console, evaluation.performance)
    return passed
