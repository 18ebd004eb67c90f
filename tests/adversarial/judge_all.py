"""Judges the whole corpus, any number of times, in one judge process, and says what went wrong.

Owns the order, the table and the exit status: 1 on any verdict that is not the one a kernel must
get. `python tests/adversarial/judge_all.py --device cpu --runs 10`; the tests use `Bench` too.
"""

from __future__ import annotations

import argparse
import fnmatch
import itertools
import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

if __name__ == "__main__":  # started by its path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from runner.contract import Evaluation, EvaluationStatus
from runner.verifier import Verifier, VerifyOptions, cpu_court, judge
from runner.verifier.gpu import court
from tests.adversarial.corpus import (
    TIMEOUT_S,
    Device,
    Kernel,
    honest_kernels,
    hostile_kernels,
    problem_of,
)
from tests.adversarial.kept_workers import KeptWorkers

_NEW_PROBLEM = 6.0  # what another problem costs in every run, in seconds, as `_cost`


class Bench:
    """One judge: a verifier for the problem at hand, replaced when a kernel has another problem.

    `workers`: lets kernels that leave their process as it is share processes.
    """

    def __init__(self, device: Device, workers: KeptWorkers | None = None) -> None:
        self._device = device
        self._workers = workers
        self._verifier: Verifier | None = None
        self._serves: tuple[str, float] | None = None

    def judge(self, kernel: Kernel) -> Evaluation:
        """The verdict on one file. Raises what the judge raises: no kernel may make it."""
        wanted = (kernel.problem, kernel.timeout_s)
        if self._serves != wanted or self._verifier is None:
            self.close()
            options = VerifyOptions(
                device=self._device,
                allow_no_sandbox=True,
                timeout_s=kernel.timeout_s,
                spares=3 if self._device == "cuda" else 1,
            )
            with _as_header_says(kernel, self._device, self._workers):
                self._verifier = Verifier(problem_of(kernel), options)
            self._serves = wanted
        with _as_header_says(kernel, self._device, self._workers):
            return self._verifier.verify(kernel.candidate)

    def close(self) -> None:
        """End the verifier at hand."""
        if self._verifier is not None:
            self._verifier.close()
        if self._workers is not None and self._device == "cuda":
            self._workers.close()  # what they hold of the GPU is the verifier's
        self._verifier = self._serves = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def _as_header_says(kernel: Kernel, device: Device, workers: KeptWorkers | None) -> Iterator[None]:
    """The screen is no boundary: some kernels are judged by what stands behind it alone."""
    usual = (judge.screen, cpu_court.WorkerProcess, court.WorkerProcess)
    if kernel.screen_off:
        judge.screen = lambda source, problem: None
    if workers is not None:
        workers.keep = not kernel.wants_own_process(device)
        cpu_court.WorkerProcess = court.WorkerProcess = workers
    try:
        yield
    finally:
        judge.screen, cpu_court.WorkerProcess, court.WorkerProcess = usual


@dataclass(slots=True)
class Row:
    """One kernel and its verdict in each run."""

    kernel: str
    wanted: str
    found: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    summaries: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        return set(self.found) == {self.wanted}

    def __str__(self) -> str:
        counts = [f"{len(list(same))} x {name}" for name, same in itertools.groupby(self.found)]
        mean_s = sum(self.seconds) / len(self.seconds)
        line = f"{'ok ' if self.right else 'BAD'} {self.kernel:52} {self.wanted:20} "
        line += f"{', '.join(counts):32} {mean_s:6.2f} s"
        return line if self.right else f"{line}\n      {self.summaries[-1]}"


def judge_all(
    kernels: Iterable[Kernel], device: Device, runs: int, workers: KeptWorkers | None = None
) -> Iterator[Row]:
    """Each kernel's row, once its problem has had all runs. The order of a run is kept."""
    with Bench(device, workers) as bench:
        for _, group in itertools.groupby(kernels, lambda k: (k.problem, k.timeout_s)):
            rows = {k: Row(k.name, k.wanted(device).value) for k in group}
            for _ in range(runs):
                for kernel, row in rows.items():
                    _judge_once(bench, kernel, row)
            yield from rows.values()


def _judge_once(bench: Bench, kernel: Kernel, row: Row) -> None:
    started = time.monotonic()
    try:
        evaluation = bench.judge(kernel)
        found, summary = evaluation.status.value, evaluation.summary
    except Exception as error:  # noqa: BLE001 - the judge itself fell: worse than a wrong verdict
        found, summary = type(error).__name__, str(error)
        bench.close()
    if found != row.wanted:
        print(f"not {row.wanted} but {found}: {row.kernel}: {summary}", file=sys.stderr, flush=True)
    row.found.append(found)
    row.seconds.append(round(time.monotonic() - started, 2))
    row.summaries.append(summary)


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    index, count = (int(part) for part in options.shard.split("/"))
    honest = {kernel.name for kernel in honest_kernels()}
    kernels = [
        kernel
        for kernel in sorted(
            (*hostile_kernels(), *honest_kernels()), key=lambda k: (k.problem, -k.timeout_s)
        )
        if kernel.runs_on(options.device) and fnmatch.fnmatch(kernel.name, options.only)
    ]
    rows = []
    shard = _shard(kernels, index, count, options.device)
    workers = KeptWorkers() if options.keep_workers else None
    for row in judge_all(shard, options.device, options.runs, workers):
        print(row, flush=True)
        rows.append(row)
    if workers is not None:
        workers.close()
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    print(_summary(rows, honest, options.runs))
    return 0 if rows and all(row.right for row in rows) else 1


def _shard(kernels: list[Kernel], index: int, count: int, device: Device) -> list[Kernel]:
    """One stretch of the list: neighbours have one problem, and a verifier is dear."""
    costs = [
        _cost(kernel, device) + (_NEW_PROBLEM if kernel.problem != before.problem else 0)
        for before, kernel in itertools.pairwise([*kernels[:1], *kernels])
    ]
    total, starts = sum(costs), itertools.accumulate(costs, initial=0.0)
    return [
        kernel
        for kernel, start in zip(kernels, starts, strict=False)
        if int(start * count / total) == index - 1
    ]


def _cost(kernel: Kernel, device: Device) -> float:
    """Roughly how many seconds a verdict takes where several shards share a GPU."""
    if kernel.wanted(device) is EvaluationStatus.REJECTED:
        return 0.1
    if kernel.timeout_s < TIMEOUT_S:
        return 14.0
    return 5.5 if kernel.wants_own_process(device) else 4.0


def _summary(rows: list[Row], honest: set[str], runs: int) -> str:
    def share(some: list[Row]) -> str:
        return f"{sum(row.right for row in some)} of {len(some)}"

    good = [row for row in rows if row.kernel in honest]
    bad = [row for row in rows if row.kernel not in honest]
    return f"{share(bad)} hostile, {share(good)} honest, {runs} run(s)"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Judge every kernel of the corpus.")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--runs", type=int, default=1, help="verdicts on each kernel, in a row")
    parser.add_argument("--only", default="*", metavar="GLOB", help="for example 'honest/*'")
    parser.add_argument("--shard", default="1/1", metavar="I/N", help="the I-th of N parts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all verdicts there")
    parser.add_argument(
        "--keep-workers",
        action="store_true",
        help="let kernels that leave their process as it is share one: five times quicker",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
