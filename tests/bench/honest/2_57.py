"""The library's convolution, then ReLU and hard swish in one kernel, in place."""

import triton
import triton.language as tl
from torch import nn


@triton.jit
def _finish_kernel(y_ptr, n_elements, BLOCK: tl.constexpr):
    offs = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    y = tl.maximum(tl.load(y_ptr + offs, mask=offs < n_elements), 0.0)
    y = y * tl.minimum((y + 3.0) / 6.0, 1.0)
    tl.store(y_ptr + offs, y, mask=offs < n_elements)


class ModelNew(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size)

    def forward(self, x):
        y = self.conv(x)
        n = y.numel()
        _finish_kernel[(triton.cdiv(n, 2048),)](y, n, BLOCK=2048)
        return y
