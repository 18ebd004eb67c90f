"""Measures on a CUDA GPU what BENCHMARKS.md says of the verifier, and prints it as Markdown.

    python tests/bench/gpu_report.py [latency] [repeatability] [final] [tuning] [agreement]
                                     [--problems DIR] [--json FILE]

latency        candidate text to verdict on 6 GB inputs, warm worker, all checks on
repeatability  ten measurements of one kernel against one baseline: does the interval hold?
final          the reported measurement of the two problems in problems/
tuning         launch parameters of a softmax and a matmul: how many a second, and what is gained
agreement      pytest-benchmark's medians beside the verifier's, for every folder of --problems
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # started by its path

from runner.contract import Candidate, Evaluation, EvaluationStatus
from runner.environment import collect_environment
from runner.problem import load_problem
from runner.verifier import Verifier, VerifyOptions
from tests.bench.agreement import agreement

HERE = Path(__file__).parent
DELIVERED = HERE.parents[1] / "problems"
LARGE = [HERE / "problems" / name for name in ("relu_6gb", "row_softmax_6gb")]
LIMIT_S = 4.0
# Short calls and long ones, of which a baseline makes two a burst.
REPEATED = [DELIVERED / "rms_norm", LARGE[1]]
RUNS = 3
REPEATS = 10
# Between two answers a model thinks for minutes; here the next worker gets the time to start.
PAUSE_S = 8.0
TUNED = [HERE / "problems" / name for name in ("row_softmax_tuned", "matmul_tuned")]
TUNE_S = 120.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=[], metavar="PART")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--problems", type=Path, default=DELIVERED)
    arguments = parser.parse_args()
    parts = arguments.parts or [
        "latency", "repeatability", "final", "tuning", "agreement",
    ]  # fmt: skip
    found: dict[str, Any] = {}
    good = True
    with_sandbox = Verifier(load_problem(LARGE[0]), VerifyOptions(device="cuda", quick=True))
    environment = collect_environment(device="cuda", sandbox=with_sandbox.sandbox)
    with_sandbox.close()
    print(
        f"{environment.gpu}, driver {environment.driver}, torch {environment.torch}, "
        f"Triton {environment.triton}, sandbox {environment.sandbox}\n"
    )
    if "latency" in parts:
        good &= latency(found)
    if "repeatability" in parts:
        good &= repeatability(found)
    if "final" in parts:
        final(found)
    if "tuning" in parts:
        tuning(found)
    if "agreement" in parts:
        good &= agreement(found, arguments.problems.resolve())
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))
    return 0 if good else 1


def latency(found: dict[str, Any]) -> bool:
    """A row for each problem: the verdict's median, and its stages."""
    rows = []
    for folder in LARGE:
        candidate = Candidate.of((folder / "kernel.py").read_text(), 1)
        started = time.monotonic()
        with Verifier(load_problem(folder), VerifyOptions(device="cuda")) as verifier:
            verifier.prepare()
            prepared_s = time.monotonic() - started
            seconds, evaluations = [], []
            for _ in range(RUNS):
                time.sleep(PAUSE_S)
                started = time.monotonic()
                evaluations.append(verifier.verify(candidate))
                seconds.append(time.monotonic() - started)
        expect_passed(evaluations[-1], folder)
        comparisons = evaluations[-1].correctness.cases
        largest = max(row.elements for row in comparisons)
        rows.append(
            {
                "problem": folder.name,
                "full_size": sum(row.elements == largest for row in comparisons),
                "verdict_s": statistics.median(seconds),
                "all_s": seconds,
                "prepared_s": prepared_s,
                "stages": evaluations[-1].stage_s,
                "timings": evaluations[-1].performance.model_dump(mode="json"),
                "comparisons": len(comparisons),
            }
        )
    found["latency"] = rows
    print("| problem | verdict, median | all runs | comparisons | timed calls | stages |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    for row in rows:
        stages = ", ".join(f"{name} {value:.2f}" for name, value in row["stages"].items())
        runs = ", ".join(f"{value:.2f}" for value in row["all_s"])
        calls = row["timings"]["timings"][0]["calls"]
        print(
            f"| {row['problem']} | {row['verdict_s']:.2f} s | {runs} | {row['comparisons']}, "
            f"{row['full_size']} of full size | {calls} | {stages} |"
        )
    print()
    return all(row["verdict_s"] < LIMIT_S for row in rows)


def repeatability(found: dict[str, Any]) -> bool:
    """How many of ten intervals hold the median of all ten ratios."""
    good = True
    found["repeatability"] = []
    print(
        "| problem | workload | baseline | median of ratios | lowest | highest "
        "| widest interval | intervals that hold it |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    for folder in REPEATED:
        candidate = Candidate.of((folder / "kernel.py").read_text(), 1)
        runs: list[Evaluation] = []
        with Verifier(load_problem(folder), VerifyOptions(device="cuda", spares=3)) as verifier:
            for _ in range(REPEATS):
                runs.append(verifier.verify(candidate))
                expect_passed(runs[-1], folder)
        good &= print_intervals(folder.name, runs, found["repeatability"])
    print()
    return good


def print_intervals(problem: str, runs: list[Evaluation], found: list[Any]) -> bool:
    """A row for each workload and baseline; whether all but one interval held each median."""
    good = True
    for number, timing in enumerate(runs[0].performance.timings):
        for baseline in timing.baselines:
            rows = [
                next(
                    b for b in run.performance.timings[number].baselines if b.name == baseline.name
                )
                for run in runs
            ]
            middle = statistics.median(row.ratio for row in rows)
            held = sum(row.ratio_low <= middle <= row.ratio_high for row in rows)
            good &= held >= REPEATS - 1
            found.append([row.model_dump() for row in rows])
            widest = max((row.ratio_high - row.ratio_low) / row.ratio for row in rows)
            print(
                f"| {problem} | {timing.workload} | {baseline.name} | {middle:.4f} | "
                f"{min(row.ratio for row in rows):.4f} | {max(row.ratio for row in rows):.4f} | "
                f"{widest:.1%} | {held} of {REPEATS} |"
            )
    return good


def final(found: dict[str, Any]) -> None:
    """The reported measurement: fresh processes, a new seed, the sanitizer."""
    found["final"] = {}
    print("| problem | workload | ms | against | GB/s | TFLOP/s | share of roofline | bound |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    checks: list[str] = []
    for folder in sorted(DELIVERED.iterdir()):
        candidate = Candidate.of((folder / "kernel.py").read_text(), 1)
        with Verifier(load_problem(folder), VerifyOptions(device="cuda", spares=2)) as verifier:
            evaluation = verifier.finalize(candidate)
        found["final"][folder.name] = evaluation.model_dump(mode="json")
        expect_passed(evaluation, folder)
        for timing in evaluation.performance.timings:
            against = "; ".join(
                f"{b.name} {b.median_ms:.4g} ms, {b.ratio:.3f} [{b.ratio_low:.3f}, "
                f"{b.ratio_high:.3f}]"
                for b in timing.baselines
            )
            flops = f"{timing.tflop_per_s:.1f}" if timing.tflop_per_s else "not counted"
            print(
                f"| {folder.name} | {timing.workload} | {timing.median_ms:.4g} | {against} | "
                f"{timing.gb_per_s:.0f} | {flops} | {timing.roofline_share:.0%} | "
                f"{timing.bound} |"
            )
        checks += [f"- {folder.name}: {check.name}: {check.detail}" for check in evaluation.checks]
        roof = evaluation.performance.roofline
    rates = ", ".join(f"{name} {rate:.0f}" for name, rate in roof.matmul_tflop_per_s.items())
    print(f"\nRoofline: copy {roof.copy_gb_per_s:.0f} GB/s; matrix products {rates} TFLOP/s\n")
    print("\n".join(checks))


def tuning(found: dict[str, Any]) -> None:
    """A row for each kernel with TUNABLES: its tune, and the verdict on what was frozen."""
    found["tuning"] = {}
    print("| problem | tried | dropped | timed | compiled/s | seconds | gain | frozen | note |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for folder in TUNED:
        candidate = Candidate.of((folder / "kernel.py").read_text(), 1)
        with Verifier(load_problem(folder), VerifyOptions(device="cuda")) as verifier:
            verifier.prepare()
            started = time.monotonic()
            tuned = verifier.tune(candidate, TUNE_S)
            seconds = time.monotonic() - started
            if tuned is None or tuned.gain is None:
                sys.exit(f"{folder.name}: not tuned: {tuned.note if tuned else 'no TUNABLES'}")
            evaluation = verifier.verify(tuned.candidate)
        expect_passed(evaluation, folder)
        found["tuning"][folder.name] = {"seconds": seconds, **tuned.model_dump(mode="json")}
        stages = ", ".join(f"{name} {value:.1f}" for name, value in tuned.stage_s.items())
        print(
            f"| {folder.name} | {tuned.tried} | {tuned.dropped} {dict(tuned.reasons)} | "
            f"{tuned.timed} | {tuned.tried / tuned.stage_s['compile']:.1f} | {seconds:.1f} "
            f"({stages}) | {tuned.gain:.3f} | {tuned.config} | {tuned.note} |"
        )
    print()


def expect_passed(evaluation: Evaluation, folder: Path) -> None:
    if evaluation.status is not EvaluationStatus.PASSED:
        sys.exit(f"{folder.name}: {evaluation.status}: {evaluation.summary}\n{evaluation.detail}")


if __name__ == "__main__":
    sys.exit(main())
