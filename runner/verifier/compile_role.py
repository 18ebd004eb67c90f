"""The worker role that compiles a candidate for the target GPU, ahead of time, and runs nothing.

The candidate's own host code decides what is launched and with which arguments; every launch
becomes a compilation down to PTX. Assembly is the judge's (`assembler`): a hostile worker then
cannot make up registers or spills.
"""

from __future__ import annotations

import functools
import inspect
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

import torch
from triton.backends.nvidia import compiler as nvidia
from triton.runtime.autotuner import Autotuner
from triton.runtime.jit import JITFunction

from runner.verifier import code_path, standin_driver
from runner.verifier.arena import Arena, Slot, torch_dtype
from runner.verifier.compile_errors import describe_compile_error
from runner.verifier.foreign import ForeignCode
from runner.verifier.modules.entry import ModuleEntry

# Host code may look at small tensors; larger ones have a shape and no memory.
MAX_REAL_BYTES = 256 << 20


class CompileRole:
    """Serves `load` once, then any number of `compile` jobs. `facts` goes with the ready line."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._code: ForeignCode | None = None
        self._entry: Callable[..., Any] | None = None
        self._launches: list[dict[str, Any]] = []
        self._failures: list[BaseException] = []
        self._tuning = 0
        self._seen: code_path.Blocks = {}  # by the compilation under way
        self._seen_in: dict[str, code_path.Blocks] = {}  # by each kernel's hash
        self._blocks: code_path.Blocks = {}  # of all that one job launches or tries
        code_path.record_compiler(self._seen)
        self._compiling = False
        standin_driver.install(self._try_config)
        self._hook_launches()
        self._hook_autotuning()
        # Triton 3.4 asks ptxas for its version at every compilation; a locked-down worker cannot.
        nvidia.get_ptxas = functools.cache(nvidia.get_ptxas)
        ptxas = _PtxasCommand()
        from runner.verifier import warm_kernel

        warm_kernel.launch()
        self.facts: dict[str, Any] = {"ptxas": ptxas.command}
        # From here on Triton stops at PTX: its last stage hands nothing to ptxas.
        nvidia.CUDABackend.make_cubin = lambda *_: b""

    def handle(self, job: dict[str, Any]) -> dict[str, Any]:
        try:
            if job["op"] == "load":
                self._code = ForeignCode(job["source"], job["file"])
                self._entry = self._code.load(job["entry"])
                return {"ok": True}
            return self._compile(job)
        except BaseException as error:  # the edge: foreign code raises anything
            if self._code is None:
                raise
            return self._describe(error)

    def _compile(self, job: dict[str, Any]) -> dict[str, Any]:
        entry = self._entry
        if entry is None:
            raise RuntimeError("compile before load")
        self._launches.clear()
        self._failures.clear()
        self._blocks.clear()
        self._compiling = False
        inputs = _make_inputs([Slot.from_json(row) for row in job["inputs"]])
        if isinstance(entry, ModuleEntry):
            entry.build(0, inputs[0].device)
        torch.manual_seed(0)  # host code that draws a number draws the one of `path_on_zeros`
        entry(*inputs)
        if self._failures:
            # The candidate swallowed its compiler's error: that is its failure all the same.
            return self._describe(self._failures[0], compiling=True)
        blocks = code_path.to_json(self._blocks)
        return {"ok": True, "kernels": self._hand_over(), "blocks": blocks}

    def _hand_over(self) -> list[dict[str, Any]]:
        """Put each PTX text into the arena once; rows say where."""
        rows: list[dict[str, Any]] = []
        places: dict[str, tuple[int, int]] = {}
        offset = 0
        for launch in self._launches:
            ptx = launch["ptx"]
            if ptx not in places:
                data = ptx.encode()
                self._arena.write(offset, data)
                places[ptx] = (offset, len(data))
                offset += len(data)
            place = places[ptx]
            rows.append({**launch, "ptx": {"offset": place[0], "size_bytes": place[1]}})
        return rows

    def _hook_launches(self) -> None:
        compile_and_launch = JITFunction.run

        def run(function: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> Any:
            self._compiling = True
            self._seen.clear()
            try:
                kernel = compile_and_launch(function, *args, grid=grid, warmup=True, **kwargs)
            except Exception as error:
                if not self._tuning:
                    self._failures.append(error)
                raise
            self._compiling = False
            self._note_blocks(kernel.hash)
            metadata = kernel.metadata
            sizes = _concrete_grid(function, grid, args, kwargs)
            called = (function.fn, function.arg_names)
            code_path.note_launch(self._blocks, called, args, kwargs, sizes)
            self._launches.append(
                {
                    "kernel": function.fn.__name__,
                    "shared_bytes": int(metadata.shared),
                    "num_warps": int(metadata.num_warps),
                    "num_stages": int(metadata.num_stages),
                    "grid": sizes,
                    "ptx": kernel.asm["ptx"],
                }
            )
            return kernel

        JITFunction.run = run

    def _note_blocks(self, kernel_hash: str) -> None:
        """What the compiler took in for this launch; a kernel that is known is not compiled."""
        if self._seen:
            self._seen_in[kernel_hash] = {key: set(value) for key, value in self._seen.items()}
        for digest, numbers in self._seen_in.get(kernel_hash, {}).items():
            self._blocks.setdefault(digest, set()).update(numbers)

    def _hook_autotuning(self) -> None:
        """Every workload tries every configuration: the interpreter may run any of them."""
        tuned_run = Autotuner.run

        def run(tuner: Any, *args: Any, **kwargs: Any) -> Any:
            tuner.cache.clear()
            return tuned_run(tuner, *args, **kwargs)

        Autotuner.run = run

    def _try_config(self, call: Callable[[], Any], quantiles: Sequence[float]) -> list[float]:
        """Compile one autotuning configuration: one that cannot launch is never the best."""
        before = len(self._launches)
        self._tuning += 1
        try:
            call()
        finally:
            self._tuning -= 1
        tried = self._launches[before:]
        del self._launches[before:]
        limit = standin_driver.SHARED_BYTES_PER_BLOCK
        fits = all(launch["shared_bytes"] <= limit for launch in tried)
        return [1.0 if fits else float("inf")] * len(quantiles)

    def _describe(self, error: BaseException, *, compiling: bool | None = None) -> dict[str, Any]:
        code = self._code
        if code is None:
            raise RuntimeError("an error before load") from error
        failed = self._compiling if compiling is None else compiling
        self._compiling = False
        if failed:
            return {"stage": "compile", **describe_compile_error(error, code)}
        return {"stage": "host", **code.describe(error)}


class _PtxasCommand:
    """Notes how Triton calls ptxas for the target, as `[path, flag, …]` without the files."""

    def __init__(self) -> None:
        self.command: list[str] = []
        original = subprocess.run

        def noted(command: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(command, list) and any("--gpu-name" in str(part) for part in command):
                files = {i for i, part in enumerate(command) if str(part).endswith((".ptx", ".o"))}
                kept = [str(part) for i, part in enumerate(command) if i not in files]
                self.command = [part for part in kept if part != "-o"]
                nvidia.subprocess.run = original
            return original(command, *args, **kwargs)

        nvidia.subprocess.run = noted


def _make_inputs(slots: list[Slot]) -> list[torch.Tensor]:
    device = "cpu" if sum(slot.size_bytes for slot in slots) <= MAX_REAL_BYTES else "meta"
    inputs: list[torch.Tensor] = []
    for slot in slots:
        dtype = torch_dtype(slot.dtype)
        flat = torch.zeros(slot.size_bytes // dtype.itemsize, dtype=dtype, device=device)
        inputs.append(slot.within(flat))
    return inputs


def _concrete_grid(function: Any, grid: Any, args: Sequence[Any], kwargs: Any) -> list[int]:
    """The grid as numbers: a callable gets the kernel's arguments by name, defaults included."""
    if callable(grid):
        defaults = {
            name: parameter.default
            for name, parameter in function.signature.parameters.items()
            if parameter.default is not inspect.Parameter.empty
        }
        given = dict(zip(function.arg_names, args, strict=False))
        grid = grid({**defaults, **given, **kwargs})
    return [int(size) for size in grid]
