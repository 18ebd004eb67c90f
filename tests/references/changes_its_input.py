# says: the reference changes its input x
"""Works in place, on what was only lent to it."""

import torch


def row_softmax(x):
    x -= x.amax(dim=-1, keepdim=True)
    return torch.softmax(x.float(), dim=-1).to(x.dtype)
