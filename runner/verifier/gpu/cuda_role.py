"""The worker role on a GPU: runs the candidate, or the reference and the baselines, and times them.

Owns the order of things before foreign code arrives: CUDA and Triton are up, the clock has its
events, the allocator's pool is poisoned. Calls themselves are `call_role`'s, as on a CPU.
"""

from __future__ import annotations

import functools
import subprocess
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import torch

from runner.verifier.arena import Slot, settle
from runner.verifier.call_role import CallRole, set_deterministic
from runner.verifier.compile_errors import describe_compile_error
from runner.verifier.foreign import ForeignCode
from runner.verifier.gpu import cuda_trace, remote_tools, triton_cache
from runner.verifier.gpu.clock import BurstClock
from runner.verifier.gpu.device_arena import DeviceArena
from runner.verifier.memory import give_back, give_back_blocks
from runner.verifier.modules.entry import ModuleEntry
from runner.verifier.wire import PREPARATION

Job = dict[str, Any]
Entry = Callable[..., Any]
# What a candidate's `torch.empty` may be handed again must not hold anything of use.
_POISON_BLOCKS = (*(1 << size for size in range(9, 21)), 8 << 20, 64 << 20)


class CudaRole:
    """Serves `load`, `configure`, `call`, `baselines`, `burst`, `plain`, `profile`, `flops` and
    `give_back`."""

    def __init__(self, settings: Job, ask: Callable[[Job], Job]) -> None:
        marks = {"imports": time.monotonic()}
        self._device = device = torch.device("cuda", 0)
        torch.cuda.set_device(device)
        torch.zeros(1, device=device)
        marks["cuda"] = time.monotonic()
        torch.cuda.set_per_process_memory_fraction(settings["device_fraction"], device)
        _one_precision()
        remote_tools.name_triton_by_version()
        triton_cache.unpack(settings["triton_cache"])
        with remote_tools.CommandLog() as log:
            from runner.verifier import warm_kernel

            warm_kernel.launch("cuda")
        marks["triton"] = time.monotonic()
        self._arenas = [DeviceArena.open(fd, size, 0) for fd, size in settings["arenas"]]
        self._clock = BurstClock(device)
        self._marker = torch.zeros(1, device=device)
        self._candidate = settings["role"] == "cuda-candidate"
        tracer: Any = None
        if self._candidate:
            tracer = cuda_trace.CudaTracer()
            cuda_trace.profile(self._marker.zero_, self._marker, 0.0)  # CUPTI loads now
        self._tracer = tracer
        self._calls = CallRole(self._arenas[0], tracer)
        self._entries: dict[str, Entry] = {}
        self._preparations: dict[str, Entry] = {}
        remote_tools.install(ask)
        if self._candidate:
            _poison(device)
        else:
            _start_no_process()
        torch.cuda.synchronize()
        self._threads = threading.active_count()
        marks["rest"] = time.monotonic()
        self.facts: Job = {
            "tools": {"ptxas": log.ptxas, "cc": log.cc},
            # A worker that compiled everything hands it on; a later one finds it done.
            "triton_cache": None if settings["triton_cache"] else triton_cache.pack(),
            "start_s": _steps(marks, settings["started_s"]),
        }

    def handle(self, job: Job) -> Job:
        try:
            reply = self._handle(job)
            settle(self._device)
        except BaseException as error:  # the edge: foreign code raises anything
            code = self._calls.code
            if code is None:
                raise
            traceback.print_exc()  # to stderr, which the judge keeps the tail of
            return self._describe(error, code)
        else:
            return reply

    def _handle(self, job: Job) -> Job:
        operation = job["op"]
        if operation in ("load", "describe", "build", "configure", "call"):
            reply = self._calls.handle(job)
            if operation == "load" and self._calls.entry is not None:
                self._entries["entry"] = self._calls.entry
            if operation == "call":
                reply["threads"] = threading.active_count() - self._threads
                return self._with_compile_error(reply)
            return reply
        if operation == "baselines":
            return self._load_baselines(job)
        if operation == "give_back":
            (give_back_blocks if job["blocks_alone"] else give_back)()
            return {"ok": True}
        entry = self._entries[job["who"]]
        arena = self._arenas[job["arena"]]
        inputs = [[arena.tensor(Slot.from_json(row)) for row in one] for one in job["inputs"]]
        # Timed calls get memory as a user's process would give it: no fill in `torch.empty`.
        with _as_usual():
            if operation == "burst":
                return self._burst(entry, inputs, job)
            if operation == "plain":
                return {"ok": True, **self._clock.plain(entry, inputs, job["count"])}
            if operation == "profile":
                profiled = cuda_trace.profile(
                    lambda: entry(*inputs[0]), self._marker, job["margin_s"]
                )
                return {"ok": True, **profiled}
        if operation == "flops":
            return {"ok": True, "flops": _count_flops(entry, inputs[0])}
        raise ValueError(f"unknown job {operation!r}")

    def _with_compile_error(self, reply: Job) -> Job:
        """What the compiler said comes first, even where the candidate swallowed it."""
        tracer, code = self._tracer, self._calls.code
        if tracer is None or tracer.failure is None or code is None:
            return reply
        return {"ok": False, "stage": "compile", **describe_compile_error(tracer.failure, code)}

    def _burst(self, entry: Entry, inputs: list[list[torch.Tensor]], job: Job) -> Job:
        prepare = self._preparations.get(job["who"])
        if prepare is not None:
            # Before the clock starts, and again for every burst: the contents are new.
            inputs = [[*one, prepare(*one)] for one in inputs]
        measured = self._clock.burst(entry, inputs)
        result = measured.pop("result")
        reply: Job = {"ok": True, **measured}
        if job["outputs_at"] is not None:
            reply |= self._calls.hand_over(result, job["outputs_at"])
        return reply

    def _load_baselines(self, job: Job) -> Job:
        """Build the named baselines; `source` is baseline.py, None where it is not needed."""
        reference = self._entries["entry"]
        own: ForeignCode | None = None
        for name in job["names"]:
            if name == "eager":
                self._entries[name] = reference
            elif name in _COMPILE_MODES:
                self._entries[name] = _compiled(reference, _COMPILE_MODES[name])
            else:
                own = own or ForeignCode(job["source"], "baseline.py")
                self._entries[name] = own.load(name)
                prepare = getattr(own.module, f"{PREPARATION}{name}", None)
                if prepare is not None:
                    self._preparations[name] = prepare
        return {"ok": True}

    def _describe(self, error: BaseException, code: ForeignCode) -> Job:
        return {**code.describe(error), "out_of_memory": isinstance(error, torch.OutOfMemoryError)}


