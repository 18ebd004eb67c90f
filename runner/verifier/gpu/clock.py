"""Worker side of timing: bursts of calls between CUDA events, L2 flushed before each.

Owns the events, taken before foreign code arrives. What is measured here is checked by the judge
against a clock that this process cannot touch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from runner.verifier.gpu.driver import reset_persisting_l2

Entry = Callable[..., Any]
# While the GPU spins the host queues the whole burst, so launch overhead is not measured as GPU
# time. Cycles of `torch.cuda._sleep`; a launch from Python takes some 20 to 100 µs.
_SPIN_CYCLES_PER_CALL = 300_000
_MAX_SPIN_CYCLES = 30_000_000


class BurstClock:
    """Made once, before foreign code arrives, so that nothing it patches is used."""

    def __init__(self, device: torch.device) -> None:
        properties = torch.cuda.get_device_properties(device)
        self.l2_bytes = int(properties.L2_cache_size)
        self._flush = torch.empty(2 * self.l2_bytes, dtype=torch.uint8, device=device)
        self._event: Callable[..., torch.cuda.Event] = torch.cuda.Event
        self._synchronize = torch.cuda.synchronize
        self._stream: torch.cuda.Stream = torch.cuda.current_stream(device)
        self._sleep: Callable[[int], None] = torch.cuda._sleep
        self._now = time.perf_counter

    def burst(self, entry: Entry, inputs: Sequence[Sequence[torch.Tensor]]) -> dict[str, Any]:
        """Each of `inputs` once, in order: GPU milliseconds of each call, and the last result.

        `lag_ms` is how long other streams went on after the stream of the calls was done.
        """
        count = len(inputs)
        starts, ends = self._events(count), self._events(count)
        reset_persisting_l2()
        self._synchronize()
        self._sleep(min(_MAX_SPIN_CYCLES, _SPIN_CYCLES_PER_CALL * count))
        result: Any = None
        for start, end, tensors in zip(starts, ends, inputs, strict=True):
            self._flush.zero_()
            result = None  # its memory is free again before the next call allocates
            start.record(self._stream)
            result = entry(*tensors)
            end.record(self._stream)
        self._stream.synchronize()
        done_s = self._now()
        self._synchronize()
        lag_ms = (self._now() - done_s) * 1e3
        times_ms = [s.elapsed_time(e) for s, e in zip(starts, ends, strict=True)]
        return {"times_ms": times_ms, "lag_ms": lag_ms, "result": result}

    def plain(
        self, entry: Entry, inputs: Sequence[Sequence[torch.Tensor]], count: int
    ) -> dict[str, Any]:
        """`count` calls one after another, nothing between them: `span_ms` by events.

        `issued_ms`: how long this process took to launch them all, whatever the GPU did.
        """
        start, end = self._events(2)
        self._synchronize()
        began_s = self._now()
        start.record(self._stream)
        for number in range(count):
            entry(*inputs[number % len(inputs)])
        end.record(self._stream)
        issued_ms = (self._now() - began_s) * 1e3
        self._synchronize()
        return {"span_ms": float(start.elapsed_time(end)), "issued_ms": issued_ms}

    def _events(self, count: int) -> list[torch.cuda.Event]:
        return [self._event(enable_timing=True) for _ in range(count)]
