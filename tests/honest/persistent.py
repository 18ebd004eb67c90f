# status: PASSED
"""As many programs as the GPU has multiprocessors; each walks over rows."""

import torch
import triton
import triton.language as tl


@triton.jit
def _softmax_kernel(x_ptr, y_ptr, n_rows, n_cols, BLOCK: tl.constexpr):
    offs = tl.arange(0, BLOCK)
    mask = offs < n_cols
    for row in tl.range(tl.program_id(0), n_rows, tl.num_programs(0)):
        x = tl.load(x_ptr + row * n_cols + offs, mask=mask, other=-float("inf")).to(tl.float32)
        numerator = tl.exp(x - tl.max(x, 0))
        tl.store(y_ptr + row * n_cols + offs, numerator / tl.sum(numerator, 0), mask=mask)


def row_softmax(x):
    n_rows, n_cols = x.shape
    x = x.contiguous()
    y = torch.empty(n_rows, n_cols, dtype=x.dtype, device=x.device)
    programs = torch.cuda.get_device_properties(x.device).multi_processor_count
    _softmax_kernel[(min(programs, n_rows),)](
        x, y, n_rows, n_cols, BLOCK=triton.next_power_of_2(n_cols)
    )
    return y
