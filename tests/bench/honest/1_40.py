"""Layer normalisation of rows of millions: means and squares of chunks, put together by each."""

import torch
import triton
import triton.language as tl
from torch import nn


@triton.jit
def _chunks_kernel(x_ptr, mean_ptr, square_ptr, n, chunks, BLOCK: tl.constexpr):
    chunk, row = tl.program_id(0), tl.program_id(1)
    offs = chunk * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row.to(tl.int64) * n + offs, mask=offs < n, other=0.0)
    count = min(BLOCK, n - chunk * BLOCK)
    mean = tl.sum(x, 0) / count
    centred = tl.where(offs < n, x - mean, 0.0)
    tl.store(mean_ptr + row * chunks + chunk, mean)
    tl.store(square_ptr + row * chunks + chunk, tl.sum(centred * centred, 0))


@triton.jit
def _normalise_kernel(
    x_ptr, w_ptr, b_ptr, y_ptr, mean_ptr, square_ptr, n, chunks, eps,
    BLOCK: tl.constexpr, CHUNKS: tl.constexpr,
):  # fmt: skip
    chunk, row = tl.program_id(0), tl.program_id(1)
    places = tl.arange(0, CHUNKS)
    known = places < chunks
    means = tl.load(mean_ptr + row * chunks + places, mask=known, other=0.0)
    squares = tl.load(square_ptr + row * chunks + places, mask=known, other=0.0)
    counts = tl.where(known, tl.minimum(BLOCK, n - places * BLOCK), 0).to(tl.float32)
    mean = tl.sum(means * counts, 0) / n
    # Chan's formula: squares around each chunk's mean, moved to the common one.
    away = means - mean
    variance = tl.sum(squares + counts * away * away, 0) / n
    scale = 1.0 / tl.sqrt(variance + eps)
    offs = chunk * BLOCK + tl.arange(0, BLOCK)
    start = row.to(tl.int64) * n
    x = tl.load(x_ptr + start + offs, mask=offs < n)
    w = tl.load(w_ptr + offs, mask=offs < n)
    b = tl.load(b_ptr + offs, mask=offs < n)
    tl.store(y_ptr + start + offs, (x - mean) * scale * w + b, mask=offs < n)


class ModelNew(nn.Module):
    def __init__(self, normalized_shape):
        super().__init__()
        self.ln = nn.LayerNorm(normalized_shape)

    def forward(self, x):
        n = self.ln.weight.numel()
        rows = x.numel() // n
        block = min(8192, triton.next_power_of_2(n))
        chunks = triton.cdiv(n, block)
        y = torch.empty_like(x)
        means, squares = x.new_empty(rows, chunks), x.new_empty(rows, chunks)
        grid = (chunks, rows)
        _chunks_kernel[grid](x, means, squares, n, chunks, BLOCK=block, num_warps=8)
        _normalise_kernel[grid](
            x, self.ln.weight, self.ln.bias, y, means, squares, n, chunks, self.ln.eps,
            BLOCK=block, CHUNKS=triton.next_power_of_2(chunks), num_warps=8,
        )  # fmt: skip
        return y
