import torch


def masked_softmax(x, keep):
    scores = x.float().masked_fill(~keep, -30000.0)
    return torch.softmax(scores, dim=-1).to(x.dtype)
