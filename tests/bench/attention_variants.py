"""What else was tried for attention over all keys at D=128, beside PyTorch's own fused kernel.

    python tests/bench/attention_variants.py

Each variant is `problems/full_attention/kernel.py` with one thing changed; its error is looked
at before it is timed, in bursts between those of all others. Needs a CUDA GPU.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import statistics
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import ModuleType

import torch
from torch.nn.functional import scaled_dot_product_attention

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # started by its path

from runner.verifier.gpu.clock import BurstClock

KERNEL = Path(__file__).resolve().parents[2] / "problems" / "full_attention" / "kernel.py"
SIZES = ((4, 16, 4096, 128), (16, 16, 1024, 128))
ROUNDS, CALLS = 12, 6
MOST_ERROR = 2e-2  # of float16 outputs beside SDPA's, for normal inputs: only a broken one has more
LARGE_TILES = ("TILE_ELEMENTS = 8192", "TILE_ELEMENTS = 16384")
ROWS = ("BLOCK_M = 64", "BLOCK_M = 128")
KEYS = ('CONFIG = {"BLOCK_N": 64', 'CONFIG = {"BLOCK_N": 128')
IN_STEP = ('"AHEAD": True}', '"AHEAD": False}')
IDENTITY = "    q = tl.dot(q, (offs_d[:, None] == offs_d[None, :]).to(q.dtype)).to(q.dtype)\n"
FIXED = "MASKED=False,\n            MOVING=False"
LOOP = "for start in tl.range(0, last, BLOCK_N):"
VARIANTS: dict[str, tuple[tuple[str, str], ...]] = {
    "as delivered": (),
    "scores not a tile ahead": (IN_STEP,),
    "2 stages": (("num_stages=3", "num_stages=2"),),
    "4 stages": (("num_stages=3", "num_stages=4"),),
    "queries in shared memory": ((IDENTITY, ""),),
    "a running maximum": ((FIXED, FIXED.replace("MOVING=False", "MOVING=True")),),
    "128 rows, 8 warps": (ROWS,),
    "128 rows, 8 warps, not ahead": (ROWS, IN_STEP),
    "128 rows and keys, not ahead, 2 stages": (
        ROWS, KEYS, LARGE_TILES, IN_STEP, ("num_stages=3", "num_stages=2")
    ),
    "64 rows, 128 keys, not ahead, 2 stages": (
        KEYS, LARGE_TILES, IN_STEP, ("num_stages=3", "num_stages=2")
    ),
    "warp-specialised loop": ((LOOP, LOOP.replace("BLOCK_N)", "BLOCK_N, warp_specialize=True)")),),
    "128 rows, warp-specialised loop": (
        ROWS, IN_STEP, (LOOP, LOOP.replace("BLOCK_N)", "BLOCK_N, warp_specialize=True)"))
    ),
}  # fmt: skip


def main() -> int:
    if not torch.cuda.is_available():
        print("needs a CUDA GPU", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: write(Path(folder), name) for name in VARIANTS}
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(8, mp_context=spawn) as pool:
            faults = dict(zip(paths, pool.map(try_out, map(str, paths.values())), strict=True))
        modules = {name: load(path) for name, path in paths.items() if faults[name] is None}
        print(torch.cuda.get_device_name(), "torch", torch.__version__)
        for size in SIZES:
            print_table(size, modules, {name: why for name, why in faults.items() if why})
    return 0


def write(folder: Path, name: str) -> Path:
    text = KERNEL.read_text()
    for old, new in VARIANTS[name]:
        if old not in text:
            raise SystemExit(f"{KERNEL} has changed: no {old!r} in it")
        text = text.replace(old, new)
    path = folder / f"variant_{list(VARIANTS).index(name)}.py"
    path.write_text(text)
    return path


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def inputs_of(size: tuple[int, ...]) -> list[torch.Tensor]:
    generator = torch.Generator("cuda").manual_seed(1)
    return [
        torch.randn(size, dtype=torch.float16, device="cuda", generator=generator) for _ in range(3)
    ]


def try_out(path: str) -> str | None:
    """Compile in a process of its own: why it is not timed, if it is not."""
    try:
        module = load(Path(path))
        for size in SIZES:
            inputs = inputs_of(size)
            error = module.full_attention(*inputs) - scaled_dot_product_attention(*inputs)
            largest = float(error.abs().max())
            if not largest <= MOST_ERROR:
                return f"wrong by {largest:.3g}"
    except Exception as error:  # noqa: BLE001 - whatever the compiler says of a variant
        lines = str(error).strip().splitlines() or [""]
        return f"{type(error).__name__}: {lines[0][:100]}"
    return None


def print_table(
    size: tuple[int, ...], modules: dict[str, ModuleType], faults: dict[str, str]
) -> None:
    sets = [inputs_of(size)] * CALLS
    clock = BurstClock(torch.device("cuda", 0))
    entries = {name: module.full_attention for name, module in modules.items()}
    entries["sdpa"] = scaled_dot_product_attention
    times: dict[str, list[float]] = {name: [] for name in entries}
    for turn in range(ROUNDS + 1):
        for name, entry in entries.items():
            burst = clock.burst(entry, sets)["times_ms"]
            times[name] += burst if turn else []  # the first one warms up
    sdpa_ms = statistics.median(times["sdpa"])
    print(f"\nB={size[0]} H={size[1]} S={size[2]} D={size[3]}, SDPA {sdpa_ms:.4f} ms\n")
    print("| variant | ms | against SDPA | registers | spilled | shared, B |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in VARIANTS:
        if name in faults:
            print(f"| {name} | {faults[name].replace('|', '/')} |  |  |  |  |")
            continue
        ms = statistics.median(times[name])
        caches = modules[name]._attention_kernel.device_caches
        compiled = next(iter(next(iter(caches.values()))[0].values()))
        print(
            f"| {name} | {ms:.4f} | {sdpa_ms / ms:.3f} | {compiled.n_regs} | {compiled.n_spills} "
            f"| {compiled.metadata.shared} |"
        )


if __name__ == "__main__":
    sys.exit(main())
