"""Measures every exemplar on a CUDA GPU, at one realistic size each, and prints it as Markdown.

    python tests/bench/exemplars_report.py [--only GLOB] [--shard I/N] [--jobs J] [--json FILE]

A row is the verifier's verdict and, where it passed, its times beside eager and torch.compile. An
exemplar that fails has a row, too, and what the verifier says of it stands below the table. The
exit code is 1 where any failed. Several are judged at once; the GPU's lock lets one alone time.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # started by its path

from runner.contract import BaselineTiming, Candidate, Evaluation, EvaluationStatus, WorkloadTiming
from runner.environment import collect_environment
from runner.exemplars import Exemplar, exemplars
from runner.problem import load_problem
from runner.verifier import Verifier, VerifyOptions
from runner.verifier.sandbox import open_sandbox

PROBLEMS = Path(__file__).parents[1] / "runner" / "exemplars" / "problems"
# One exemplar that hangs must not take the time of all.
LIMIT_S = 60.0
HEADER = (
    "| exemplar | verdict | workload | ms | eager | compile | share of roofline | bound | s |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What came of one exemplar: an evaluation, or why there is none. `wall_s`: all of it."""

    exemplar: Exemplar
    evaluation: Evaluation | None
    failure: str
    wall_s: float

    @property
    def passed(self) -> bool:
        return self.evaluation is not None and self.evaluation.status is EvaluationStatus.PASSED


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="*", metavar="GLOB", help="names of exemplars")
    parser.add_argument("--shard", type=shard, default=(1, 1), metavar="I/N")
    parser.add_argument("--rounds", type=int, default=50, help="timed calls of each kernel")
    parser.add_argument("--jobs", type=int, default=4, help="verifiers at work at once")
    parser.add_argument("--allow-no-sandbox", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    part, parts = arguments.shard
    named = [e for e in exemplars() if fnmatch.fnmatch(e.name, arguments.only)]
    chosen = named[part - 1 :: parts]
    if not chosen:
        parser.error(f"no exemplar is named {arguments.only!r} in shard {part}/{parts}")
    options = VerifyOptions(
        device="cuda",
        spares=2,
        rounds=arguments.rounds,
        timeout_s=LIMIT_S,
        allow_no_sandbox=arguments.allow_no_sandbox,
    )
    rows = list(report(chosen, options, arguments.jobs))
    for row in rows:
        if not row.passed:
            print(f"\n### {row.exemplar.name}\n\n{row.failure}")
    if arguments.json:
        arguments.json.write_text(json.dumps([as_json(row) for row in rows], indent=1))
    return 0 if all(row.passed for row in rows) else 1


def shard(text: str) -> tuple[int, int]:
    """`I/N` as two numbers, 1 ≤ I ≤ N. Raises ValueError for anything else."""
    part, parts = (int(number) for number in text.split("/"))
    if not 1 <= part <= parts:
        raise ValueError(text)
    return part, parts


def report(chosen: Sequence[Exemplar], options: VerifyOptions, jobs: int) -> Iterator[Judged]:
    """Judge each and print its rows, in the order of the list, as they come."""
    sandbox = open_sandbox(allow_none=options.allow_no_sandbox).kind
    environment = collect_environment(device="cuda", sandbox=sandbox)
    print(
        f"{environment.gpu}, driver {environment.driver}, torch {environment.torch}, "
        f"Triton {environment.triton}, sandbox {environment.sandbox}\n\n{HEADER}",
        flush=True,
    )
    # A worker ends with the thread that started it: these live until all is judged.
    with ThreadPoolExecutor(jobs) as threads:
        for row in threads.map(lambda exemplar: judge(exemplar, options), chosen):
            print("\n".join(table_rows(row)), flush=True)
            yield row


def judge(exemplar: Exemplar, options: VerifyOptions) -> Judged:
    """One verdict with a verifier of its own; whatever goes wrong becomes the row's failure."""
    started = time.monotonic()
    try:
        with Verifier(load_problem(PROBLEMS / exemplar.name), options) as verifier:
            evaluation = verifier.verify(Candidate.of(exemplar.source, 1))
    except Exception as error:  # noqa: BLE001 - the other exemplars are still to be measured
        failure = f"{type(error).__name__}: {error}"
        evaluation = None
    else:
        failure = f"{evaluation.summary}\n\n{evaluation.detail}"
    return Judged(
        exemplar=exemplar,
        evaluation=evaluation,
        failure=failure,
        wall_s=time.monotonic() - started,
    )


def table_rows(row: Judged) -> Iterator[str]:
    """One line a timed workload, or one line alone where nothing was timed."""
    verdict = row.evaluation.status.value if row.evaluation else "no verdict"
    start, end = f"| {row.exemplar.name} | {verdict} |", f"{row.wall_s:.1f} |"
    performance = row.evaluation.performance if row.evaluation else None
    if performance is None:
        yield f"{start} | | | | | | {end}"
        return
    for timing in performance.timings:
        baselines = {baseline.name: baseline for baseline in timing.baselines}
        yield (
            f"{start} {timing.workload} | {timing.median_ms:.4g} | "
            f"{against(baselines.get('eager'))} | {against(baselines.get('compile'))} | "
            f"{share(timing)} | {timing.bound or ''} | {end}"
        )
    for workload, why in performance.not_timed.items():
        yield f"{start} {workload} | not timed: {why} | | | | | {end}"


def against(baseline: BaselineTiming | None) -> str:
    if baseline is None:
        return "not measured"
    return (
        f"{baseline.median_ms:.4g} ms, {baseline.ratio:.3f} "
        f"[{baseline.ratio_low:.3f}, {baseline.ratio_high:.3f}]"
    )


def share(timing: WorkloadTiming) -> str:
    return "not measured" if timing.roofline_share is None else f"{timing.roofline_share:.0%}"


def as_json(row: Judged) -> dict[str, object]:
    evaluation = row.evaluation.model_dump(mode="json") if row.evaluation else None
    return {
        "exemplar": row.exemplar.name,
        "wall_s": row.wall_s,
        "failure": "" if row.passed else row.failure,
        "evaluation": evaluation,
    }


if __name__ == "__main__":
    sys.exit(main())
