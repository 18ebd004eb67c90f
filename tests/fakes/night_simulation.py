"""A simulated GPU that judges simulated kernels, night after night, with realistic noise.

Each session of a kernel sees: the night's clocks (which move kernel and baselines alike), a luck of
the session of its own, the interval that the session itself measures, and now and then a session
that something else disturbed. What truly happens to a kernel is an `Event`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from runner.contract import (
    BaselineTiming,
    Candidate,
    Correctness,
    Cost,
    Environment,
    Evaluation,
    EvaluationStatus,
    Outcome,
    Performance,
    Workload,
    WorkloadTiming,
    sha256_hex,
)
from runner.nightly.reverify import Judged
from runner.problem import Problem, problem_digest
from runner.results import Results, write_results
from tests.fakes import measured

GPU = "NVIDIA H100 80GB HBM3"
SIZES = (65_536, 1_048_576, 16_777_216)
FIRST_NIGHT = date(2026, 3, 1)
BASELINES = {"eager": 2.4, "compile": 1.1}  # their times, the kernel's being 1
DRIFT = 0.08
STEADY_SD, NOISY_SD = 0.004, 0.012
_REFERENCE = "def {name}(x):\n    return x * 2\n"
_SPEC = """\
name = "{name}"
entry = "{name}"
summary = "Twice the input"
family = "elementwise"
policy = "triton-only"
baselines = ["eager", "compile"]

[axes]
N = [1, 16777216]

[[inputs]]
name = "x"
shape = ["N"]
dtype = "float32"

[[outputs]]
name = "y"
shape = ["N"]
dtype = "float32"

[[tests]]
N = 77
[[tests]]
N = 1000
{benchmarks}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """From night `first` up to, not including, night `end`: `kernel` is slower, or wrong."""

    kernel: str
    first: int
    end: int
    leg: str | None = None  # None: in every leg
    slower: float = 0.0
    wrong: bool = False

    def holds(self, kernel: str, night: int, leg: str) -> bool:
        in_leg = self.leg in (None, leg)
        return self.kernel == kernel and in_leg and self.first <= night < self.end


