# says: memory
"""Asks for a hundred gigabytes and touches them."""

import torch


def row_softmax(x):
    hog = torch.zeros(100 << 30, dtype=torch.uint8).fill_(1)
    return torch.softmax(x.float(), dim=-1).to(x.dtype) * hog[0]
