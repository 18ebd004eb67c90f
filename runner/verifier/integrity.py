"""Judges what ran during a call: whose arithmetic it was, and whether the question still stands.

Owns the list of library operations that are not arithmetic. Works on a worker's report; inputs
are compared by the judge itself. Torch-free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.contract import EvaluationStatus
from runner.verifier.finding import Finding

# Allocation, initialisation, views, copies and casts: data is made room for or moved as it is.
_ALLOWED = frozenset(
    {
        "_reshape_alias",
        "_reshape_copy",
        "_to_copy",
        "_unsafe_view",
        "alias",
        "arange",
        "as_strided",
        "clone",
        "contiguous",
        "copy_",
        "detach",
        "diagonal",
        "empty",
        "empty_like",
        "empty_permuted",
        "empty_strided",
        "expand",
        "fill_",
        "full",
        "full_like",
        "is_pinned",
        "lift_fresh",
        "lift_fresh_copy",
        "narrow",
        "new_empty",
        "new_empty_strided",
        "new_full",
        "new_ones",
        "new_zeros",
        "ones",
        "ones_like",
        "permute",
        "record_stream",
        "resize_",
        "scalar_tensor",
        "select",
        "set_",
        "slice",
        "split",
        "split_with_sizes",
        "squeeze",
        "t",
        "transpose",
        "unbind",
        "unfold",
        "unsqueeze",
        "view",
        "view_as",
        "zero_",
        "zeros",
        "zeros_like",
    }
)
# What PyTorch makes of operators that it puts together from others before they are dispatched.
_PRODUCTS = frozenset({"addmm", "baddbmm", "bmm", "dot", "mm", "mv"})
_COMPOSED: Mapping[str, frozenset[str]] = {
    "batch_norm": frozenset(
        {
            "_batch_norm_with_update",
            "_native_batch_norm_legit",
            "add_",  # the count of batches that the layer keeps
            "cudnn_batch_norm",
            "native_batch_norm",
        }
    ),
    "conv1d": frozenset({"convolution"}),
    "conv2d": frozenset({"convolution"}),
    "conv3d": frozenset({"convolution"}),
    "einsum": _PRODUCTS | {"mul", "sum"},
    "layer_norm": frozenset({"native_layer_norm"}),
    "linear": _PRODUCTS,
    "log_softmax": frozenset({"_log_softmax"}),
    "matmul": _PRODUCTS,
    "scaled_dot_product_attention": frozenset(
        {
            "_scaled_dot_product_cudnn_attention",
            "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_flash_attention_for_cpu",
        }
    ),
    "softmax": frozenset({"_softmax"}),
}
# On each device another operator does the same.
_FAMILIES = ("batch_norm", "scaled_dot_product_attention")
# What belongs to another operator where no single one does it all: so many of each.
_PARTS: Mapping[str, Mapping[str, int]] = {
    "_safe_softmax": {"bmm": 2, "mul": 2},  # attention
    "batch_norm": {"add_": 1},  # the count of batches
    "bernoulli_": {"div_": 1, "mul": 1},  # dropout
}
# Host code may look at a length or two; element by element is arithmetic in Python.
_READS = "_local_scalar_dense"
_MAX_READS = 16
_EXITS = {
    "Tensor.numpy": "Tensor.numpy()",
    "Tensor.__array__": "NumPy on a tensor",
    "Tensor.tolist": "Tensor.tolist()",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrun:
    """A tensor that the candidate allocated and wrote outside of: the nearest byte either side."""

    shape: tuple[int, ...]
    dtype: str
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a worker reports of one call, made safe: names and counts only.

    `blocks`: of its kernels, those that ran in the interpreter.
    """

    launches: Mapping[str, int]
    operations: Mapping[str, int]
    configs: Mapping[str, str]
    overruns: tuple[Overrun, ...] = ()
    blocks: frozenset[str] = frozenset()

    @classmethod
    def from_reply(cls, reply: Mapping[str, Any]) -> Facts:
        """Read a worker's reply; anything malformed counts as absent."""
        configs = reply.get("configs")
        rows = configs.items() if isinstance(configs, dict) else ()
        return cls(
            launches=_counts(reply.get("launches")),
            operations=_counts(reply.get("operations")),
            configs={str(name)[:100]: str(text)[:300] for name, text in list(rows)[:32]},
            overruns=_overruns(reply.get("overruns")),
            blocks=blocks_of(reply),
        )


