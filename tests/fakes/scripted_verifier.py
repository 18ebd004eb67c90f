"""A machine whose verifier follows a script, put in the place of the real one.

Owns what the commands import late: `runner.verifier` and `runner.environment`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

# Loaded before a fake takes the verifier's place: their own imports are real.
from runner import bench_command, generate, verify_command, verifying
from runner.contract import Environment
from runner.errors import RunnerError

COMMANDS = (bench_command, generate, verify_command)


def install(
    monkeypatch: pytest.MonkeyPatch,
    make_judge: Callable[[list[Any]], Any],
    environment: Environment,
) -> SimpleNamespace:
    """Put the fakes in place, and hand out their script.

    `.verdicts`, `.finals` and `.tunes` are what the verifier's methods give; `.fails` is what
    `prepare` raises; `.gpu` says whether PyTorch sees one, `.roofline` what it can do. `.options`
    and `.closed` tell what was done.
    """
    state = SimpleNamespace(verdicts=[], finals=[], tunes=[], fails=None, options=None, gpu=False)
    state.closed = state.abandoned = 0
    state.roofline = None

    class Verifier:
        sandbox = "bubblewrap"

        def __init__(self, problem: Any, options: Any) -> None:
            state.options = options
            self.device = options.device
            self.roofline = state.roofline
            self.judge = make_judge(state.verdicts)

        def prepare(self) -> None:
            if state.fails is not None:
                raise state.fails

        def verify(self, candidate: Any) -> Any:
            return self.judge.verify(candidate)

        def finalize(self, candidate: Any) -> Any:
            return state.finals.pop(0) if state.finals else self.judge.finalize(candidate)

        def tune(self, candidate: Any, time_left_s: float) -> Any:
            return state.tunes.pop(0) if state.tunes else None

        def abandon(self) -> None:
            state.abandoned += 1

        def close(self) -> None:
            state.closed += 1

        def __enter__(self) -> Verifier:
            return self

        def __exit__(self, *exc: object) -> None:
            self.close()

    def choose_device(asked: str | None) -> str:
        if asked == "cuda" and not state.gpu:
            raise RunnerError("there is no GPU to use: torch sees no GPU")
        return asked or ("cuda" if state.gpu else "cpu")

    def rank(evaluation: Any) -> tuple[float, ...]:
        return (float(evaluation.resources[0].spill_bytes),)

    package = SimpleNamespace(
        Verifier=Verifier,
        VerifyOptions=lambda **options: SimpleNamespace(**options),
        rank=rank,
    )
    machine = SimpleNamespace(
        collect_environment=lambda *, device, sandbox: environment, choose_device=choose_device
    )
    # One judge in this process, however many GPUs this machine has.
    monkeypatch.setattr(verifying, "visible_gpus", tuple)
    monkeypatch.setitem(sys.modules, "runner.verifier", package)
    monkeypatch.setitem(sys.modules, "runner.environment", machine)
    return state
