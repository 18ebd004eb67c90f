"""A sweep and its workers with recorded verdicts, in processes that tests may stop and kill.

Run as a script: `sweep …` is `python -m runner sweep …`, whose workers are this file again with
`worker`. A verdict is PASSED for a kernel of `sweep_suite`'s table and wrong for any other; what a
problem's file says was found out beforehand (`suites_looking.keep_specs`). In the folder that
SCENE_FAULTS names, a file `die-NAME` kills the worker under the problem NAME, once; `hang-NAME`
holds its verdict for as long as the file is there; `refuse-NAME` fails its reference.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import pytest

from runner import cli
from runner.contract import Candidate, Evaluation, EvaluationStatus, sha256_hex
from runner.errors import ReferenceFailed
from runner.executors import worker
from runner.executors.local import LocalExecutor, Place
from runner.executors.worker_process import WorkerStart
from runner.nightly import command as night_command
from runner.problem import Problem, parse_problem
from runner.suites import suite as suites
from runner.suites.kernelbench import ProblemFile
from runner.sweep import command
from tests.fakes.kernel_folders import GPU
from tests.fakes.measured import baseline, measured, timing
from tests.fakes.night_simulation import SimulatedGpu
from tests.fakes.scripted_verifier import install
from tests.fakes.sweep_suite import KEYS, TABLE, kept_spec, kernel

WORKER = (sys.executable, str(Path(__file__)), "worker")
FAULTS = "SCENE_FAULTS"
PLACES = (Place(name="gpu 0"), Place(name="gpu 1"))
# By the name in the spec.
_NAMES = {f"kb_l{key.replace('/', '_')}_{name}": name for name, key in KEYS.items()}
_RIGHT = {sha256_hex(kernel(name)): name for name in TABLE}


class TableJudge:
    """Knows the right kernels by their digests. Their speed-ups depend on their place alone."""

    def verify(self, candidate: Candidate) -> Evaluation:
        name = _RIGHT.get(candidate.sha256)
        if name is None:
            return Evaluation(
                status=EvaluationStatus.INCORRECT_NUMERICAL,
                candidate_sha256=candidate.sha256,
                device="cuda",
                stage="sweep",
                summary="z is wrong on M=3 N=33, normal inputs",
            )
        place = list(TABLE).index(name)
        rows = (baseline("eager", 0.75 + place / 10), baseline("compile", 0.5 + place / 20))
        return measured(timing(baselines=rows), candidate_sha256=candidate.sha256)

    finalize = verify


def install_recorded_verdicts() -> None:
    """Put the recorded verdicts in the place of this process's verifier."""
    patch = pytest.MonkeyPatch()
    patch.setattr(suites, "load_file", looked_at)
    state = install(patch, lambda script: TableJudge(), GPU)
    state.gpu = True
    package: Any = sys.modules["runner.verifier"]
    faults = Path(os.environ.get(FAULTS, "/nowhere"))

    class Faulty(package.Verifier):  # type: ignore[misc, name-defined]
        def __init__(self, problem: Any, options: Any) -> None:
            super().__init__(problem, options)
            self.name = _NAMES[problem.name]
            self.ended = threading.Event()

        def close(self) -> None:
            self.ended.set()  # as the real one's workers end, and a verdict under way with them
            super().close()

        def prepare(self) -> None:
            if (faults / f"refuse-{self.name}").exists():
                raise ReferenceFailed("the reference gives other values each time")

        def verify(self, candidate: Candidate) -> Evaluation:
            if (faults / f"die-{self.name}").exists():
                (faults / f"die-{self.name}").unlink()
                os.kill(os.getpid(), signal.SIGKILL)
            if (faults / f"hang-{self.name}").exists():
                (faults / f"hanging-{self.name}").touch()
            while (faults / f"hang-{self.name}").exists() and not self.ended.wait(0.02):
                pass
            verdict: Evaluation = super().verify(candidate)
            return verdict

    package.Verifier = Faulty


def looked_at(file: ProblemFile, *, allow_no_sandbox: bool) -> Problem:
    """`load_file` without its worker."""
    return parse_problem(kept_spec(file.path).read_text(), file.path.read_text())


def local_executor(name: str, environment: Any, log: Path | None = None) -> LocalExecutor:
    """`open_executor` with two places that have GPUs of the simulation."""
    start = WorkerStart(environment=dict(environment), command=WORKER, log=log)
    return LocalExecutor(PLACES, start)


def main(role: str, *arguments: str) -> int:
    if role == "worker":
        install_recorded_verdicts()
        night_command.FreshJudge = night_judge  # type: ignore[assignment, misc]
        return worker.main()
    command.open_executor = local_executor
    return cli.main([role, *arguments])


def night_judge(options: Any = None) -> SimulatedGpu:
    """A judge of a simulated night, of the same luck in every process."""
    return SimulatedGpu(random=random.Random(2), night=0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
