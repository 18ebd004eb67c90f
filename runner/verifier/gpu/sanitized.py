"""The program that compute-sanitizer watches: one call of a kernel on one small workload.

Runs in the sandbox, for a kernel that passed every other check; says nothing itself.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

import torch

from runner.verifier.arena import torch_dtype
from runner.verifier.foreign import ForeignCode

_MAX_FILE_BYTES = 64 << 20  # what is printed goes to a file on the host


def main(folder: str) -> int:
    """Call the entry of `kernel.py` in `folder` as `job.json` there says."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MAX_FILE_BYTES, _MAX_FILE_BYTES))
    job: dict[str, Any] = json.loads((Path(folder) / "job.json").read_text())
    code = ForeignCode((Path(folder) / "kernel.py").read_text(), "kernel.py")
    entry = code.load(job["entry"])
    entry(*(_make(row) for row in job["inputs"]))
    torch.cuda.synchronize()
    return 0


def _make(row: dict[str, Any]) -> torch.Tensor:
    dtype = torch_dtype(row["dtype"])
    if dtype.is_floating_point:
        return torch.randn(row["shape"], device="cuda").to(dtype)
    low, high = row["bounds"]
    return torch.randint(low, high, row["shape"], device="cuda").to(dtype)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
