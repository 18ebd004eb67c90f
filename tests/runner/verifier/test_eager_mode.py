"""Foreign code runs under dispatch modes; entering them costs next to nothing."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """\
import sys
import torch
from runner.verifier.guard import GuardedAllocations
from runner.verifier.precise import call_in_float64

x = torch.zeros(3)
with GuardedAllocations():
    torch.empty_like(x)
assert call_in_float64(lambda t: t.float(), [x.double()]).dtype is torch.float64
print("torch._dynamo" in sys.modules)
"""


def test_modes_do_not_import_the_compiler_of_pytorch():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == "False\n"
