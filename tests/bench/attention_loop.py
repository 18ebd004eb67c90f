"""What a warp issues for one tile of keys in attention over all keys: its loop in machine code.

    python tests/bench/attention_loop.py

Compiles `problems/full_attention/kernel.py` for sm_90 and counts the instructions of the loop that
runs where no row needs a moving maximum. Needs no GPU: it says what has to be issued, not when.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # started by its path

from tests.bench.attention_variants import KERNEL, load

BLOCK_N = 64
LINE = re.compile(r"\s+/\*([0-9a-f]{4,5})\*/\s+(?:@!?U?P\d+ )?(.*?);")
BACK = re.compile(r"BRA\b.*?\b0x([0-9a-f]+)")
KINDS = {
    "products": r"HGMMA",
    "exp2": r"MUFU\.EX2",
    "float32 adds and multiplies": r"F(ADD|MUL|FMA)\b",
    "to float16": r"F2FP",
    "register copies": r"(IMAD\.)?MOV\b",
    "barriers of the block": r"BAR\.SYNC",
    "loads of tiles": r"UTMALDG",
}


def main() -> None:
    print(f"Triton {triton.__version__}\n")
    print(f"| D | scores a tile ahead | {' | '.join(KINDS)} | all |")
    print("| --- " * (len(KINDS) + 3) + "|")
    for head_dim, ahead in ((64, False), (128, False), (128, True)):
        loop = main_loop(disassemble(compile_kernel(head_dim, ahead=ahead)))
        found = Counter(
            kind for line in loop for kind, pattern in KINDS.items() if re.match(pattern, line)
        )
        counts = " | ".join(str(found[kind]) for kind in KINDS)
        print(f"| {head_dim} | {'yes' if ahead else 'no'} | {counts} | {len(loop)} |")


def compile_kernel(head_dim: int, *, ahead: bool) -> bytes:
    """The machine code for float16 and an S that is a multiple of the tile."""
    module = load(KERNEL)
    kernel = module._attention_kernel
    tile = f"tensordesc<fp16[1,{BLOCK_N},{head_dim}]>"
    types = {
        "q_ptr": "*fp16", "k_desc": tile, "v_desc": tile, "o_ptr": "*fp16", "S": "i32",
        "scale_log2e": "fp32",
    }  # fmt: skip
    constants = {
        "HAS_TAIL": False, "D": head_dim, "BLOCK_D": head_dim, "BLOCK_M": module.BLOCK_M,
        "BLOCK_N": BLOCK_N, "AHEAD": ahead,
    }  # fmt: skip
    aligned = [
        (number,) for number, name in enumerate(kernel.arg_names) if name in ("q_ptr", "o_ptr", "S")
    ]
    source = ASTSource(
        kernel,
        {name: types.get(name, "constexpr") for name in kernel.arg_names},
        constants,
        attrs={place: [["tt.divisibility", 16]] for place in aligned},
    )
    options = {"num_warps": module.BLOCK_M // 16, "num_stages": 3}
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
    code: bytes = compiled.asm["cubin"]
    return code


def disassemble(cubin: bytes) -> dict[int, str]:
    """Each instruction without its predicate, by its address."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        command = [triton.knobs.nvidia.cuobjdump.path, "-sass", file.name]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = (LINE.match(line) for line in text.splitlines())
    return {int(line[1], 16): line[2] for line in lines if line}


def main_loop(code: dict[int, str]) -> list[str]:
    """The first loop that has both products of attention in it. Raises ValueError without one."""
    for end, last in code.items():
        jump = BACK.match(last)
        if jump is None or int(jump[1], 16) > end:
            continue
        body = [line for place, line in code.items() if int(jump[1], 16) <= place <= end]
        if any("HGMMA" in line for line in body) and any("MUFU.EX2" in line for line in body):
            return body
    raise ValueError("no loop with products and exponentials in the kernel")


if __name__ == "__main__":
    main()
