"""Softmax of each row over the places that a mask keeps.

Measured by kernelwright.
Problem: masked_softmax (problem.toml and reference.py beside this file)
Inputs: x float16 [M, N], keep bool [M, N]
Output: y float16 [M, N]
Sizes: M 1 to 65536, N 1 to 16384
Errors: raises ValueError for arguments that it cannot take
Accuracy: largest error 25% of its budget, in 31 comparisons with the reference in float64
Speed: 1.590x vs torch.compile, its strongest baseline, on H200 (geometric mean of 3
    workloads, 1.029x to 2.086x; above 1 is faster)
"""

import torch
import triton
import triton.language as tl

MAX_BLOCK = 16384
LOG2E = tl.constexpr(1.4426950408889634)
OUT = tl.constexpr(-30000.0)

# Fastest of 3 configurations on NVIDIA H200; some shapes have their own, below.
CONFIG = {"num_warps": 4}
CONFIG_BY_SHAPE = {
    (2048, 16384): {"num_warps": 16},
}


def pick_config(x, keep):
    return CONFIG_BY_SHAPE.get(x.shape, CONFIG)


@triton.jit
def _masked_softmax_kernel(x_ptr, keep_ptr, y_ptr, N, BLOCK: tl.constexpr):
    """One row, held in registers: x and keep are read once, y is written once."""
    row = tl.program_id(0).to(tl.int64)
    offs = tl.arange(0, BLOCK)
    mask = offs < N
    x = tl.load(x_ptr + row * N + offs, mask=mask, other=0.0).to(tl.float32)
    keep = tl.load(keep_ptr + row * N + offs, mask=mask, other=0)
    scores = tl.where(keep != 0, x, OUT)
    scores = tl.where(mask, scores, float("-inf")) * LOG2E
    e = tl.exp2(scores - tl.max(scores, 0))
    y = e / tl.sum(e, 0)
    tl.store(y_ptr + row * N + offs, y.to(y_ptr.dtype.element_ty), mask=mask)


def masked_softmax(x, keep):
    """softmax(where(keep, x, -30000)) of each row.

    x: float16 [M, N], contiguous; keep: bool [M, N]. Returns float16 [M, N]. Raises ValueError for
    rows longer than 16384.
    """
    M, N = x.shape
    if N > MAX_BLOCK:
        raise ValueError(f"rows have {N} elements, more than {MAX_BLOCK}")
    y = torch.empty_like(x)
    block = triton.next_power_of_2(N)
    config = pick_config(x, keep)
    _masked_softmax_kernel[(M,)](x, keep.view(torch.uint8), y, N, BLOCK=block, **config)
    return y
