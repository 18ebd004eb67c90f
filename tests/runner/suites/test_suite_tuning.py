"""A tune of a class: each configuration meets the module that the truth was made with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from runner.verifier import Verifier, VerifyOptions
from runner.verifier.arena import Arena
from runner.verifier.gpu.tuning_trials import RUN, Trial
from runner.verifier.modules.job import build_job

CONFIGS = ({"BLOCK": 64}, {"BLOCK": 128})


class Member:
    """Makes a module, and fails in the call: nothing is compared."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def ask(self, config: dict[str, int], job: dict[str, Any], deadline: float) -> dict[str, Any]:
        self.asked.append({"config": config, **job})
        return {"ok": job["op"] == "build", "type": "RuntimeError", "message": "enough"}


class Crew:
    def __init__(self, member: Member) -> None:
        self._member = member

    def do(
        self, numbers: Sequence[int], task: Callable[[Any, int], None], go: Callable[[], bool]
    ) -> None:
        for number in numbers:
            task(self._member, number)

    def number_of(self, member: Any) -> int:
        return 0


@pytest.mark.parametrize("key", ["2/1", "1/4"])  # draws dropout's mask; has parameters
def test_each_configuration_meets_the_module_of_the_case(looking, key):
    problem, member = looking.problem(key), Member()
    arena = Arena.create(64 << 20)
    try:
        with Verifier(problem, VerifyOptions(seed=5, allow_no_sandbox=True)) as verifier:
            verifier.prepare()
            prepared = verifier._court._oracle.case(0)
            trial = Trial(problem, arena, Crew(member), CONFIGS, {})
            trial.run(prepared, [0, 1], float("inf"))
    finally:
        arena.close()
    assert [(row["config"], row["op"]) for row in member.asked] == [
        (config, operation) for config in CONFIGS for operation in ("build", "call")
    ]
    due = build_job(problem, prepared.case)
    for row in member.asked[::2]:
        assert row.items() >= due.items()
    assert trial.found.reasons == {0: RUN, 1: RUN}
