"""How long a verdict on an honest kernel takes here and in KernelBench's own harness, side by side.

    python tests/bench/against_kernelbench.py CHECKOUT [--problems 1/1,1/19,…] [--runs 3]
        [--device cpu|cuda] [--limit 600] [--allow-no-sandbox] [--json FILE]

The kernels are those of tests/bench/honest, written for this comparison. Both judge in turns on
one GPU; of its memory neither holds more than a CUDA context while the other works. A verdict is
counted from the kernel's text to the answer: here with the verifier prepared, as in a run, where
one preparation serves every attempt (its seconds stand beside); there as its own script
eval_from_generations judges on one GPU, which starts a process for every kernel, and for its call
alone, with everything imported. Started again with the same FILE it goes on. Exit code 1 where the
two disagree.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # started by its path

from runner.contract import Candidate, EvaluationStatus
from runner.environment import choose_device, collect_environment
from runner.errors import RunnerError
from runner.files import write_atomically
from runner.problem import Problem
from runner.suites import SuiteProblem, open_suite
from runner.verifier import Verifier, VerifyOptions
from runner.verifier.sandbox import open_sandbox

HONEST = Path(__file__).with_name("honest")
HARNESS = Path(__file__).with_name("kernelbench_harness.py")
PROBLEMS = "1/1,1/19,1/23,1/36,1/40,2/12,2/57,2/76"
Measured = dict[str, Any]


def main() -> int:
    parser = make_parser()
    arguments = parser.parse_args()
    try:
        suite = open_suite(arguments.checkout)
        chosen = [suite.problem(key) for key in arguments.problems.split(",")]
        without = [one.key for one in chosen if not kernel_of(one).exists()]
        if without:
            raise RunnerError(f"{HONEST} has no kernel for {', '.join(without)}")
        found: dict[str, list[Measured]] = {}
        if arguments.json is not None and arguments.json.exists():
            found = json.loads(arguments.json.read_text())
        if arguments.runs:
            fill(chosen, found, arguments)
    except RunnerError as error:
        parser.error(str(error))
    return 0 if print_table({one: found.get(one.key, []) for one in chosen}) else 1


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkout", type=Path, help="of KernelBench")
    parser.add_argument("--problems", default=PROBLEMS, help=PROBLEMS)
    parser.add_argument("--runs", type=int, default=3, help="of each judge; 0: the table of FILE")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="of our verdict alone")
    parser.add_argument("--limit", type=float, default=600.0, metavar="S", help="for one verdict")
    parser.add_argument("--allow-no-sandbox", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser


def fill(
    chosen: list[SuiteProblem], found: dict[str, list[Measured]], arguments: argparse.Namespace
) -> None:
    """Measure what `found` lacks; on disk after every run. Raises RunnerError."""
    options = VerifyOptions(
        device=choose_device(arguments.device),
        timeout_s=arguments.limit,
        allow_no_sandbox=arguments.allow_no_sandbox,
    )
    sandbox = open_sandbox(allow_none=options.allow_no_sandbox).kind
    where = collect_environment(device=options.device, sandbox=sandbox)
    print(f"{where.gpu}, torch {where.torch}, Triton {where.triton}, sandbox {where.sandbox}\n")
    for one in chosen:
        runs = found.setdefault(one.key, [])
        if len(runs) >= arguments.runs:
            continue
        problem = one.load(allow_no_sandbox=options.allow_no_sandbox)
        while len(runs) < arguments.runs:
            runs.append(measure(one, problem, options, arguments.checkout))
            print(f"{one.key} run {len(runs)}: {json.dumps(runs[-1])}", file=sys.stderr, flush=True)
            if arguments.json is not None:
                write_atomically(arguments.json, json.dumps(found, indent=1) + "\n")


def kernel_of(one: SuiteProblem) -> Path:
    return HONEST / f"{one.key.replace('/', '_')}.py"


def measure(
    one: SuiteProblem, problem: Problem, options: VerifyOptions, checkout: Path
) -> Measured:
    """Both verdicts, one after the other."""
    return {
        "here": judge_here(problem, kernel_of(one).read_text(), options),
        "harness": judge_there(one, checkout, options.timeout_s),
    }


def judge_here(problem: Problem, source: str, options: VerifyOptions) -> Measured:
    began_s = time.monotonic()
    try:
        with Verifier(problem, options) as verifier:
            verifier.prepare()
            prepared_s = time.monotonic()
            evaluation = verifier.verify(Candidate.of(source, 1))
            ended_s = time.monotonic()
    except RunnerError as error:
        return {"failure": str(error)}
    kernel: dict[str, float] = {}
    for timing in evaluation.performance.timings if evaluation.performance else ():
        kernel = {"kernel_ms": timing.median_ms}
        kernel |= {f"{row.name}_ms": row.median_ms for row in timing.baselines}
    return {
        "passed": evaluation.status is EvaluationStatus.PASSED,
        "why": evaluation.summary,
        "prepare_s": prepared_s - began_s,
        "verdict_s": ended_s - prepared_s,
        "stages_s": evaluation.stage_s,
        **kernel,
    }


def judge_there(one: SuiteProblem, checkout: Path, limit_s: float) -> Measured:
    command = [sys.executable, str(HARNESS), str(checkout), str(one.path), str(kernel_of(one))]
    with tempfile.TemporaryDirectory() as cache:
        # A new kernel is compiled; here, too, nothing of an earlier verdict is used again.
        environment = {**os.environ, "TRITON_CACHE_DIR": cache}
        began_s = time.monotonic()
        try:
            done = subprocess.run(
                command,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=limit_s,
            )
        except subprocess.TimeoutExpired:
            return {"failure": f"no verdict within {limit_s:g} s"}
        process_s = time.monotonic() - began_s
    if done.returncode != 0:
        return {"failure": f"its process ended with {done.returncode}: {done.stderr[-800:]}"}
    reply: Measured = json.loads(done.stdout.splitlines()[-1])
    return {**reply, "process_s": process_s}


def print_table(found: dict[SuiteProblem, list[Measured]]) -> bool:
    """True where both said PASSED of everything."""
    print(
        "| problem | title | here, s | harness, s | ratio | its call alone, s | ratio "
        "| prepared here, s | here | harness |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    ratios: dict[str, list[float]] = {"process_s": [], "verdict_s": []}
    agreed = True
    for one, runs in found.items():
        here = median_of(runs, "here", "verdict_s")
        cells = [seconds(here)]
        for name, known in ratios.items():
            there = median_of(runs, "harness", name)
            ratio = there / here if here and there else None
            known += [ratio] if ratio else []
            cells += [seconds(there), seconds(ratio)]
        said = [said_of(runs, name) for name in ("here", "harness")]
        agreed &= said == ["PASSED", "PASSED"]
        cells += [seconds(median_of(runs, "here", "prepare_s")), *said]
        print(f"| {one.key} | {one.title} | {' | '.join(cells)} |")
    if all(ratios.values()):
        whole, alone = (statistics.median(known) for known in ratios.values())
        print(
            f"\nMedian ratio over {len(ratios['process_s'])} problems: {whole:.1f}; to its call "
            f"alone {alone:.1f}"
        )
    return agreed


def median_of(runs: list[Measured], judge: str, name: str) -> float | None:
    values = [run[judge][name] for run in runs if name in run[judge]]
    return statistics.median(values) if values else None


def said_of(runs: list[Measured], judge: str) -> str:
    """One word where all runs agree; what went wrong otherwise."""
    failures = [run[judge]["failure"] for run in runs if "failure" in run[judge]]
    if not runs:
        return "not judged"
    if failures:
        return failures[0].splitlines()[0].replace("|", "/")
    if all(run[judge]["passed"] for run in runs):
        return "PASSED"
    wrong = next(run[judge] for run in runs if not run[judge]["passed"])
    return f"not passed: {wrong['why']}".replace("|", "/")


def seconds(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
