# says: the reference returns y as complex64
"""A float16 answer for float16 inputs, and complex numbers for those in float64."""

import torch


def row_softmax(x):
    answer = torch.softmax(x.float(), dim=-1).to(x.dtype)
    return answer.to(torch.complex64) if x.dtype is torch.float64 else answer
