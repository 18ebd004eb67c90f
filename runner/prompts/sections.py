"""The sections that prompts are made of: task, contract, GPU, exemplar, a kernel, the answer.

Owns how a problem and its machine read in a prompt. What people or models wrote is fenced as data.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from runner.contract import Workload
from runner.one_line import one_line
from runner.problem import Problem, TensorSpec
from runner.prompts import excerpt, fenced, render_prompt
from runner.prompts.context import Exemplar, PromptContext
from runner.prompts.memory_time import least_memory_ms
from runner.recipe import MODEL_CLASS
from runner.task import Task
from runner.timing_text import ms_text
from runner.verifier.resources import MAX_SHARED_BYTES

TARGET = "sm_90"
# What stands in the names of NVIDIA's GPUs besides words with a digit.
_GPU_WORDS = frozenset({"RTX", "PCIE", "SXM", "NVL", "SUPER", "TI"})
NEW_IN_THIS_KERNEL = "what is new in this kernel and why it should help"
ITS_DESIGN = "the design of this kernel in a few words"
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
# Triton's default for float32 operands is TF32, with 11 bits: right in the interpreter, which
# multiplies in float32, and far outside the budget on the GPU.
_FLOAT32_DOT = (
    ' In `tl.dot` on float32 operands pass `input_precision="ieee"` or `"tf32x3"`: the default '
    "rounds them to TF32, which is outside the budget on the GPU."
)


_SIGNATURE_RULE = "with exactly these parameters"
_CLASS_RULE = (
    "which is made and called as `Model` is (`get_init_inputs`, `get_inputs`), whose parameters "
    "have the names and shapes of those of `Model`, because they are set to the same values after "
    "it is made, so `forward` computes from them what it needs; its layers are in training mode; "
    "it is asked for the one size of `get_inputs`"
)


def task_section(task: Task) -> str:
    """The problem: its words, its reference, its hint, its tensors and its sizes."""
    problem = task.problem
    hints = (
        f"When writing the kernel keep in mind, from the same person:\n\n{fenced(problem.hints)}"
        if problem.hints.strip()
        else ""
    )
    return render_prompt(
        "task",
        subject=f"function `{problem.entry}`" if problem.module is None else f"`{MODEL_CLASS}`",
        summary=fenced(problem.summary),
        reference=fenced(problem.reference_text, "python"),
        definition="this function" if problem.module is None else "the class `Model`",
        hints=hints,
        interface=_interface(problem),
        workloads=_workloads(problem),
        target_gpu=_gpu_name(task.target_gpu),
    ).rstrip()


def contract_section(context: PromptContext) -> str:
    """The rules for `kernel.py`, for this problem's entry, dtypes and policy."""
    problem = context.task.problem
    parameters = ", ".join(tensor.name for tensor in problem.inputs)
    if len(problem.outputs) == 1:
        returns = f"the tensor `{problem.outputs[0].name}`"
    else:
        names = ", ".join(f"`{tensor.name}`" for tensor in problem.outputs)
        returns = f"the tuple of tensors ({names})"
    wide = any(spec.dtype == "float32" for spec in problem.inputs)
    return render_prompt(
        "contract",
        signature=f"def {problem.entry}({parameters})"
        if problem.module is None
        else f"class {problem.entry}(torch.nn.Module)",
        parameters=parameters,
        signature_rule=_SIGNATURE_RULE if problem.module is None else _CLASS_RULE,
        returns=returns,
        policy_rule=_policy_rule(problem),
        layout_rule=_layout_rule(problem),
        precision_rule=_FLOAT32_DOT if wide else "",
        target=TARGET,
        triton=one_line(context.triton_version, 40),
        largest_shared=f"{MAX_SHARED_BYTES:,}",
    ).rstrip()


