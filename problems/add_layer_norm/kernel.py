"""Residual addition and layer normalisation of each row, in one kernel.

Measured by kernelwright.
Problem: add_layer_norm (problem.toml and reference.py beside this file)
Inputs: x float16 [M, N], residual float16 [M, N], weight float16 [N], bias float16 [N]
Outputs: h float16 [M, N], y float16 [M, N]
Sizes: M 1 to 65536, N 1 to 16384
Errors: raises ValueError for arguments that it cannot take
Accuracy: largest error 46% of its budget, in 62 comparisons with the reference in float64
Speed: 1.026x vs torch.compile, its strongest baseline, on H200 (geometric mean of 3
    workloads, 1.016x to 1.041x; above 1 is faster)
"""

import torch
import triton
import triton.language as tl

MAX_BLOCK = 16384
EPS = tl.constexpr(1e-5)

# Fastest of 4 configurations on NVIDIA H200.
CONFIG = {"num_warps": 4}


def pick_config(x, residual, weight, bias):
    return CONFIG


@triton.jit
def _add_layer_norm_kernel(
    x_ptr, residual_ptr, weight_ptr, bias_ptr, h_ptr, y_ptr, N, BLOCK: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    offs = tl.arange(0, BLOCK)
    mask = offs < N
    x = tl.load(x_ptr + row * N + offs, mask=mask, other=0.0).to(tl.float32)
    residual = tl.load(residual_ptr + row * N + offs, mask=mask, other=0.0).to(tl.float32)
    # h is rounded as it is stored: the normalisation is of what the caller gets.
    h = (x + residual).to(h_ptr.dtype.element_ty)
    tl.store(h_ptr + row * N + offs, h, mask=mask)
    h = h.to(tl.float32)
    mean = tl.sum(h, 0) / N
    centred = tl.where(mask, h - mean, 0.0)
    scale = tl.rsqrt(tl.sum(centred * centred, 0) / N + EPS)
    weight = tl.load(weight_ptr + offs, mask=mask, other=0.0).to(tl.float32)
    bias = tl.load(bias_ptr + offs, mask=mask, other=0.0).to(tl.float32)
    y = centred * scale * weight + bias
    tl.store(y_ptr + row * N + offs, y.to(y_ptr.dtype.element_ty), mask=mask)


def add_layer_norm(x, residual, weight, bias):
    """(x + residual, its layer normalisation with weight and bias).

    x, residual: float16 [M, N], contiguous; weight, bias: float16 [N]. Raises ValueError for rows
    longer than 16384.
    """
    M, N = x.shape
    if N > MAX_BLOCK:
        raise ValueError(f"rows have {N} elements, more than {MAX_BLOCK}")
    h, y = torch.empty_like(x), torch.empty_like(x)
    config = pick_config(x, residual, weight, bias)
    block = triton.next_power_of_2(N)
    _add_layer_norm_kernel[(M,)](x, residual, weight, bias, h, y, N, BLOCK=block, **config)
    return h, y
