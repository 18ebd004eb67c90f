"""Cross entropy of each row of logits against its class.

Measured by kernelwright.
Problem: cross_entropy_rows (problem.toml and reference.py beside this file)
Inputs: logits float16 [M, V], target int64 [M]
Output: loss float32 [M]
Sizes: M 1 to 65536, V 2 to 131072
Errors: checks none of its arguments
Accuracy: largest error 2% of its budget, in 31 comparisons with the reference in float64
Speed: 2.205x vs torch.compile, its strongest baseline, on H200 (geometric mean of 3
    workloads, 2.153x to 2.294x; above 1 is faster)
"""

import torch
import triton
import triton.language as tl

LOG2E = tl.constexpr(1.4426950408889634)
LN2 = tl.constexpr(0.6931471805599453)

# Fastest of 36 configurations on NVIDIA H200; some shapes have their own, below.
CONFIG = {"BLOCK": 2048, "num_warps": 16, "num_stages": 2}
CONFIG_BY_SHAPE = {
    (8192, 32000): {"BLOCK": 1024, "num_warps": 8, "num_stages": 2},
}


def pick_config(logits, target):
    return CONFIG_BY_SHAPE.get(logits.shape, CONFIG)


@triton.jit
def _cross_entropy_kernel(logits_ptr, target_ptr, loss_ptr, V, BLOCK: tl.constexpr):
    """One row: every lane keeps a maximum and a sum of its own, joined at the end."""
    row = tl.program_id(0).to(tl.int64)
    logits_ptr += row * V
    offs = tl.arange(0, BLOCK)
    highest = tl.full([BLOCK], -1e30, tl.float32)
    total = tl.zeros([BLOCK], tl.float32)
    for start in range(0, V, BLOCK):
        mask = start + offs < V
        x = tl.load(logits_ptr + start + offs, mask=mask, other=float("-inf")).to(tl.float32)
        x = x * LOG2E
        higher = tl.maximum(highest, x)
        total = total * tl.exp2(highest - higher) + tl.exp2(x - higher)
        highest = higher
    top = tl.max(highest, 0)
    whole = tl.sum(total * tl.exp2(highest - top), 0)
    chosen = tl.load(logits_ptr + tl.load(target_ptr + row)).to(tl.float32)
    tl.store(loss_ptr + row, (top + tl.log2(whole)) * LN2 - chosen)


def cross_entropy_rows(logits, target):
    """logsumexp(logits) - logits[target] of each row, in float32.

    logits: float16 [M, V], contiguous; target: int64 [M]. Returns float32 [M].
    """
    M, V = logits.shape
    loss = torch.empty((M,), dtype=torch.float32, device=logits.device)
    config = dict(pick_config(logits, target))
    config["BLOCK"] = min(config["BLOCK"], triton.next_power_of_2(V))
    _cross_entropy_kernel[(M,)](logits, target, loss, V, **config)
    return loss