@dataclass(slots=True, kw_only=True)
class SimulatedGpu:
    """A judge. `night` None: the session in which the kernels were merged."""

    random: random.Random
    events: Sequence[Event] = ()
    night: int | None = None
    leg: str = "pinned"
    nights: int = 30
    gpu: str = GPU
    judged: list[str] = field(default_factory=list)

    def judge(self, problem: Problem, candidate: Candidate) -> Judged:
        self.judged.append(problem.name)
        wrong = any(event.wrong for event in self._events(problem.name))
        evaluation = self._wrong(candidate) if wrong else self._timed(problem.name, candidate)
        return Judged(evaluation=evaluation, environment=self.environment())

    def environment(self) -> Environment:
        """Halfway through the month the newest leg gets a new torch and a new Triton."""
        newest = self.leg == "newest" and self.night is not None
        is_late = newest and (self.night or 0) >= self.nights // 2
        versions = ("2.13.0", "3.9.0") if is_late else ("2.12.0", "3.8.0")
        torch, triton = versions if newest else ("2.11.0", "3.6.0")
        return Environment(
            gpu=self.gpu, driver="580.1", cuda="13.0", torch=torch, triton=triton,
            python="3.12.3", sandbox="bubblewrap",
        )  # fmt: skip

    def _events(self, kernel: str) -> list[Event]:
        night = self.night
        if night is None:
            return []
        return [event for event in self.events if event.holds(kernel, night, self.leg)]

    def _timed(self, kernel: str, candidate: Candidate) -> Evaluation:
        slower = math.prod(1 + event.slower for event in self._events(kernel))
        timings = tuple(self._timing(kernel, size, slower) for size in SIZES)
        return measured.measured(*timings, candidate_sha256=candidate.sha256)

    def _timing(self, kernel: str, size: int, slower: float) -> WorkloadTiming:
        draw = self.random
        # Small workloads scatter more; each kernel has a scatter of its own.
        scatter = (NOISY_SD if is_noisy(kernel) else STEADY_SD) * (1.3 if size < 1e6 else 1.0)
        disturbed = 1 + draw.uniform(0.02, 0.06) if draw.random() < 0.01 else 1.0
        ms = size * 1e-8 * self._clock() * slower * disturbed
        ms *= math.exp(draw.gauss(0, scatter / math.sqrt(2)))
        rows = [self._baseline(name, size, ms, scatter) for name in BASELINES]
        return WorkloadTiming(
            workload=Workload(axes={"N": size}), median_ms=ms, baselines=tuple(rows),
            calls=100, moved_bytes=8 * size,
        )  # fmt: skip

    def _clock(self) -> float:
        """Slower by 8 % in the course of the month."""
        return 1 + DRIFT * (self.night or 0) / self.nights

    def _baseline(self, name: str, size: int, ms: float, scatter: float) -> BaselineTiming:
        draw = self.random
        own = size * 1e-8 * self._clock() * BASELINES[name]
        own *= math.exp(draw.gauss(0, scatter / math.sqrt(2)))
        if name == "compile" and self.environment().torch == "2.13.0":
            own *= 0.95  # the new version compiles better: the kernel is not to blame
        seen = own / ms * math.exp(draw.gauss(0, 0.002))
        half = 0.006
        return BaselineTiming(
            name=name, median_ms=own, ratio=seen, ratio_low=seen * (1 - half),
            ratio_high=seen * (1 + half),
        )  # fmt: skip

    def _wrong(self, candidate: Candidate) -> Evaluation:
        small = Workload(axes={"N": 77})
        cases = (
            measured.compared(Workload(axes={"N": 1000}), elements=1000, wrong_elements=9),
            measured.compared(small, wrong_elements=5, max_error=1.0, expected=2.0, found=1.0),
        )
        return Evaluation(
            status=EvaluationStatus.INCORRECT_NUMERICAL,
            candidate_sha256=candidate.sha256,
            device="cuda",
            stage="sweep",
            summary="y is wrong on N=77, normal inputs",
            detail="5 of 77 elements are wrong",
            correctness=Correctness(cases=cases),
        )


def is_noisy(kernel: str) -> bool:
    """Half of all names are those of kernels whose sessions scatter more."""
    return sha256_hex(kernel)[0] < "8"


def night_date(night: int) -> date:
    return FIRST_NIGHT + timedelta(days=night)


def write_kernel(problems: Path, name: str, gpu: SimulatedGpu) -> None:
    """The folder of a merged kernel; its results are one session of `gpu`."""
    folder = problems / name
    folder.mkdir(parents=True)
    benchmarks = "".join(f"[[benchmarks]]\nN = {size}\n" for size in SIZES)
    spec = _SPEC.format(name=name, benchmarks=benchmarks)
    reference = _REFERENCE.format(name=name)
    source = f'"""Kernel {name}."""\n'
    evaluation = gpu._timed(name, Candidate.of(source, 1))
    assert isinstance(evaluation.performance, Performance)
    results = Results(
        problem=name,
        problem_sha256=problem_digest(spec, reference),
        outcome=Outcome.IMPROVED,
        stopped_because="no further answer",
        model="simulated",
        generation=0,
        best_attempt=1,
        evaluation=evaluation,
        parent=None,
        environment=gpu.environment(),
        cost=Cost(wall_s=2.0, model_s=1.0, verifier_s=1.0),
        attempts=(),
    )
    for file, text in {
        "problem.toml": spec,
        "reference.py": reference,
        "kernel.py": source,
        "test_kernel.py": "def test_it(): ...\n",
        "results.json": write_results(results),
    }.items():
        (folder / file).write_text(text, encoding="utf-8")
