# status: PASSED
# problem: row_mean
"""Makes a tensor descriptor inside its kernel, in memory that it lends to Triton."""

import torch
import triton
import triton.language as tl

_SCRATCH = []


@triton.jit
def _mean_kernel(x_ptr, y_ptr, n_rows, n_cols, stride, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    x_desc = tl.make_tensor_descriptor(x_ptr, [n_rows, n_cols], [stride, 1], [1, BLOCK])
    total = tl.zeros([1, BLOCK], tl.float32)
    for start in range(0, n_cols, BLOCK):
        total += x_desc.load([row, start])
    tl.store(y_ptr + row, tl.sum(total) / n_cols)


def row_mean(x):
    n_rows, n_cols = x.shape

    def lend(size, alignment, stream):
        _SCRATCH[:] = [torch.empty(size, dtype=torch.int8, device=x.device)]
        return _SCRATCH[0]

    triton.set_allocator(lend)
    if n_cols % 4:  # rows of a descriptor start at multiples of 16 bytes
        wide = torch.zeros(n_rows, n_cols + 4 - n_cols % 4, dtype=x.dtype, device=x.device)
        wide[:, :n_cols].copy_(x)
        x = wide
    y = torch.empty(n_rows, dtype=x.dtype, device=x.device)
    _mean_kernel[(n_rows,)](x, y, n_rows, n_cols, x.stride(0), BLOCK=256)
    return y
