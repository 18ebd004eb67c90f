# says: on M=5 N=100 .*: ValueError: one hundred is too many \(line 9\)
"""Right everywhere but on one workload."""

import torch


def row_softmax(x):
    if x.shape[1] == 100:
        raise ValueError("one hundred is too many")
    return torch.softmax(x.float(), dim=-1).to(x.dtype)
