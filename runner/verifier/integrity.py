"""Judges what ran during a call: whose arithmetic it was, and whether the question still stands.

Owns the list of library operations that are not arithmetic. Works on a worker's report; inputs
are compared by the judge itself. Torch-free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

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
# Host code may look at a length or two; element by element is arithmetic in Python.
_READS = "_local_scalar_dense"
_MAX_READS = 16
_EXITS = {
    "Tensor.numpy": "Tensor.numpy()",
    "Tensor.__array__": "NumPy on a tensor",
    "Tensor.tolist": "Tensor.tolist()",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a worker reports of one call, made safe: names and counts only."""

    launches: Mapping[str, int]
    operations: Mapping[str, int]
    configs: Mapping[str, str]

    @classmethod
    def from_reply(cls, reply: Mapping[str, Any]) -> Facts:
        """Read a worker's reply; anything malformed counts as absent."""
        configs = reply.get("configs")
        rows = configs.items() if isinstance(configs, dict) else ()
        return cls(
            launches=_counts(reply.get("launches")),
            operations=_counts(reply.get("operations")),
            configs={str(name)[:100]: str(text)[:300] for name, text in list(rows)[:32]},
        )


def judge_integrity(
    policy: Literal["triton-only", "mixed"], facts: Facts, changed_inputs: Sequence[str]
) -> Finding | None:
    """The way in which the candidate cheats, or None."""
    if changed_inputs:
        names = ", ".join(changed_inputs)
        return _cheated(
            f"the call changed its input {names}",
            "Inputs must be left as they are: write the result to a new tensor.",
        )
    if not facts.launches:
        return _cheated(
            "no Triton kernel of its own ran",
            "The entry returned an answer without launching a @triton.jit function.",
        )
    exits = [text for name, text in _EXITS.items() if name in facts.operations]
    if exits:
        return _cheated(f"it computes outside PyTorch and Triton, through {exits[0]}", "")
    if policy == "triton-only":
        return _judge_library(facts.operations)
    return None


def _judge_library(operations: Mapping[str, int]) -> Finding | None:
    used = sorted(
        name.removeprefix("aten::")
        for name in operations
        if name.removeprefix("aten::") not in _ALLOWED | {_READS}
    )
    if used:
        shown = ", ".join(f"torch {name}" for name in used[:6])
        return _cheated(
            f"the library computed: {shown}",
            "The policy is triton-only: all arithmetic must be in the candidate's own Triton "
            "kernels; allocation, views, copies and casts are allowed.\n"
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


def _counts(value: object) -> dict[str, int]:
    if not isinstance(value, dict):
        return {}
    rows = list(value.items())[:500]
    return {str(name)[:100]: count for name, count in rows if type(count) is int and count > 0}
