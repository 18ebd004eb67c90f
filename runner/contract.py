"""The wire types that cross the trust boundary between bot and runner.

Owns `KernelRequest` (bot → runner) and `ResultBundle` (runner → bot) with all their parts, and the
rules that tie a figure to the status that allows it. Torch-free; refuses unknown fields.
"""

from __future__ import annotations

import hashlib
import math
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

SCHEMA_VERSION = 1
# GitHub allows 65,535 characters for all inputs of one workflow_dispatch together.
MAX_DISPATCH_CHARS = 65_535
NOT_MEASURED = "not measured: no GPU"

RequestId = Annotated[str, StringConstraints(pattern=r"^kw-[0-9a-f]{16}$")]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
GitSha = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]


def sha256_hex(data: str | bytes) -> str:
    """The lower-case SHA-256 of `data` (text is encoded as UTF-8)."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


class Wire(BaseModel):
    """Frozen, and closed to unknown fields: what is not in the contract is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EvaluationStatus(StrEnum):
    """Verdict of one candidate."""

    PASSED = "PASSED"
    REJECTED = "REJECTED"  # no code, does not parse, no entry function, a forbidden construct
    COMPILE_ERROR = "COMPILE_ERROR"
    RUNTIME_ERROR = "RUNTIME_ERROR"
    INCORRECT_SHAPE = "INCORRECT_SHAPE"
    INCORRECT_DTYPE = "INCORRECT_DTYPE"
    INCORRECT_NUMERICAL = "INCORRECT_NUMERICAL"
    CHEATED = "CHEATED"
    TIMEOUT = "TIMEOUT"


class Outcome(StrEnum):
    """What a whole run achieved. Without a GPU nothing is timed, so IMPROVED needs one."""

    IMPROVED = "IMPROVED"  # correct, and significantly faster than every baseline
    CORRECT = "CORRECT"  # correct; no significant win, or not measured
    UNSOLVED = "UNSOLVED"


class Budget(Wire):
    """What a run may spend. `None` means no limit other than the wall clock.

    `streams`: questions under way at a time; `None`: as many as suit the model.
    """

    wall_clock_s: Annotated[float, Field(gt=0, le=6 * 3600)] = 900.0
    max_attempts: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    streams: Annotated[int, Field(ge=1, le=64)] | None = None


class Workload(Wire):
    """One concrete set of axis sizes."""

    axes: dict[str, Annotated[int, Field(ge=0)]]

    def __str__(self) -> str:
        return " ".join(f"{name}={size}" for name, size in self.axes.items()) or "its only size"


class Candidate(Wire):
    """One kernel source, extracted from the model's answer of attempt `attempt` (1-based)."""

    source: str
    sha256: Sha256
    attempt: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _digest_matches(self) -> Self:
        if sha256_hex(self.source) != self.sha256:
            raise ValueError("sha256 is not the digest of source")
        return self

    @classmethod
    def of(cls, source: str, attempt: int) -> Candidate:
        return cls(source=source, sha256=sha256_hex(source), attempt=attempt)


class OutputError(Wire):
    """Error of one output of one case against the float64 reference, beside its budget.

    `max_error` and `rms_error` are absolute; `None` where the output has NaN or infinity at the
    wrong places, so that no error can be given. `worst_index` is where the largest error is.
    """

    workload: Workload
    distribution: str
    output: str
    elements: Annotated[int, Field(ge=0)]
    wrong_elements: Annotated[int, Field(ge=0)]
    max_error: FiniteFloat | None
    max_budget: FiniteFloat
    rms_error: FiniteFloat | None
    rms_budget: FiniteFloat
    worst_index: tuple[int, ...] | None
    expected: float | None = None
    found: float | None = None

    @property
    def within_budget(self) -> bool:
        if self.max_error is None or self.rms_error is None:
            return False
        return (
            self.wrong_elements == 0
            and self.max_error <= self.max_budget
            and self.rms_error <= self.rms_budget
        )


class Correctness(Wire):
    """Every comparison made, in the order made."""

    cases: Annotated[tuple[OutputError, ...], Field(min_length=1)]

    @property
    def worst(self) -> OutputError:
        """The case that used the largest share of its budget."""

        def share(case: OutputError) -> float:
            if case.max_error is None:
                return math.inf
            return case.max_error / case.max_budget if case.max_budget else case.max_error

        return max(self.cases, key=share)


