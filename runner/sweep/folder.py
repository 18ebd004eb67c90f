"""The output folder of a sweep: where everything is, and who may write to it.

Owns the names and the locks. Two sweeps never share a folder, nor two processes a run.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from runner.errors import RunnerError
from runner.files import write_atomically
from runner.out_folder import JOURNAL, TRANSCRIPT
from runner.sweep.plan import Plan, parse_plan

_LOCK, _PLAN = "sweep.lock", "plan.json"
_RUNS, _PROBLEMS, _FAILURES, _LOGS, _LOCKS = "runs", "problems", "failures", "logs", "locks"
# A worker whose parent died first delivers what it has; only then its run is free again.
RUN_LOCK_WAIT_S = 90.0
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class SweepFolder:
    """The places in a sweep's folder. `run` is a `PlannedProblem.run`."""

    path: Path

    @property
    def plan_file(self) -> Path:
        return self.path / _PLAN

    def run(self, run: str) -> Path:
        """The output folder of one run of `generate`."""
        return self.path / _RUNS / run

    def journal(self, run: str) -> Path:
        return self.run(run) / JOURNAL

    def transcript(self, run: str) -> Path:
        return self.run(run) / TRANSCRIPT

    def problem(self, run: str) -> Path:
        """The problem as the run had it: a problem folder, whatever the suite's format."""
        return self.path / _PROBLEMS / run

    def failure(self, run: str) -> Path:
        """Why the run could not be begun, or taken to its end; absent where it could."""
        return self.path / _FAILURES / f"{run}.txt"

    def log(self, name: str) -> Path:
        return self.path / _LOGS / f"{name}.log"

    def read_plan(self) -> Plan | None:
        """What the folder is about; None where it is new. Raises RunnerError."""
        try:
            return parse_plan(self.plan_file.read_text(encoding="utf-8"), str(self.plan_file))
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise RunnerError(f"cannot read {self.plan_file}: {error}") from error

    def write_plan(self, plan: Plan) -> None:
        """Put the plan there, and make the folders of the runs."""
        for name in (_RUNS, _PROBLEMS, _FAILURES, _LOGS, _LOCKS):
            (self.path / name).mkdir(exist_ok=True)
        write_atomically(self.plan_file, plan.model_dump_json(indent=1) + "\n")

    @contextmanager
    def held(self) -> Iterator[None]:
        """This process alone sweeps into the folder, which is made. Raises RunnerError.

        The lock ends with the process, however it ends.
        """
        lock, plan = self.path / _LOCK, self.plan_file
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if any(self.path.iterdir()) and not lock.exists() and not plan.exists():
                raise RunnerError(
                    f"{self.path} is not empty and holds no sweep: name another --out"
                )
            stream = lock.open("ab")
        except OSError as error:
            raise RunnerError(f"cannot write to {self.path}: {error.strerror}") from error
        with stream:
            if not _locked(stream):
                raise RunnerError(f"another sweep is writing to {self.path}: wait for its end")
            yield

    @contextmanager
    def run_held(self, run: str, wait_s: float = RUN_LOCK_WAIT_S) -> Iterator[None]:
        """This process alone works on `run`; one that is ending is waited for.

        Raises RunnerError after `wait_s`.
        """
        with (self.path / _LOCKS / f"{run}.lock").open("ab") as stream:
            until_s = time.monotonic() + wait_s
            while not _locked(stream):
                if time.monotonic() >= until_s:
                    raise RunnerError(f"another process works on {run}, for {wait_s:g} s by now")
                time.sleep(_POLL_S)
            yield


def _locked(stream: IO[bytes]) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