def judge_integrity(
    facts: Facts,
    changed_inputs: Sequence[str],
    library_ops: Sequence[str] = (),
    *,
    library_calls: int | None = None,
    something_due: bool = True,
) -> Finding | None:
    """The way in which the candidate cheats, or None.

    `library_ops`: what it may call besides its own kernels, as the spec's policy allows.
    `library_calls`: how many of them one call may make; None: any number. `something_due`: whether
    any output has an element; where none has, nothing needs to run.
    """
    if changed_inputs:
        names = ", ".join(changed_inputs)
        return _cheated(
            f"the call changed its input {names}",
            "Inputs must be left as they are: write the result to a new tensor.",
        )
    if something_due and not facts.launches:
        return _cheated(
            "no Triton kernel of its own ran",
            "The entry returned an answer without launching a @triton.jit function.",
        )
    exits = [text for name, text in _EXITS.items() if name in facts.operations]
    if exits:
        return _cheated(f"it computes outside PyTorch and Triton, through {exits[0]}", "")
    return _judge_library(facts.operations, library_ops) or _judge_count(
        facts.operations, library_calls
    )


def arithmetic(operations: Mapping[str, int]) -> dict[str, int]:
    """Of what ran, by name without overload: what computes, under the name that a spec gives it."""
    found: dict[str, int] = {}
    for name, count in operations.items():
        if name in _ALLOWED or name == _READS:
            continue
        family = next((f for f in _FAMILIES if name in _COMPOSED[f] - {"add_"}), name)
        found[family] = found.get(family, 0) + count
    return found


def library_calls_of(operations: Mapping[str, int]) -> int:
    """How many layers' worth of library operations ran: the same number on every device.

    What one operator does on a GPU, and several elsewhere, counts once.
    """
    counts = arithmetic(operations)
    total = sum(counts.values())
    for whole, parts in _PARTS.items():
        times = counts.get(whole, 0)
        total -= sum(min(times * each, counts.get(part, 0)) for part, each in parts.items())
    return total


def _judge_count(operations: Mapping[str, int], library_calls: int | None) -> Finding | None:
    """A copy of the reference with a kernel beside it replaces nothing."""
    plain = {name.removeprefix("aten::"): count for name, count in operations.items()}
    total = library_calls_of(plain)
    if library_calls is None or total <= library_calls:
        return None
    return _cheated(
        f"the library did {total} operations, at most {library_calls} may be left to it",
        "At least one of the reference's operations has to be done by a Triton kernel.\n"
        f"Library operations that ran: {', '.join(sorted(arithmetic(plain)))}",
    )


def _judge_library(operations: Mapping[str, int], library_ops: Sequence[str]) -> Finding | None:
    allowed = _ALLOWED.union({_READS}, *(_COMPOSED.get(name, {name}) for name in library_ops))
    names = {name.removeprefix("aten::") for name in operations}
    used = sorted(name for name in names if name not in allowed)
    if used:
        shown = ", ".join(f"torch {name}" for name in used[:6])
        policy = (
            f"The policy is mixed: besides {', '.join(library_ops)}, all"
            if library_ops
            else "The policy is triton-only: all"
        )
        return _cheated(
            f"the library computed: {shown}",
            f"{policy} arithmetic must be in the candidate's own Triton kernels; allocation, "
            "views, copies and casts are allowed.\n"
            f"Library operations that ran: {', '.join(used[:30])}",
        )
    reads = operations.get(f"aten::{_READS}", 0)
    if reads > _MAX_READS:
        return _cheated(
            f"it read {reads} single elements into Python",
            f"At most {_MAX_READS} are taken as sizes; more is arithmetic outside Triton.",
        )
    return None


def _cheated(summary: str, detail: str) -> Finding:
    return Finding(
        status=EvaluationStatus.CHEATED, stage="integrity", summary=summary, detail=detail
    )


def moved_of(reply: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """The inputs whose tensors a worker found pointing elsewhere, or of another form."""
    rows = reply.get("moved")
    numbers = rows if isinstance(rows, list) else []
    return [name for number, name in enumerate(names) if number in numbers]


def blocks_of(reply: Mapping[str, Any]) -> frozenset[str]:
    """The blocks of its kernels that a worker reports (`code_path`), each as one word."""
    rows = reply.get("blocks")
    pairs = list(rows.items())[:500] if isinstance(rows, dict) else []
    return frozenset(
        f"{str(digest)[:64]}:{number}"
        for digest, numbers in pairs
        if isinstance(numbers, list)
        for number in numbers[:100_000]
        if type(number) is int
    )


def _overruns(value: object) -> tuple[Overrun, ...]:
    rows = value[:8] if isinstance(value, list) else []
    found: list[Overrun] = []
    for row in rows:
        shape = row.get("shape") if isinstance(row, dict) else None
        if not isinstance(shape, list) or not all(type(size) is int for size in shape):
            continue
        near = {side: row.get(side) for side in ("before", "after")}
        distances = {k: v if type(v) is int and v > 0 else None for k, v in near.items()}
        if any(distances.values()):
            dtype = str(row.get("dtype"))[:20]
            found.append(Overrun(shape=tuple(shape[:8]), dtype=dtype, **distances))
    return tuple(found)


def _counts(value: object) -> dict[str, int]:
    if not isinstance(value, dict):
        return {}
    rows = list(value.items())[:500]
    return {str(name)[:100]: count for name, count in rows if type(count) is int and count > 0}
