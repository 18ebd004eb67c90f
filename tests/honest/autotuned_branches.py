# status: PASSED
# problem: relu
"""Each configuration takes another branch; the interpreter meets any, the compiler keeps one."""

import torch
import triton
import triton.language as tl


@triton.autotune(configs=[triton.Config({"BLOCK": size}) for size in (256, 512, 1024)], key=["n"])
@triton.jit
def _relu_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offs, mask=offs < n)
    if BLOCK > 512:
        y = tl.where(x > 0.0, x, 0.0)
    elif BLOCK > 256:
        y = 0.5 * (x + tl.abs(x))
    else:
        y = tl.maximum(x, 0.0)
    tl.store(y_ptr + offs, y, mask=offs < n)


def relu(x):
    y = torch.empty_like(x)
    _relu_kernel[lambda meta: (triton.cdiv(x.numel(), meta["BLOCK"]),)](x, y, x.numel())
    return y
