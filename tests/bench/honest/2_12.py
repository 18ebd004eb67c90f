"""The library's matrix product, then scaling and leaky ReLU in one kernel, in place."""

import triton
import triton.language as tl
from torch import nn


@triton.jit
def _finish_kernel(y_ptr, n_elements, multiplier, slope, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    y = tl.load(y_ptr + offs, mask=offs < n_elements) * multiplier
    tl.store(y_ptr + offs, tl.where(y > 0, y, y * slope), mask=offs < n_elements)


class ModelNew(nn.Module):
    def __init__(self, in_features, out_features, multiplier, negative_slope):
        super().__init__()
        self.gemm = nn.Linear(in_features, out_features)
        self.multiplier = multiplier
        self.slope = negative_slope

    def forward(self, x):
        y = self.gemm(x)
        n = y.numel()
        _finish_kernel[(triton.cdiv(n, 2048),)](y, n, self.multiplier, self.slope, BLOCK=2048)
        return y
