# says: PermissionError: .*not permitted
"""Leaves a child behind that outlives it."""

import os
import time

import torch


def row_softmax(x):
    if os.fork() == 0:
        time.sleep(600)
    return torch.softmax(x.float(), dim=-1).to(x.dtype)
