"""Casts to and from bfloat16 in Triton's interpreter go by value, as on a GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import torch, triton
import triton.language as tl
from runner.verifier.interpreter import mend_interpreter

mend_interpreter()

@triton.jit
def cast(x_ptr, y_ptr, COMPARED: tl.constexpr):
    offs = tl.arange(0, 8)
    x = tl.load(x_ptr + offs)
    if COMPARED:
        x = x > 2
    tl.store(y_ptr + offs, x.to(y_ptr.dtype.element_ty))

names = "int32 int64 float16 bfloat16 float32 float64".split()
for source in names:
    for target in names:
        for compared in (False, True):
            if compared and source == "bfloat16":
                continue  # compares bit patterns, which is another matter
            x = torch.arange(8).to(getattr(torch, source))
            y = torch.empty(8, dtype=getattr(torch, target))
            cast[(1,)](x, y, compared)
            expected = (x > 2 if compared else x).to(y.dtype)
            print(source, target, compared, "right" if torch.equal(y, expected) else y)
"""


def test_a_cast_keeps_the_value(tmp_path):
    # Kernels bind to the interpreter when Triton is first imported: never in this process.
    file = tmp_path / "cast.py"
    file.write_text(SCRIPT)
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, str(file)],
        env={**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    rows = done.stdout.splitlines()
    assert len(rows) == 66, done.stderr
    assert [row for row in rows if not row.endswith("right")] == []
