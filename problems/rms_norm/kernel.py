"""Root mean square normalisation: one program a row, in blocks where the row is long.

Measured by kernelwright.
Problem: rms_norm (problem.toml and reference.py beside this file)
Inputs: x float16 [M, N], weight float16 [N]
Output: y float16 [M, N]
Sizes: M 1 to 65536, N 1 to 16384
Errors: raises ValueError for arguments that it cannot take
Accuracy: largest error 25% of its budget, in 22 comparisons with the reference in float64
Speed: not measured: no GPU
"""

import torch
import triton
import triton.language as tl

EPS = 1e-6
# Up to here a row stays in the registers of one program (16 values a thread in 16 warps) and is
# read once. A longer row is read twice, the second time from cache.
MAX_BLOCK = 8192


@triton.jit
def _rms_norm_kernel(
    x_ptr,
    w_ptr,
    y_ptr,
    stride_xm,
    stride_xn,
    stride_w,
    stride_ym,
    N,
    eps,
    BLOCK_N: tl.constexpr,
    ONE_BLOCK: tl.constexpr,
):
    """Normalise row program_id(0) of x into y, whose rows are contiguous.

    ONE_BLOCK: N fits into BLOCK_N, and the row is kept; else it is read in blocks, twice.
    """
    # int64: the offset of a row passes 2**31 elements in large tensors.
    row = tl.program_id(0).to(tl.int64)
    x_ptr += row * stride_xm
    y_ptr += row * stride_ym
    if ONE_BLOCK:
        cols = tl.arange(0, BLOCK_N)
        mask = cols < N
        x = tl.load(x_ptr + cols * stride_xn, mask=mask, other=0.0).to(tl.float32)
        w = tl.load(w_ptr + cols * stride_w, mask=mask, other=0.0).to(tl.float32)
        inverse_rms = tl.rsqrt(tl.sum(x * x, axis=0) / N + eps)
        y = x * inverse_rms * w
        tl.store(y_ptr + cols, y.to(y_ptr.dtype.element_ty), mask=mask)
    else:
        squares = tl.zeros([BLOCK_N], tl.float32)
        for start in range(0, N, BLOCK_N):
            cols = start + tl.arange(0, BLOCK_N)
            x = tl.load(x_ptr + cols * stride_xn, mask=cols < N, other=0.0).to(tl.float32)
            squares += x * x
        inverse_rms = tl.rsqrt(tl.sum(squares, axis=0) / N + eps)
        for start in range(0, N, BLOCK_N):
            cols = start + tl.arange(0, BLOCK_N)
            mask = cols < N
            x = tl.load(x_ptr + cols * stride_xn, mask=mask, other=0.0).to(tl.float32)
            w = tl.load(w_ptr + cols * stride_w, mask=mask, other=0.0).to(tl.float32)
            y = x * inverse_rms * w
            tl.store(y_ptr + cols, y.to(y_ptr.dtype.element_ty), mask=mask)


def _check_inputs(x, weight):
    """Raise ValueError for what the kernel cannot handle, naming the tensor and the reason."""
    if x.dim() != 2 or x.numel() == 0:
        raise ValueError(f"x must be [M, N] with at least one element, not {tuple(x.shape)}")
    if weight.shape != x.shape[1:]:
        raise ValueError(f"weight must be [{x.shape[1]}], not {tuple(weight.shape)}")
    for name, tensor in (("x", x), ("weight", weight)):
        if tensor.dtype != torch.float16:
            raise ValueError(f"{name} must be float16, not {tensor.dtype}")
    if weight.device != x.device:
        raise ValueError(f"weight is on {weight.device}, but x is on {x.device}")


def rms_norm(x, weight):
    """x / sqrt(mean(x²) + 1e-6) * weight for each row.

    x is float16 [M, N] and weight float16 [N], both with any strides; the result is a contiguous
    float16 [M, N]. The mean and the scaling are computed in float32. Raises ValueError, before
    any launch, for another rank, dtype or size and for tensors on different devices.
    """
    _check_inputs(x, weight)
    M, N = x.shape
    y = torch.empty((M, N), dtype=x.dtype, device=x.device)
    block_n = min(triton.next_power_of_2(N), MAX_BLOCK)
    _rms_norm_kernel[(M,)](
        x,
        weight,
        y,
        x.stride(0),
        x.stride(1),
        weight.stride(0),
        y.stride(0),
        N,
        EPS,
        BLOCK_N=block_n,
        ONE_BLOCK=block_n >= N,
        num_warps=min(max(block_n // (16 * 32), 1), 16),
    )
    return y
