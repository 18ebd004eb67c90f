"""GPU time for pytest-benchmark, taken as the verifier takes it.

Owns the ticks and what happens before each timed call: a busy GPU, a cold L2 cache, other contents.
Only for merged, reviewed code; whether a candidate's times are believed is the verifier's business.

A tick is a CUDA event, so the later one minus the earlier one is time on the GPU's own clock.
Launching from Python takes longer than a short kernel runs: the GPU spins first, and when it gets
to the call all of it is queued. `gpu_report.py agreement` holds the medians against the verifier's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import torch

from runner.contract import Workload
from runner.problem import Problem
from runner.verifier.inputs import NORMAL, Case, make_inputs

# As many calls as the verifier times, and more warm-up than it ever needed: clocks rise in some
# milliseconds, and Triton's and Inductor's first call compiles.
ROUNDS = 100
WARMUP_ROUNDS = 50
# Some 0.3 ms at 2 GHz: from Python a compiled FlexAttention takes 0.1 to 0.2 ms to launch.
SPIN_CYCLES = 600_000
DEVICE = torch.device("cuda")
# Inputs that take turns, as the verifier's do, as far as this much memory goes.
_MAX_SETS = 8
_MAX_SETS_BYTES = 8 << 30
_SEED = 20_240_601

_new_event: Callable[..., torch.cuda.Event] = torch.cuda.Event
Arguments = tuple[tuple[torch.Tensor, ...], dict[str, Any]]


class GpuInstant:
    """A moment on the GPU's clock; the later minus the earlier one is in seconds."""

    def __init__(self) -> None:
        self._event: torch.cuda.Event = _new_event(enable_timing=True)
        self._event.record()

    def __sub__(self, earlier: GpuInstant) -> float:
        self._event.synchronize()
        return float(earlier._event.elapsed_time(self._event)) / 1000


class ColdCalls:
    """The `setup` of `benchmark.pedantic`: the arguments of the next call, with the L2 cache cold.

    Needs a CUDA GPU.
    """

    def __init__(self, problem: Problem, workload: Workload) -> None:
        l2_bytes = torch.cuda.get_device_properties(DEVICE).L2_cache_size
        self._scratch = torch.empty(2 * l2_bytes, dtype=torch.uint8, device=DEVICE)
        self._spin: Callable[[int], None] = torch.cuda._sleep
        self._sets: Iterator[tuple[torch.Tensor, ...]] = cycle(_sets(problem, workload))

    def __call__(self) -> Arguments:
        self._spin(SPIN_CYCLES)
        self._scratch.zero_()
        return next(self._sets), {}


def _sets(problem: Problem, workload: Workload) -> list[tuple[torch.Tensor, ...]]:
    """Sets of normal inputs; the first is there however large it is."""
    found: list[tuple[torch.Tensor, ...]] = []
    spent_bytes = set_bytes = 0
    while not found or (len(found) < _MAX_SETS and spent_bytes + set_bytes <= _MAX_SETS_BYTES):
        case = Case(workload=workload, distribution=NORMAL, seed=_SEED + len(found))
        found.append(tuple(make_inputs(problem, case, DEVICE).values()))
        set_bytes = sum(tensor.nbytes for tensor in found[-1])
        spent_bytes += set_bytes
    return found