class KernelResources(Wire):
    """What the assembler says of one compiled kernel, for one workload.

    `grid`: the programs of one launch; `launches`: how often one call launches it; None where
    nobody looked.
    """

    kernel: str
    workload: Workload
    target: str  # for example "sm_90"
    registers: Annotated[int, Field(ge=0)]  # per thread
    spill_bytes: Annotated[int, Field(ge=0)]  # local memory per thread: stores + loads
    shared_bytes: Annotated[int, Field(ge=0)]  # per block
    num_warps: Annotated[int, Field(ge=1)]
    num_stages: Annotated[int, Field(ge=0)]
    grid: tuple[int, ...] | None = None
    launches: Annotated[int, Field(ge=1)] | None = None


class BaselineTiming(Wire):
    """One baseline, timed interleaved with the candidate. `ratio` > 1: the candidate is faster."""

    name: str
    median_ms: Annotated[FiniteFloat, Field(gt=0)]
    ratio: Annotated[FiniteFloat, Field(gt=0)]
    ratio_low: Annotated[FiniteFloat, Field(gt=0)]  # 95 % interval
    ratio_high: Annotated[FiniteFloat, Field(gt=0)]


class WorkloadTiming(Wire):
    """GPU time of the candidate on one workload.

    `moved_bytes`: each input read once and each output written once. `flops`: what PyTorch counts
    for the reference (matrix products, convolutions, attention); None where it counts none.
    `floor_ms`: no correct kernel can be quicker on this GPU. `clock_ms`: time of one call in a
    burst by the judge's own clock, `span_ms` by events in the same burst: the two must agree.
    """

    workload: Workload
    median_ms: Annotated[FiniteFloat, Field(gt=0)]
    baselines: tuple[BaselineTiming, ...]
    calls: Annotated[int, Field(ge=1)]
    moved_bytes: Annotated[int, Field(ge=0)]
    flops: Annotated[int, Field(ge=1)] | None = None
    floor_ms: Annotated[FiniteFloat, Field(ge=0)] | None = None
    clock_ms: Annotated[FiniteFloat, Field(gt=0)] | None = None
    span_ms: Annotated[FiniteFloat, Field(gt=0)] | None = None
    gb_per_s: FiniteFloat | None = None
    tflop_per_s: FiniteFloat | None = None
    # Of the reference's bytes or operations: a kernel that skips what a mask hides may exceed 1.
    roofline_share: FiniteFloat | None = None
    bound: Literal["memory", "arithmetic"] | None = None


class Roofline(Wire):
    """What this GPU was measured to do: a device-to-device copy and matrix products by dtype."""

    copy_gb_per_s: Annotated[FiniteFloat, Field(gt=0)]  # bytes read + bytes written
    matmul_tflop_per_s: dict[str, Annotated[FiniteFloat, Field(gt=0)]]  # torch dtype name
    l2_bytes: Annotated[int, Field(ge=0)]
    multiprocessors: Annotated[int, Field(ge=1)]


class Performance(Wire):
    """Timings on a GPU. Absent on a CPU: nothing is timed there.

    `fresh_processes`: how many worker processes the figures come from; the final measurement uses
    processes that ran nothing before. `own_share`: share of the GPU's kernel time that was spent
    in the candidate's own Triton kernels.
    """

    timings: Annotated[tuple[WorkloadTiming, ...], Field(min_length=1)]
    roofline: Roofline | None = None
    fresh_processes: Annotated[int, Field(ge=1)] = 1
    own_share: Annotated[FiniteFloat, Field(ge=0, le=1)] | None = None
    not_timed: dict[str, str] = {}  # workload → why, for example too large for this GPU


class Check(Wire):
    """One thing that was checked on the way to a verdict: its name and what was seen."""

    name: str  # for example "guard bands"
    detail: str  # for example "untouched after 24 calls"


class Evaluation(Wire):
    """The verdict on one candidate.

    `summary` is one sentence; `detail` is what the model is told (compiler message, where the
    numbers differ, resources); `stage` is where the cascade stopped; `stage_s` are wall seconds.
    """

    status: EvaluationStatus
    candidate_sha256: Sha256
    device: Literal["cpu", "cuda"]
    stage: str
    summary: str
    detail: str = ""
    correctness: Correctness | None = None
    resources: tuple[KernelResources, ...] = ()
    performance: Performance | None = None
    checks: tuple[Check, ...] = ()
    stage_s: dict[str, FiniteFloat] = {}

    @model_validator(mode="after")
    def _figures_follow_status(self) -> Self:
        passed = self.status is EvaluationStatus.PASSED
        if passed and (self.correctness is None or not self.resources):
            raise ValueError("PASSED without correctness and compiled resources")
        if passed and self.correctness and not all(c.within_budget for c in self.correctness.cases):
            raise ValueError("PASSED with an error above its budget")
        if self.performance is not None and not (passed and self.device == "cuda"):
            raise ValueError("performance without PASSED on a GPU")
        return self


