"""How long a verdict takes with warm workers, whole and by stage. Run with `make bench`.

The stages of each round stand in the benchmark's `extra_info`, in seconds, so that
`--benchmark-json` keeps them and a slower stage shows by name.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.contract import Candidate, EvaluationStatus
from runner.errors import SandboxUnavailable
from runner.problem import load_problem
from runner.verifier import Verifier, VerifyOptions

PROBLEMS = Path(__file__).parents[2] / "problems"
ROUNDS = 5


@pytest.fixture(scope="module", params=["rms_norm", "relative_position_attention"])
def verifier(request: pytest.FixtureRequest) -> Iterator[tuple[Verifier, Candidate]]:
    folder = PROBLEMS / request.param
    candidate = Candidate.of((folder / "kernel.py").read_text(), attempt=0)
    try:
        judge = Verifier(load_problem(folder), VerifyOptions())
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    with judge:
        judge.verify(candidate)  # the reference runs once for each verifier
        yield judge, candidate


def test_verdict_on_a_correct_kernel(verifier: tuple[Verifier, Candidate], benchmark: Any) -> None:
    judge, candidate = verifier
    stages: list[dict[str, float]] = []

    def verdict() -> None:
        evaluation = judge.verify(candidate)
        assert evaluation.status is EvaluationStatus.PASSED, evaluation.summary
        stages.append(evaluation.stage_s)

    # Between two verdicts a model thinks for a minute; here the spares get the time to start.
    benchmark.pedantic(verdict, setup=lambda: time.sleep(8), rounds=ROUNDS, iterations=1)
    for name in stages[0]:
        benchmark.extra_info[f"{name}_s"] = statistics.median(row[name] for row in stages)
