"""Attention in one pass over the keys, which arrive through TMA tensor descriptors."""

import torch
import triton
import triton.language as tl

# The kernel works in exp2, so scores are scaled by log2(e).
LOG2E = tl.constexpr(1.4426950408889634)
HEAD_DIMS = (16, 32, 64, 128)
# Heads are the second dimension of the launch grid, which CUDA limits to 65,535 blocks.
MAX_HEADS = 65_535
# TMA reads from addresses that are multiples of 16 bytes.
TMA_ALIGNMENT_BYTES = 16

TUNABLES = {
    "BLOCK_M": [64, 128],
    "BLOCK_N": [64, 128],
    "num_warps": [4, 8],
    "num_stages": [2, 3, 4],
}
CONFIG = {"BLOCK_M": 128, "BLOCK_N": 64, "num_warps": 8, "num_stages": 3}


def pick_config(q, k, v):
    return CONFIG


@triton.jit
def _attention_kernel(
    q_ptr,
    k_ptr,
    v_ptr,
    o_ptr,
    S,
    scale_log2e,
    D: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """One tile of BLOCK_M queries of one head of contiguous [heads, S, D] tensors."""
    # int64: the offset of a head passes 2**31 elements in the largest tensors.
    base = tl.program_id(1).to(tl.int64) * S * D
    # One descriptor a head: what lies past its S rows reads as zero, not as the next head.
    k_desc = tl.make_tensor_descriptor(k_ptr + base, [S, D], [D, 1], [BLOCK_N, D])
    v_desc = tl.make_tensor_descriptor(v_ptr + base, [S, D], [D, 1], [BLOCK_N, D])

    rows = tl.program_id(0) * BLOCK_M + tl.arange(0, BLOCK_M)
    offs = base + rows[:, None] * D + tl.arange(0, D)[None, :]
    q = tl.load(q_ptr + offs, mask=rows[:, None] < S, other=0.0)
    row_max = tl.full([BLOCK_M], float("-inf"), tl.float32)
    row_sum = tl.zeros([BLOCK_M], tl.float32)
    acc = tl.zeros([BLOCK_M, D], tl.float32)
    for start in range(0, S, BLOCK_N):
        scores = tl.dot(q, k_desc.load([start, 0]).T) * scale_log2e
        # Keys that read as zero would still have a weight.
        cols = start + tl.arange(0, BLOCK_N)
        scores = tl.where(cols[None, :] < S, scores, float("-inf"))
        new_max = tl.maximum(row_max, tl.max(scores, 1))
        p = tl.exp2(scores - new_max[:, None])
        correction = tl.exp2(row_max - new_max)
        row_sum = row_sum * correction + tl.sum(p, 1)
        row_max = new_max
        v = v_desc.load([start, 0])
        acc = tl.dot(p.to(v.dtype), v, acc * correction[:, None])
    o = acc / row_sum[:, None]
    tl.store(o_ptr + offs, o.to(o_ptr.dtype.element_ty), mask=rows[:, None] < S)


def _check_inputs(q, k, v):
    """Raise ValueError for what the kernel cannot handle, naming the tensor and the reason."""
    if q.dim() != 4:
        raise ValueError(f"q must be [B, H, S, D], not {tuple(q.shape)}")
    for name, tensor in (("q", q), ("k", k), ("v", v)):
        if tensor.shape != q.shape:
            raise ValueError(f"{name} is {tuple(tensor.shape)}, but q is {tuple(q.shape)}")
        if tensor.dtype not in (torch.float16, torch.bfloat16) or tensor.dtype != q.dtype:
            raise ValueError(f"{name} must be float16 or bfloat16 as q is, not {tensor.dtype}")
        if tensor.device != q.device:
            raise ValueError(f"{name} is on {tensor.device}, but q is on {q.device}")
        if not tensor.is_contiguous() or tensor.data_ptr() % TMA_ALIGNMENT_BYTES:
            raise ValueError(f"{name} must be contiguous from a multiple of 16 bytes, for TMA")
    B, H, _, D = q.shape
    if D not in HEAD_DIMS:
        raise ValueError(f"the head dimension is {D}, not one of {HEAD_DIMS}")
    if B * H > MAX_HEADS:
        raise ValueError(f"B * H is {B * H}, above {MAX_HEADS}")


def attention(q, k, v):
    """softmax(q kᵀ / sqrt(D)) v.

    q, k, v and the result are contiguous float16 or bfloat16 [B, H, S, D], D 16, 32, 64 or 128;
    products are accumulated in float32. Raises ValueError for anything else.
    """
    _check_inputs(q, k, v)
    B, H, S, D = q.shape
    o = torch.empty((B, H, S, D), dtype=q.dtype, device=q.device)
    if o.numel() == 0:
        return o

    def lend(size, alignment, stream):
        # Descriptors made in a kernel live in global memory that the caller provides.
        return torch.empty(size, dtype=torch.int8, device=q.device)

    triton.set_allocator(lend)
    config = pick_config(q, k, v)
    _attention_kernel[(triton.cdiv(S, config["BLOCK_M"]), B * H)](
        q, k, v, o, S, D**-0.5 * LOG2E.value, D=D, **config
    )
    return o