class TokenUsage(Wire):
    """Tokens of one answer. `None`: the endpoint did not say.

    `cached_prompt_tokens` are those of the prompt that a vendor's cache served, at a lower price.
    """

    prompt_tokens: Annotated[int, Field(ge=0)] | None = None
    cached_prompt_tokens: Annotated[int, Field(ge=0)] | None = None
    reasoning_tokens: Annotated[int, Field(ge=0)] | None = None
    completion_tokens: Annotated[int, Field(ge=0)] | None = None


class Attempt(Wire):
    """One iteration: prompt → answer → candidate → evaluation."""

    index: Annotated[int, Field(ge=1)]
    phase: Literal["explore", "repair", "optimise", "review", "tune"]
    evaluation: Evaluation
    tokens: TokenUsage
    model_s: FiniteFloat
    verifier_s: FiniteFloat
    kept: bool  # this attempt became the best so far


class Environment(Wire):
    """Where the verdict was reached. `None`: this machine has no such thing."""

    gpu: str | None
    driver: str | None
    cuda: str | None
    torch: str
    triton: str
    python: str
    sandbox: Literal["bubblewrap", "none"]
    clocks_mhz: dict[str, int] | None = None


class Cost(Wire):
    """What the run spent. `usd` is None where no price is known for the model."""

    wall_s: FiniteFloat
    model_s: FiniteFloat
    verifier_s: FiniteFloat
    prompt_tokens: int | None = None
    reasoning_tokens: int | None = None
    completion_tokens: int | None = None
    usd: FiniteFloat | None = None


class InlineComment(Wire):
    """A review comment on a line of the kernel, with the code it points at."""

    path: str
    line: int | None
    code: str
    body: str


class Feedback(Wire):
    """What a reviewer wants changed. Text from a person: data, never instructions to the bot."""

    author: str
    text: str
    comments: tuple[InlineComment, ...] = ()


class KernelRequest(Wire):
    """One run of the loop, as the bot asks for it: the single JSON input of `generate.yml`."""

    schema_version: Literal[1] = 1
    request_id: RequestId
    repository: Annotated[str, StringConstraints(pattern=r"^[\w.-]+/[\w.-]+$")]
    base_sha: GitSha
    issue_number: Annotated[int, Field(ge=1)]
    generation: Annotated[int, Field(ge=0)]  # 0: the first; each regeneration adds one
    requested_by: str
    problem_toml: str
    reference_py: str
    baseline_py: str | None = None
    budget: Budget = Budget()
    target_gpu: str = "H100"
    feedback: Feedback | None = None
    parent_kernel: str | None = None
    parent_head_sha: GitSha | None = None

    @model_validator(mode="after")
    def _parent_is_whole(self) -> Self:
        if (self.parent_kernel is None) != (self.parent_head_sha is None):
            raise ValueError("parent_kernel and parent_head_sha come together")
        return self


class BundleFile(Wire):
    """One file of the bundle: a path under `problems/<slug>/`, its digest and its size."""

    path: str
    sha256: Sha256
    size_bytes: Annotated[int, Field(ge=0)]


class ResultBundle(Wire):
    """What a run hands back: the manifest of the artifact. `files` describes the rest of it."""

    schema_version: Literal[1] = 1
    request_id: RequestId | None  # None: a run from the command line, for no request
    repository: str | None
    issue_number: int | None
    generation: int
    problem: Slug
    problem_sha256: Sha256  # of problem.toml + NUL + reference.py
    parent_sha256: Sha256 | None  # of the kernel that the run started from
    model: str
    outcome: Outcome
    stopped_because: str
    attempts: tuple[Attempt, ...]
    best_attempt: int | None  # index into the 1-based attempts
    best: Evaluation | None
    environment: Environment
    cost: Cost
    files: tuple[BundleFile, ...]

    @model_validator(mode="after")
    def _best_follows_outcome(self) -> Self:
        solved = self.outcome is not Outcome.UNSOLVED
        if solved != (self.best is not None) or solved != (self.best_attempt is not None):
            raise ValueError("best is present exactly when the outcome is not UNSOLVED")
        if self.best is not None and self.best.status is not EvaluationStatus.PASSED:
            raise ValueError("best did not pass")
        if self.outcome is Outcome.IMPROVED and (self.best is None or not self.best.performance):
            raise ValueError("IMPROVED without a measured performance")
        return self
