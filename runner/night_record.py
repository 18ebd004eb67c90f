"""What a night says of each merged kernel: the lines of `history.jsonl`, and `night.json`.

Owns the wire types and what ties a status to the figures that allow it. Torch-free: the bot and the
report read them. Refuses unknown fields. Decides nothing: `runner.nightly` does.

    passed          correct; and as fast, against its baselines, as recorded, where that was timed
    failed          the verifier said no, in two runs or on two nights; `failure` says where
    regressed       correct, and slower against its baselines, shown by several runs of one night
    unclear         suspected of either, and this night does not settle it: opens and closes nothing
    not comparable  correct; no verdict on speed: another GPU, or nothing fitting was recorded
    not run         no verdict of any kind; `notes` say why. Never taken for 'passed'
"""

from __future__ import annotations

import json
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator

from runner.contract import (
    Environment,
    EvaluationStatus,
    FiniteFloat,
    GitSha,
    Sha256,
    Slug,
    Wire,
    Workload,
)
from runner.errors import ContractError

SCHEMA_VERSION = 1
NIGHT_FILE, HISTORY_FILE = "night.json", "history.jsonl"
MAX_KERNELS = 2_000
MAX_TEXT_CHARS = 2_000

Positive = Annotated[FiniteFloat, Field(gt=0)]
Line = Annotated[str, StringConstraints(max_length=300)]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT_CHARS)]
# Which row of the workflow's matrix: the versions that were asked for, such as 'pinned'.
Leg = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]


class NightStatus(StrEnum):
    """Verdict of one night on one kernel, as the module's docstring defines it."""

    PASSED = "passed"
    FAILED = "failed"
    REGRESSED = "regressed"
    UNCLEAR = "unclear"
    NOT_COMPARABLE = "not comparable"
    NOT_RUN = "not run"


class NightBaseline(Wire):
    """One baseline, timed interleaved with the kernel; `low` to `high`: 95 % interval of `ratio`.

    `ratio` > 1: the kernel is faster. `recorded_ratio`: of the results.json; None: not there.
    """

    name: Annotated[str, StringConstraints(max_length=100)]
    median_ms: Positive
    ratio: Positive
    low: Positive
    high: Positive
    recorded_ratio: Positive | None = None


class NightTiming(Wire):
    """One benchmark workload. `speed`: the kernel's against what it was, with clocks and drivers
    taken out (0.94: 6 % slower), from `speed_low` to `speed_high`; None: not comparable."""

    workload: Workload
    median_ms: Positive
    recorded_median_ms: Positive | None = None
    baselines: Annotated[tuple[NightBaseline, ...], Field(max_length=16)]
    speed: Positive | None = None
    speed_low: Positive | None = None
    speed_high: Positive | None = None


class NightFailure(Wire):
    """Where the verifier said no. The workload is the smallest one that fails, if it has one."""

    stage: Line
    summary: Text
    detail: Text = ""
    workload: Workload | None = None
    distribution: Line | None = None
    output: Line | None = None


class KernelNight(Wire):
    """One kernel in one night and one leg: a line of `history.jsonl`.

    `problem_sha256` is the digest that `results.json` has (problem.toml and reference.py);
    `reference_sha256` that of reference.py alone. None: the file was not there. `runs`: verdicts
    reached in fresh processes. `environment`: None where no verdict was reached.
    """

    schema_version: Literal[1] = 1
    night: date
    leg: Leg = "pinned"
    kernel: Slug
    kernel_sha256: Sha256 | None = None
    reference_sha256: Sha256 | None = None
    problem_sha256: Sha256 | None = None
    environment: Environment | None = None
    recorded_gpu: str | None = None
    status: NightStatus
    evaluation_status: EvaluationStatus | None = None
    failure: NightFailure | None = None
    timings: Annotated[tuple[NightTiming, ...], Field(max_length=64)] = ()
    runs: Annotated[int, Field(ge=0, le=8)] = 0
    notes: Annotated[tuple[Text, ...], Field(max_length=32)] = ()

    @model_validator(mode="after")
    def _figures_follow_status(self) -> Self:
        judged = self.status is not NightStatus.NOT_RUN
        if judged != (self.evaluation_status is not None) or judged != (self.runs > 0):
            raise ValueError("there is a verdict of the verifier exactly when a kernel was run")
        if judged and (self.environment is None or self.kernel_sha256 is None):
            raise ValueError("a verdict without the kernel's digest or the machine behind it")
        passed = self.evaluation_status is EvaluationStatus.PASSED
        if (self.failure is not None) != (judged and not passed):
            raise ValueError("a failure is told exactly where the verifier said no")
        if not passed and self.timings:
            raise ValueError("timings of a kernel that did not pass")
        self._check_status(passed)
        return self

    def _check_status(self, passed: bool) -> None:
        status = self.status
        if status is NightStatus.FAILED and (passed or self.runs < 2):
            raise ValueError("'failed' without a failure, or without a second run")
        correct = (NightStatus.PASSED, NightStatus.REGRESSED, NightStatus.NOT_COMPARABLE)
        if status in correct and not passed:
            raise ValueError(f"{status.value!r} without a correct kernel")
        if status is NightStatus.REGRESSED:
            self._check_regression()

    def _check_regression(self) -> None:
        if self.runs < 2:
            raise ValueError("'regressed' without a second run")
        if not any(row.speed_high is not None and row.speed_high < 1 for row in self.timings):
            raise ValueError("'regressed', but no workload is slower")


class Night(Wire):
    """One run of `reverify` (of one leg and one shard): `night.json`.

    `complete` is False where the night was cut short; what was left over is 'not run'.
    """

    schema_version: Literal[1] = 1
    night: date
    leg: Leg = "pinned"
    shard: Annotated[str, StringConstraints(pattern=r"^\d{1,4}/\d{1,4}$")] = "1/1"
    commit: GitSha | None = None
    complete: bool
    wall_s: Annotated[FiniteFloat, Field(ge=0)]
    kernels: Annotated[tuple[KernelNight, ...], Field(max_length=MAX_KERNELS)]

    @model_validator(mode="after")
    def _is_one_night(self) -> Self:
        names = [row.kernel for row in self.kernels]
        if len(set(names)) != len(names):
            raise ValueError("one kernel twice in a night")
        if any((row.night, row.leg) != (self.night, self.leg) for row in self.kernels):
            raise ValueError("a kernel of another night or leg")
        return self


def history_line(row: KernelNight) -> str:
    """`row` as one line of `history.jsonl`, its end included."""
    return json.dumps(row.model_dump(mode="json"), sort_keys=True) + "\n"


def parse_history(text: str) -> tuple[KernelNight, ...]:
    """The rows of a `history.jsonl`. Raises ContractError naming the line, or its schema version.

    There is one version so far; a line of another one is refused, not guessed at.
    """
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
            version = document.get("schema_version") if isinstance(document, dict) else None
            if version != SCHEMA_VERSION:
                found = f"{version!r:.40}"
                raise ContractError(
                    f"line {number} has schema version {found}; this reads {SCHEMA_VERSION}"
                )
            rows.append(KernelNight.model_validate(document))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ContractError(f"line {number}: {where}: {first['msg']}") from error
        except (ValueError, RecursionError) as error:
            if isinstance(error, ContractError):
                raise
            raise ContractError(f"line {number} is not JSON") from error
    return tuple(rows)
