"""What passes between the pool and a judge's process: one JSON object a line.

Owns the types. Both ends are ours; they are closed to unknown fields all the same.
"""

from __future__ import annotations

from typing import Literal

from runner.contract import Candidate, Evaluation, Roofline, Wire
from runner.errors import ReferenceFailed, RunnerError, SandboxUnavailable
from runner.problem import Problem, parse_problem
from runner.tune.types import Tuned

Operation = Literal["prepare", "verify", "finalize", "tune", "abandon"]
_KINDS: dict[str, type[RunnerError]] = {
    kind.__name__: kind for kind in (RunnerError, ReferenceFailed, SandboxUnavailable)
}


class Opening(Wire):
    """The first line to a judge: the problem's texts, and the fields of its VerifyOptions."""

    problem_toml: str
    reference_py: str
    baseline_py: str | None
    options: dict[str, bool | int | float | str | None]

    @classmethod
    def of(cls, problem: Problem, options: dict[str, bool | int | float | str | None]) -> Opening:
        return cls(
            problem_toml=problem.toml_text,
            reference_py=problem.reference_text,
            baseline_py=problem.baseline_text,
            options=options,
        )

    @property
    def problem(self) -> Problem:
        """Raises ProblemError."""
        return parse_problem(self.problem_toml, self.reference_py, self.baseline_py)


class Request(Wire):
    """One thing to do. `abandon` has no reply, and comes while another is under way."""

    number: int
    op: Operation
    candidate: Candidate | None = None
    time_left_s: float | None = None


class Failure(Wire):
    """An error of ours, by the name of its class."""

    kind: str
    message: str

    @classmethod
    def of(cls, error: RunnerError) -> Failure:
        kind = next(name for name in reversed(_KINDS) if isinstance(error, _KINDS[name]))
        return cls(kind=kind, message=str(error))

    def error(self) -> RunnerError:
        """The error as it was raised on the other side."""
        return _KINDS.get(self.kind, RunnerError)(self.message)


class Ready(Wire):
    """The first line from a judge: where it runs. `gpu` as PyTorch names it; None on a CPU."""

    sandbox: Literal["bubblewrap", "none"]
    device: Literal["cpu", "cuda"]
    gpu: str | None


class Reply(Wire):
    """The answer to request `number`; 0 answers the opening."""

    number: int
    ready: Ready | None = None
    roofline: Roofline | None = None  # where `prepare` was asked for, on a GPU
    evaluation: Evaluation | None = None
    tuned: Tuned | None = None
    failure: Failure | None = None
