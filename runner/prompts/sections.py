"""The sections that prompts are made of: the task, the contract, the review, a kernel.

Owns how a problem and a review read in a prompt. What people or models wrote is fenced as data.
"""

from __future__ import annotations

from runner.contract import Feedback, InlineComment, Workload
from runner.problem import Problem, TensorSpec
from runner.prompts import excerpt, fenced, render_prompt
from runner.task import Task

TARGET = "sm_90"
# 227 KiB: what one block can have on sm_90 (CUDA programming guide, compute capability 9.0).
LARGEST_SHARED_BYTES = 232_448
MAX_REVIEW_CHARS = 12_000
# Everything a triton-only candidate may ask of PyTorch.
_TRITON_ONLY = (
    "All arithmetic on tensors happens in your own `@triton.jit` kernels, and at least one of them "
    "runs in every call. From PyTorch take allocation, views, shapes and strides only: no "
    "`torch.matmul`, no `torch.softmax`, no operators between tensors, no `torch.compile`, no "
    "fallback to PyTorch. What runs is watched, and a library operation ends the attempt."
)
_MIXED = (
    "Of PyTorch's operators that compute you may use {operators}; everything else happens in your "
    "own `@triton.jit` kernels, which must do a real part of the work in every call. No "
    "`torch.compile`, no fallback to PyTorch. What runs is watched."
)


def task_section(task: Task) -> str:
    """The problem: its words, its reference, its tensors and its sizes."""
    problem = task.problem
    hints = f"Hints from the same person:\n\n{fenced(problem.hints)}" if problem.hints else ""
    return render_prompt(
        "task",
        entry=problem.entry,
        summary=fenced(problem.summary),
        reference=fenced(problem.reference_text, "python"),
        interface=_interface(problem),
        workloads=_workloads(problem),
        hints=hints,
        target_gpu=task.target_gpu,
    ).rstrip()


def contract_section(task: Task, triton_version: str) -> str:
    """The rules for `kernel.py`, for this problem's entry and policy."""
    problem = task.problem
    parameters = ", ".join(tensor.name for tensor in problem.inputs)
    if len(problem.outputs) == 1:
        returns = f"the tensor `{problem.outputs[0].name}`"
    else:
        names = ", ".join(f"`{tensor.name}`" for tensor in problem.outputs)
        returns = f"the tuple of tensors ({names})"
    return render_prompt(
        "contract",
        signature=f"def {problem.entry}({parameters})",
        returns=returns,
        policy_rule=_policy_rule(problem),
        layout_rule=_layout_rule(problem),
        target=TARGET,
        triton=triton_version,
        largest_shared=f"{LARGEST_SHARED_BYTES:,}",
    ).rstrip()


def _policy_rule(problem: Problem) -> str:
    if problem.policy == "triton-only":
        return _TRITON_ONLY
    return _MIXED.format(operators=", ".join(f"`{name}`" for name in problem.library_ops))


def _layout_rule(problem: Problem) -> str:
    names = ", ".join(f"`{spec.name}`" for spec in problem.inputs if not spec.contiguous)
    if not names:
        return "Inputs arrive contiguous."
    return f"Use the strides of {names}: they may be anything. Other inputs arrive contiguous."


def guidance_section(feedback: Feedback | None) -> str:
    """A reviewer's words and inline comments, or nothing."""
    if feedback is None:
        return ""
    return render_prompt(
        "guidance",
        author="A reviewer",
        text=fenced(excerpt(feedback.text, MAX_REVIEW_CHARS)) if feedback.text.strip() else "",
        comments="\n\n".join(_inline_comment(comment) for comment in feedback.comments),
    ).rstrip()


def source_section(source: str, title: str = "") -> str:
    """A kernel's whole source, under a line of introduction."""
    return f"{title or 'Its source:'}\n\n{fenced(source, 'python')}"


def _inline_comment(comment: InlineComment) -> str:
    # The path is a person's text too; the kernel's file is the only one that a review is about.
    where = "kernel.py" if comment.line is None else f"kernel.py, line {comment.line}"
    code = f"On this code ({where}):\n\n{fenced(excerpt(comment.code, 2_000), 'python')}\n\n"
    body = f"the reviewer says:\n\n{fenced(excerpt(comment.body, MAX_REVIEW_CHARS))}"
    return code + body if comment.code.strip() else f"On {where}, {body}"


def _interface(problem: Problem) -> str:
    axes = ", ".join(
        f"{name} from {low} to {high}"
        + (f" in steps of {problem.steps[name]}" if problem.steps[name] > 1 else "")
        for name, (low, high) in problem.axes.items()
    )
    lines = [
        *(f"- input {_tensor(tensor)}" for tensor in problem.inputs),
        *(f"- output {_tensor(tensor)}" for tensor in problem.outputs),
    ]
    return f"Tensors (sizes by axis: {axes}):\n\n" + "\n".join(lines)


def _tensor(tensor: TensorSpec) -> str:
    shape = ", ".join(str(dim) for dim in tensor.shape)
    text = f"`{tensor.name}`: {tensor.dtype} [{shape}]"
    if tensor.low is None and tensor.high is None:
        return text
    low = 0 if tensor.low is None else tensor.low
    return f"{text}, values from {low} up to, not including, {tensor.high}"


def _workloads(problem: Problem) -> str:
    def rows(workloads: tuple[Workload, ...]) -> str:
        return "; ".join(str(workload) for workload in workloads)

    return (
        f"It is checked at: {rows(problem.tests)}.\n\n"
        f"It should be fastest at: {rows(problem.benchmarks)}."
    )
