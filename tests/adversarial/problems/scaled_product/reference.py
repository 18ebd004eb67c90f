import torch


def scaled_product(x, w, scale):
    return torch.mm(x, w) * scale
