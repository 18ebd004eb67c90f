"""Several GPUs of one machine: one judge each, in a process of its own.

A judge keeps the right to name GPU 0 its own; the pool hands candidates to whichever is free. On a
CPU, or with one GPU, the verifier is used in process and nothing of this runs.
"""

from __future__ import annotations

from runner.judges.gpus import Device, visible_gpus
from runner.judges.pool import JudgePool

__all__ = ["Device", "JudgePool", "visible_gpus"]