def gpu_section(context: PromptContext) -> str:
    """What the GPU was measured to do, and what that makes of the benchmarks; else nothing."""
    if context.figures is None:
        return ""
    roofline, name = context.figures.roofline, context.figures.name
    rates = ", ".join(
        f"{dtype} {rate:,.0f} TFLOP/s" for dtype, rate in roofline.matmul_tflop_per_s.items()
    )
    figures = [
        f"- memory: a copy moves {roofline.copy_gb_per_s:,.0f} GB/s, bytes read and written "
        "together",
        *([f"- large matrix products with `torch.mm`: {rates}"] if rates else []),
        f"- {roofline.multiprocessors} multiprocessors, {roofline.l2_bytes / (1 << 20):.0f} MiB "
        "of L2 cache",
    ]
    problem = context.task.problem
    rows = [
        f"- {workload}: {ms_text(least_memory_ms(problem, workload, roofline))}"
        for workload in problem.benchmarks
    ]
    return render_prompt(
        "gpu",
        name="" if name is None else f", one {_gpu_name(name)}",
        figures="\n".join(figures),
        least="\n".join(rows),
    ).rstrip()


def exemplar_section(exemplar: Exemplar | None) -> str:
    """A tested kernel of the family to start from, or nothing."""
    if exemplar is None:
        return ""
    return (
        "## A kernel to start from\n\n"
        f"{_sentence(exemplar.title)} It is tested and fast for its own problem, which is "
        "not yours: keep how it uses the GPU where that fits, and change whatever the task and "
        f"the contract ask for.\n\n{fenced(exemplar.source, 'python')}"
    )


def source_section(source: str, title: str = "", limit_chars: int | None = None) -> str:
    """A kernel's source under a line of introduction, whole unless it passes `limit_chars`."""
    title = title or "Its source, the whole of `kernel.py`:"
    if limit_chars is None or len(source) <= limit_chars:
        return f"{title}\n\n{fenced(source, 'python')}"
    cut = "It is too long to be shown whole here; the middle is left out. Write a shorter one."
    return f"{title} {cut}\n\n{fenced(excerpt(source, limit_chars), 'python')}"


def answer_section(
    steps: Sequence[str], *, change: str = NEW_IN_THIS_KERNEL, brief: bool = False
) -> str:
    """The form of the answer: `steps`, then the `change` in one line, then the kernel.

    `brief`: the answer before was cut at the length limit.
    """
    rows = [
        *steps,
        f"`CHANGE: ` and, on the same line, {change}. It goes into the table of attempts.",
        "The **complete updated kernel**: all of `kernel.py` in a single ```python block, as the "
        "last thing in the answer.",
    ]
    thinking = (
        "Your last answer ran out of room: settle on one design soon, and keep what you write "
        "besides the kernel short. Then return, in this order:"
        if brief
        else "Think as long as you need. Then return, in this order:"
    )
    numbered = "\n".join(f"{number}. {row}" for number, row in enumerate(rows, start=1))
    return render_prompt("answer", thinking=thinking, steps=numbered).rstrip()


def _policy_rule(problem: Problem) -> str:
    if problem.policy == "triton-only":
        return _TRITON_ONLY
    return _MIXED.format(operators=", ".join(f"`{name}`" for name in problem.library_ops))


def _layout_rule(problem: Problem) -> str:
    names = ", ".join(f"`{spec.name}`" for spec in problem.inputs if not spec.contiguous)
    if not names:
        return "Inputs arrive contiguous."
    return f"Use the strides of {names}: they may be anything. Other inputs arrive contiguous."


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
    return f"Tensors (sizes by axis: {axes or 'all are fixed'}):\n\n" + "\n".join(lines)


def _tensor(tensor: TensorSpec) -> str:
    shape = ", ".join(str(dim) for dim in tensor.shape)
    role = "" if tensor.state is None else f" ({tensor.part} `{tensor.state}`)"
    text = f"`{tensor.name}`{role}: {tensor.dtype} [{shape}]"
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


def _sentence(title: str) -> str:
    line = one_line(title, 120)
    return f"{line[:1].upper()}{line[1:]}."


def _gpu_name(name: str) -> str:
    """A GPU's name as a request or a driver gives it: its marks, and no word of a sentence."""
    words = [word.strip("._-") for word in re.findall(r"[A-Za-z0-9._-]{1,24}", name)]
    marks = [word for word in words if word.upper() in _GPU_WORDS or re.search(r"\d", word)]
    return " ".join(["NVIDIA", *marks[:5]]) if marks else "NVIDIA GPU"