_COMPILE_MODES: dict[str, str | None] = {
    "compile": None,
    "compile_max_autotune": "max-autotune-no-cudagraphs",
}


def _compiled(reference: Entry, mode: str | None) -> Entry:
    if isinstance(reference, ModuleEntry):
        return reference.wrapped(lambda module: _compiled(module, mode))
    # Shapes are fixed here as in use; without this, a second shape gets a slower, general kernel.
    torch._dynamo.config.cache_size_limit = 64
    compiled: Entry = torch.compile(reference, dynamic=False, mode=mode)
    return compiled


def _count_flops(entry: Entry, inputs: list[torch.Tensor]) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        entry(*inputs)
    return int(counter.get_total_flops())


def _steps(marks: dict[str, float], started_s: float) -> dict[str, float]:
    """Seconds of each step of the start, the first counted from the judge's call."""
    steps: dict[str, float] = {}
    for name, mark in marks.items():
        steps[name] = round(mark - started_s, 3)
        started_s = mark
    return steps


def _one_precision() -> None:
    """Float32 means float32 for reference, baselines and candidate alike: no TF32 by setting."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


class _as_usual:
    """Deterministic mode, with its fill of fresh memory, is for checking; timing goes without."""

    def __enter__(self) -> None:
        set_deterministic(False)

    def __exit__(self, *_: object) -> None:
        set_deterministic(True)


def _start_no_process() -> None:
    """PyTorch's compiler asks programs for their versions, and takes 'not found' for an answer."""

    def not_found(command: Any, *_: Any, **__: Any) -> Any:
        raise FileNotFoundError(f"{command!r}: no process can be started here")

    subprocess.Popen = not_found  # type: ignore[assignment,misc]


def _poison(device: torch.device) -> None:
    """Fill blocks of every size with NaN and give them back to the allocator's pool."""
    fill = functools.partial(torch.full, fill_value=0xFF, dtype=torch.uint8, device=device)
    blocks = [fill((size,)) for size in _POISON_BLOCKS for _ in range(4)]
    torch.cuda.synchronize(device)
    del blocks
