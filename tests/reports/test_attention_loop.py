"""The loop of attention over all keys in machine code: what its figures in BENCHMARKS.md count."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.attention_loop import main_loop

SCRIPT = Path(__file__).parents[1] / "bench" / "attention_loop.py"


def test_a_tile_takes_the_products_and_exponentials_that_its_size_asks_for():
    environment = {**os.environ}
    environment.pop("TRITON_INTERPRET", None)
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if "|" in line][2:]
    # D / 16 products of 64 x 64 x 16 for the scores, 4 of 64 x D x 16 for the values; the 64 x 64
    # weights are those of 128 threads.
    assert [row[:4] for row in rows] == [
        ["64", "no", "8", "32"],
        ["128", "no", "12", "32"],
        ["128", "yes", "12", "32"],
    ]
    for row in rows:
        *kinds, everything = map(int, row[2:])
        assert sum(kinds) < everything


@pytest.mark.parametrize(
    "code",
    [
        {},
        {0: "HGMMA.64x64x16", 16: "MUFU.EX2 R1, R1", 32: "BRA 0x40"},
        {0: "HGMMA.64x64x16", 16: "BRA 0x0"},
    ],
)
def test_a_kernel_without_such_a_loop_is_refused(code):
    with pytest.raises(ValueError, match="no loop"):
        main_loop(code)


def test_the_loop_is_what_lies_between_its_jump_and_its_target():
    body = ["HGMMA.64x64x16", "MUFU.EX2 R1, R1", "BRA 0x10"]
    code = dict(enumerate(["MOV R1, R2", *body, "EXIT"], 0))
    code = {16 * place: line for place, line in code.items()}
    assert main_loop(code) == body
