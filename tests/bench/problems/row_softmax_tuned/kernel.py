"""Softmax of each row: some rows a program, in one block where they fit, else in several."""

import torch
import triton
import triton.language as tl

TUNABLES = {
    "MAX_BLOCK": [1024, 2048, 4096, 8192, 16384],
    "num_warps": [1, 2, 4, 8, 16],
    "num_stages": [1, 3],
}
CONFIG = {"MAX_BLOCK": 1024, "num_warps": 4, "num_stages": 1}


def pick_config(x):
    """The launch parameters for rows of this length."""
    return CONFIG


@triton.jit
def _softmax_kernel(x_ptr, y_ptr, N, BLOCK: tl.constexpr, ONE_BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    x_ptr += row * N
    y_ptr += row * N
    offs = tl.arange(0, BLOCK)
    if ONE_BLOCK:
        mask = offs < N
        x = tl.load(x_ptr + offs, mask=mask, other=-float("inf")).to(tl.float32)
        e = tl.exp(x - tl.max(x, 0))
        tl.store(y_ptr + offs, e / tl.sum(e, 0), mask=mask)
    else:
        highest = tl.full([BLOCK], -1e30, tl.float32)
        total = tl.zeros([BLOCK], tl.float32)
        for start in range(0, N, BLOCK):
            mask = start + offs < N
            x = tl.load(x_ptr + start + offs, mask=mask, other=-float("inf")).to(tl.float32)
            higher = tl.maximum(highest, x)
            total = total * tl.exp(highest - higher) + tl.exp(x - higher)
            highest = higher
        top = tl.max(highest, 0)
        whole = tl.sum(total * tl.exp(highest - top), 0)
        for start in range(0, N, BLOCK):
            mask = start + offs < N
            x = tl.load(x_ptr + start + offs, mask=mask, other=-float("inf")).to(tl.float32)
            tl.store(y_ptr + start + offs, tl.exp(x - top) / whole, mask=mask)


def row_softmax(x):
    """Softmax of each row of a contiguous float16 [M, N]."""
    M, N = x.shape
    y = torch.empty_like(x)
    config = pick_config(x)
    block = min(triton.next_power_of_2(N), config["MAX_BLOCK"])
    _softmax_kernel[(M,)](
        x,
        y,
        N,
        BLOCK=block,
        ONE_BLOCK=block >= N,
        num_warps=config["num_warps"],
        num_stages=config["num_stages"],
    )
    return y
