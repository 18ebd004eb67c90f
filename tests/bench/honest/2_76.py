"""The library's matrix product, then bias and ReLU in one kernel, in place."""

import torch
import triton
import triton.language as tl
from torch import nn


@triton.jit
def _finish_kernel(y_ptr, bias_ptr, n_cols, BLOCK: tl.constexpr):
    row = tl.program_id(1) * n_cols
    cols = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    y = tl.load(y_ptr + row + cols, mask=cols < n_cols)
    bias = tl.load(bias_ptr + cols, mask=cols < n_cols)
    tl.store(y_ptr + row + cols, tl.maximum(y + bias, 0.0), mask=cols < n_cols)


class ModelNew(nn.Module):
    def __init__(self, in_features, out_features, bias_shape):
        super().__init__()
        self.gemm = nn.Linear(in_features, out_features, bias=False)
        self.bias = nn.Parameter(torch.randn(bias_shape))

    def forward(self, x):
        y = self.gemm(x)
        rows, cols = y.shape
        _finish_kernel[(triton.cdiv(cols, 2048), rows)](y, self.bias, cols, BLOCK=2048)
        return y
