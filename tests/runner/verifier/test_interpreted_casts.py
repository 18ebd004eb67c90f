"""Casts to and from bfloat16 in Triton's interpreter go by value and round, as on a GPU."""

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

ROUNDING = """
import torch, triton
import triton.language as tl
from runner.verifier.interpreter import mend_interpreter

mend_interpreter()

@triton.jit
def narrow(x_ptr, y_ptr, N: tl.constexpr, MODE: tl.constexpr):
    offs = tl.arange(0, N)
    x = tl.load(x_ptr + offs)
    if MODE == "stored":
        tl.store(y_ptr + offs, x)
    elif MODE == "cast":
        tl.store(y_ptr + offs, x.to(tl.bfloat16))
    else:
        tl.store(y_ptr + offs, x.to(tl.bfloat16, fp_downcast_rounding=MODE))

@triton.jit
def widen(x_ptr, y_ptr, N: tl.constexpr):
    offs = tl.arange(0, N)
    tl.store(y_ptr + offs, tl.load(x_ptr + offs).to(tl.float32))

generator = torch.Generator().manual_seed(1)
x = torch.randn(1024, generator=generator)
x[:256] *= 2.0**-127  # below the normal numbers, of both types
x[256:264] = torch.tensor([0.0, -0.0, float("inf"), -float("inf"), 1 + 2**-8, 1 + 3 * 2**-8,
                           3.4e38, 1.9999999])
x[264:266] = torch.tensor([float("nan"), 6.3e-41])

def same(one, other):
    return torch.equal(one.nan_to_num(7.0, 8.0, 9.0), other.nan_to_num(7.0, 8.0, 9.0))

for mode in ("stored", "cast", "rtne"):
    y = torch.empty(1024, dtype=torch.bfloat16)
    narrow[(1,)](x, y, 1024, mode)
    print(mode, "right" if same(y, x.bfloat16()) else "wrong")
y = torch.empty(1024, dtype=torch.bfloat16)
narrow[(1,)](x[512:], y[512:], 512, "rtz")
cut = (x.view(torch.int32) >> 16 << 16).view(torch.float32).bfloat16()
print("rtz", "right" if same(y[512:], cut[512:]) else "wrong")
wide = torch.empty(1024)
widen[(1,)](x.bfloat16(), wide, 1024)
print("widened", "right" if same(wide, x.bfloat16().float()) else "wrong")
"""


def test_a_cast_keeps_the_value(tmp_path):
    rows = interpreted(SCRIPT, tmp_path)
    assert len(rows) == 66
    assert [row for row in rows if not row.endswith("right")] == []


def test_a_cast_to_bfloat16_rounds_as_a_gpu_does(tmp_path):
    modes = ("stored", "cast", "rtne", "rtz", "widened")
    assert interpreted(ROUNDING, tmp_path) == [f"{mode} right" for mode in modes]


def interpreted(script: str, folder: Path) -> list[str]:
    """What a script with kernels prints. They bind to the interpreter when Triton is first
    imported: never in this process."""
    file = folder / "cast.py"
    file.write_text(script)
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, str(file)],
        env={**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
