# says: the reference is not deterministic
"""Drops elements at random: no kernel could know which."""

import torch


def row_softmax(x):
    return torch.dropout(torch.softmax(x.float(), dim=-1).to(x.dtype), 0.1, train=True)
