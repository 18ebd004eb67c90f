"""What one run of the loop is about: the problem, the budget, and where it starts from.

Owns the type and its two origins, a request and a folder. Starts nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from runner.contract import Budget, Candidate, Feedback, KernelRequest
from runner.kernel_facts import without_facts
from runner.problem import Problem, problem_of

DEFAULT_TARGET_GPU = "H100"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One run. `parent` is the kernel that a reviewer wants changed, as attempt 0."""

    problem: Problem
    budget: Budget = field(default_factory=Budget)
    generation: int = 0
    target_gpu: str = DEFAULT_TARGET_GPU
    feedback: Feedback | None = None
    parent: Candidate | None = None
    request: KernelRequest | None = None


def task_of(request: KernelRequest) -> Task:
    """The run that a request asks for. Raises ProblemError."""
    parent = request.parent_kernel
    if parent is not None:
        # Of another round: the model must not copy them, nor a verdict be about them.
        parent = without_facts(parent)
    return Task(
        problem=problem_of(request),
        budget=request.budget,
        generation=request.generation,
        target_gpu=request.target_gpu,
        feedback=request.feedback,
        parent=None if parent is None else Candidate.of(parent, 0),
        request=request,
    )
