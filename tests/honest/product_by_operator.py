# status: PASSED
# problem: linear_relu
"""The same with the operator, into a view of a padded buffer."""

import triton
import triton.language as tl


@triton.jit
def _bias_relu_kernel(y_ptr, bias_ptr, n_cols, n, BLOCK: tl.constexpr):
    offs = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = offs < n
    y = tl.load(y_ptr + offs, mask=mask) + tl.load(bias_ptr + offs % n_cols, mask=mask)
    tl.store(y_ptr + offs, tl.maximum(y, 0.0), mask=mask)


def linear_relu(x, w, bias):
    y = (x @ w).contiguous()
    n = y.numel()
    _bias_relu_kernel[(triton.cdiv(n, 256),)](y, bias, bias.numel(), n, BLOCK=256, num_warps=2)
    return y.view(x.shape[0], -1)
