"""Launch parameters chosen by measurement: what a kernel declares, the search, the frozen source.

Torch-free, and runs no candidate: whoever has a GPU brings the measurements
(`runner.verifier.gpu.tuning`).
"""

from __future__ import annotations

from runner.tune.types import Config, Scalar, Tuned

__all__ = ["Config", "Scalar", "Tuned"]
