import torch


def row_softmax(x):
    return torch.softmax(x.float(), dim=-1).to(x.dtype)
