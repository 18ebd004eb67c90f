"""An elementwise function of a tensor of any shape, as one flat run of wide loads."""

import torch
import triton
import triton.language as tl

INVERSE_SQRT2 = tl.constexpr(0.7071067811865476)

# A thread's neighbouring elements become loads of 16 bytes where the address allows it.
TUNABLES = {"BLOCK": [1024, 2048, 4096, 8192], "num_warps": [4, 8]}
CONFIG = {"BLOCK": 2048, "num_warps": 4}


def pick_config(x):
    return CONFIG


@triton.jit
def _function(x):
    """The function, in float32: here the exact GELU."""
    return 0.5 * x * (1.0 + tl.erf(x * INVERSE_SQRT2))


@triton.jit
def _elementwise_kernel(x_ptr, y_ptr, n_elements, BLOCK: tl.constexpr):
    """BLOCK neighbouring elements."""
    # int64: an offset passes 2**31 elements in large tensors. Added to the pointer, it leaves the
    # arithmetic of the lanes in 32 bits.
    first = tl.program_id(0).to(tl.int64) * BLOCK
    offs = tl.arange(0, BLOCK)
    mask = offs < n_elements - first
    x = tl.load(x_ptr + first + offs, mask=mask, other=0.0).to(tl.float32)
    tl.store(y_ptr + first + offs, _function(x).to(y_ptr.dtype.element_ty), mask=mask)


def gelu(x):
    """The exact GELU of a floating tensor of any shape, computed in float32.

    The result is contiguous, of x's shape and dtype. Raises ValueError for other dtypes.
    """
    if x.dtype not in (torch.float16, torch.bfloat16, torch.float32):
        raise ValueError(f"x must be float16, bfloat16 or float32, not {x.dtype}")
    x = x.contiguous()
    y = torch.empty_like(x)
    if y.numel() == 0:
        return y
    config = pick_config(x)
    _elementwise_kernel[(triton.cdiv(y.numel(), config["BLOCK"]),)](x, y, y.numel(), **config)
    return y
