# says: returns NoneType
"""Forgets its return statement."""

import torch


def row_softmax(x):
    torch.softmax(x.float(), dim=-1)
