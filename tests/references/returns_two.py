# says: returns tuple; the spec has 1 output
"""Two values where one is due."""

import torch


def row_softmax(x):
    answer = torch.softmax(x.float(), dim=-1).to(x.dtype)
    return answer, answer
