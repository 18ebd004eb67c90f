"""Neighbourhood attention: tiles of pixels, and of keys from the union of their windows.

Measured by kernelwright.
Problem: neighborhood_attention_2d (problem.toml and reference.py beside this file)
Inputs: q float16 [B, H, R, C, D], k float16 [B, H, R, C, D], v float16 [B, H, R, C, D],
    radius int32 [1]
Output: o float16 [B, H, R, C, D]
Sizes: B 1 to 16, H 1 to 32, R 1 to 128, C 1 to 128, D 16 to 128, RADIUS 0 to 16
Errors: raises ValueError for arguments that it cannot take
Accuracy: largest error 39% of its budget, in 55 comparisons with the reference in float64
Speed: 2.639x vs flex_attention, its strongest baseline, on H200 (geometric mean of 6
    workloads, 2.171x to 3.261x; above 1 is faster)
"""

import torch
import triton
import triton.language as tl

# The kernel works in exp2, so scores are scaled by log2(e).
LOG2E = tl.constexpr(1.4426950408889634)
# Where the running maximum of a row starts: below every score, and finite, so that a row that has
# met no key yet adds exp2(-inf) = 0 and never meets inf - inf.
LOWEST = tl.constexpr(-1.0e38)
MAX_HEAD_DIM = 128
# Heads are the second dimension of the launch grid, which CUDA limits to 65,535 blocks.
MAX_HEADS = 65_535


def pick_config(q, k, v, radius):
    """Measured on an H200: a square tile of pixels has the smallest union of windows."""
    return {
        "TILE_R": 8,
        "TILE_C": 8,
        "KEY_R": 4,
        "KEY_C": 16,
        "num_warps": 4,
        "num_stages": 3,
    }


@triton.jit
def _center(place, size, radius):
    """The middle of a window: the pixel itself, moved inside where its window leaves the image."""
    return tl.minimum(tl.maximum(place, radius), tl.maximum(size - 1 - radius, radius))


@triton.jit
def _attention_kernel(
    q_ptr,
    k_ptr,
    v_ptr,
    o_ptr,
    radius_ptr,
    R,
    C,
    scale_log2e,
    D: tl.constexpr,
    BLOCK_D: tl.constexpr,
    TILE_R: tl.constexpr,
    TILE_C: tl.constexpr,
    KEY_R: tl.constexpr,
    KEY_C: tl.constexpr,
):
    """One tile of TILE_R by TILE_C pixels of one head of contiguous [heads, R, C, D] tensors."""
    radius = tl.load(radius_ptr)
    across = tl.cdiv(C, TILE_C)
    top = tl.program_id(0) // across * TILE_R
    left = tl.program_id(0) % across * TILE_C
    # int64: the offset of a head passes 2**31 elements in the largest tensors.
    base = tl.program_id(1).to(tl.int64) * R * C * D
    pixels = tl.arange(0, TILE_R * TILE_C)
    rows = top + pixels // TILE_C
    columns = left + pixels % TILE_C
    offs_d = tl.arange(0, BLOCK_D)
    offs = (rows * C + columns)[:, None] * D + offs_d[None, :]
    live = ((rows < R) & (columns < C))[:, None] & (offs_d[None, :] < D)
    q = tl.load(q_ptr + base + offs, mask=live, other=0.0)

    # The union of the tile's windows, from its first pixel's to its last one's.
    row_begin = _center(top, R, radius) - radius
    row_end = tl.minimum(_center(tl.minimum(top + TILE_R, R) - 1, R, radius) + radius + 1, R)
    column_begin = _center(left, C, radius) - radius
    column_end = _center(tl.minimum(left + TILE_C, C) - 1, C, radius) + radius + 1
    column_end = tl.minimum(column_end, C)
    steps = tl.cdiv(column_end - column_begin, KEY_C)
    center_row = _center(rows, R, radius)
    center_column = _center(columns, C, radius)

    keys = tl.arange(0, KEY_R * KEY_C)
    row_max = tl.full([TILE_R * TILE_C], LOWEST, tl.float32)
    row_sum = tl.zeros([TILE_R * TILE_C], tl.float32)
    acc = tl.zeros([TILE_R * TILE_C, BLOCK_D], tl.float32)
    for step in range(0, tl.cdiv(row_end - row_begin, KEY_R) * steps):
        key_rows = row_begin + step // steps * KEY_R + keys // KEY_C
        key_columns = column_begin + step % steps * KEY_C + keys % KEY_C
        inside = (key_rows < R) & (key_columns < C)
        key_offs = (key_rows * C + key_columns)[:, None] * D + offs_d[None, :]
        mask = inside[:, None] & (offs_d[None, :] < D)
        k = tl.load(k_ptr + base + key_offs, mask=mask, other=0.0)
        scores = tl.dot(q, k.T)
        near_rows = tl.abs(center_row[:, None] - key_rows[None, :]) <= radius
        near_columns = tl.abs(center_column[:, None] - key_columns[None, :]) <= radius
        seen = near_rows & near_columns & inside[None, :]
        scores = tl.where(seen, scores, float("-inf"))
        # The scale is positive, so it commutes with the maximum: scaling a score and subtracting
        # the maximum is one fused multiply-add.
        new_max = tl.maximum(row_max, tl.max(scores, 1) * scale_log2e)
        p = tl.exp2(scores * scale_log2e - new_max[:, None])
        correction = tl.exp2(row_max - new_max)
        row_sum = row_sum * correction + tl.sum(p, 1)
        row_max = new_max
        v = tl.load(v_ptr + base + key_offs, mask=mask, other=0.0)
        acc = tl.dot(p.to(v.dtype), v, acc * correction[:, None])

    # Only pixels outside the image may have met no key; they are not stored.
    o = acc / tl.where(row_sum > 0.0, row_sum, 1.0)[:, None]
    tl.store(o_ptr + base + offs, o.to(o_ptr.dtype.element_ty), mask=live)


