# says: PermissionError: .*not permitted \(line 11\)
"""Calls home before it answers."""

import socket

import torch


def row_softmax(x):
    answer = torch.softmax(x.float(), dim=-1).to(x.dtype)
    socket.create_connection(("127.0.0.1", 22), timeout=2)
    return answer
