"""What ran on the GPU during one call of a candidate: its launches, the library's operators, and
every kernel that CUPTI saw.

Owns the hooks inside the worker. Judges nothing; `integrity` and `kernel_share` do, on the judge's
side.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from triton.compiler.compiler import CompiledKernel
from triton.runtime.autotuner import Autotuner
from triton.runtime.jit import JITFunction

from runner.verifier.arena import settle
from runner.verifier.trace import Operations, hook_exits

_ON_GPU = torch._C._autograd.DeviceType.CUDA
# In the name of the kernel behind `Tensor.erfinv_`; few call it, and the dispatcher tells who did.
_MARKER = "erfinv"


class CudaTracer:
    """Hooks Triton once; `run` then traces one call at a time. Off outside `run`."""

    def __init__(self) -> None:
        self._operations: Counter[str] = Counter()
        self._launches: Counter[str] = Counter()
        self._kernels: dict[tuple[str, str], dict[str, Any]] = {}
        self._configs: dict[str, str] = {}
        self._tuning = 0
        self._active = False
        self._idle = False
        self.failure: BaseException | None = None
        self._hook_launches()
        self._hook_launchers()
        self._hook_autotuning()
        hook_exits(self._operations)

    def run(self, call: Callable[[], Any], seed: int) -> tuple[Any, dict[str, Any]]:
        """Call, and say what ran: operations, launched kernels, autotuned configurations."""
        for record in (self._operations, self._launches, self._configs, self._kernels):
            record.clear()
        self.failure = None
        self._active = True
        try:
            with Operations(self._operations):
                result = call()
        finally:
            self._active = False
        if self.failure is not None:
            # The candidate swallowed its compiler's error: that is its failure all the same.
            raise self.failure
        facts = {
            "operations": dict(self._operations),
            "launches": dict(self._launches),
            "configs": dict(self._configs),
            "kernels": list(self._kernels.values()),
        }
        return result, facts

    @contextmanager
    def idle(self) -> Iterator[None]:
        """Meanwhile nothing is put on the GPU by a launch; the host code around it runs as ever."""
        self._idle = True
        try:
            yield
        finally:
            self._idle = False

    def _hook_launches(self) -> None:
        compile_and_launch = JITFunction.run

        def run(function: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> Any:
            if not self._active:
                return compile_and_launch(function, *args, grid=grid, warmup=warmup, **kwargs)
            sizes: list[int] = []
            if callable(grid):
                rule = grid

                def grid(meta: Any) -> Any:
                    found = rule(meta)
                    sizes[:] = [int(size) for size in found]
                    return found

            else:
                sizes = [int(size) for size in grid]
            try:
                kernel = compile_and_launch(function, *args, grid=grid, warmup=warmup, **kwargs)
            except Exception as error:
                if not self._tuning and self.failure is None and is_compile_error(error):
                    self.failure = error
                raise
            if not self._tuning and all(size > 0 for size in sizes):
                self._note(function, kernel, sizes)
            return kernel

        JITFunction.run = run

    def _hook_launchers(self) -> None:
        """Where every launch of Triton's ends, one of a kernel compiled by `warmup` too."""
        launcher = CompiledKernel.run.fget

        def run(kernel: Any) -> Any:
            launch = launcher(kernel)
            return _launch_nothing if self._idle else launch

        CompiledKernel.run = property(run)

    def _note(self, function: Any, kernel: Any, grid: list[int]) -> None:
        name = function.fn.__name__
        self._launches[name] += 1
        metadata = kernel.metadata
        digest = hashlib.sha256(kernel.asm["ptx"].encode()).hexdigest()
        known = self._kernels.get((name, digest))
        if known is not None:
            known["launches"] += 1
            return
        self._kernels[(name, digest)] = {
            "kernel": name,
            "ptx_sha256": digest,
            "launches": 1,
            "shared_bytes": int(metadata.shared),
            "num_warps": int(metadata.num_warps),
            "num_stages": int(metadata.num_stages),
            "grid": grid,
        }

    def _hook_autotuning(self) -> None:
        bench, tuned_run = Autotuner._bench, Autotuner.run

        def quiet_bench(tuner: Any, *args: Any, **kwargs: Any) -> Any:
            self._tuning += 1
            try:
                return bench(tuner, *args, **kwargs)
            finally:
                self._tuning -= 1

        def run(tuner: Any, *args: Any, **kwargs: Any) -> Any:
            result = tuned_run(tuner, *args, **kwargs)
            if self._active:
                self._configs[tuner.base_fn.__name__] = str(tuner.best_config)
            return result

        Autotuner._bench = quiet_bench
        Autotuner.run = run


def _launch_nothing(*_: Any) -> None:
    """Takes a launcher's arguments."""


def is_compile_error(error: BaseException) -> bool:
    """Whether an exception of a launch came from compiling, not from the GPU."""
    if isinstance(error, torch.OutOfMemoryError | torch.AcceleratorError):
        return False
    return "Triton Error [CUDA]" not in str(error)


def profile(call: Callable[[], Any], marker: torch.Tensor, margin_s: float) -> dict[str, Any]:
    """Every kernel, copy and fill that CUPTI saw during `call`: name, stream, microseconds.

    `stream` is that of the caller. `whole` says whether CUPTI saw a kernel of ours, on `marker` (a
    float), before the call and another one behind it: on a busy machine its first or last events
    get lost, and then the rows are worth nothing. `margin_s` is waited at both ends: PyTorch drops
    events outside the window by its own clock, and the GPU's may be off by more than a call takes.
    """
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profiler:
        time.sleep(margin_s)
        marker.erfinv_()
        settle(marker.device)
        call()
        settle(marker.device)
        marker.erfinv_()
        settle(marker.device)
        time.sleep(margin_s)
    inner = profiler.profiler
    results = inner.kineto_results if inner is not None else None
    events = [] if results is None else [e for e in results.events() if e.device_type() == _ON_GPU]
    events.sort(key=lambda event: event.start_ns())
    if len(events) < 2 or not (_is_marker(events[0]) and _is_marker(events[-1])):
        return {"whole": False, "stream": None, "kernels": []}
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for event in events[1:-1]:
        key = (str(event.name())[:300], int(event.device_resource_id()))
        row = rows.setdefault(key, {"name": key[0], "stream": key[1], "count": 0, "us": 0.0})
        row["count"] += 1
        row["us"] += event.duration_ns() / 1e3
    stream = int(events[0].device_resource_id())
    return {"whole": True, "stream": stream, "kernels": list(rows.values())}


def _is_marker(event: Any) -> bool:
    return _MARKER in str(event.name())