def _check_inputs(q, k, v, radius):
    """Raise ValueError for what the kernel cannot handle, naming the tensor and the reason."""
    if q.dim() != 5:
        raise ValueError(f"q must be [B, H, R, C, D], not {tuple(q.shape)}")
    for name, tensor in (("q", q), ("k", k), ("v", v)):
        if tensor.shape != q.shape:
            raise ValueError(f"{name} is {tuple(tensor.shape)}, but q is {tuple(q.shape)}")
        if tensor.dtype not in (torch.float16, torch.bfloat16) or tensor.dtype != q.dtype:
            raise ValueError(f"{name} must be float16 or bfloat16 as q is, not {tensor.dtype}")
        if tensor.device != q.device:
            raise ValueError(f"{name} is on {tensor.device}, but q is on {q.device}")
        if not tensor.is_contiguous():
            raise ValueError(f"{name} must be contiguous")
    if radius.shape != (1,) or radius.dtype != torch.int32 or radius.device != q.device:
        raise ValueError(f"radius must be int32 [1] on {q.device}, not {tuple(radius.shape)}")
    B, H, _, _, D = q.shape
    if not 1 <= D <= MAX_HEAD_DIM:
        raise ValueError(f"the head dimension is {D}, not 1 to {MAX_HEAD_DIM}")
    if B * H > MAX_HEADS:
        raise ValueError(f"B * H is {B * H}, above {MAX_HEADS}")


def neighborhood_attention_2d(q, k, v, radius):
    """softmax(q kᵀ / sqrt(D), keys within radius of the query's center in rows and columns) v.

    q, k, v and the result are contiguous float16 or bfloat16 [B, H, R, C, D] with D up to 128,
    radius is int32 [1]; products are accumulated in float32. Raises ValueError, before any launch,
    for anything else.
    """
    _check_inputs(q, k, v, radius)
    B, H, R, C, D = q.shape
    o = torch.empty(q.shape, dtype=q.dtype, device=q.device)
    if o.numel() == 0:
        return o
    config = pick_config(q, k, v, radius)
    tiles = triton.cdiv(R, config["TILE_R"]) * triton.cdiv(C, config["TILE_C"])
    _attention_kernel[(tiles, B * H)](
        q,
        k,
        v,
        o,
        radius,
        R,
        C,
        D**-0.5 * LOG2E.value,
        D=D,
        BLOCK_D=max(16, triton.next_power_of_2(D)),
        **config,
    )
    return o
