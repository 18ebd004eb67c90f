"""GPU time of `rms_norm` beside its baselines.

One group of rows for each benchmark workload. Run with `pytest` on this file. Needs a CUDA GPU: on
a CPU nothing is timed.
"""

from pathlib import Path

import pytest
import torch

from runner.testing import baselines, bench_inputs, load_entry, load_problem

FOLDER = Path(__file__).parent
PROBLEM = load_problem(FOLDER)
ROUNDS = 50
WARMUP_ROUNDS = 10

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="not measured: no GPU")


class GpuInstant:
    """A moment on the GPU's own clock; the later minus the earlier one is in seconds."""

    def __init__(self):
        self.event = torch.cuda.Event(enable_timing=True)
        self.event.record()

    def __sub__(self, earlier):
        self.event.synchronize()
        return earlier.event.elapsed_time(self.event) / 1000


@pytest.fixture(scope="module")
def functions():
    """The kernel and its baselines by name."""
    return {"kernel": load_entry(FOLDER), **baselines(FOLDER)}


@pytest.fixture(scope="module")
def flush_l2():
    """Overwrite twice the L2 cache. It also keeps the GPU busy while the next call is launched."""
    size_bytes = 2 * torch.cuda.get_device_properties(0).L2_cache_size
    scratch = torch.empty(size_bytes, dtype=torch.int8, device="cuda")

    def flush():
        scratch.zero_()

    return flush


@pytest.mark.parametrize("name", ["kernel", *PROBLEM.baselines])
@pytest.mark.parametrize("workload", PROBLEM.benchmarks, ids=str)
@pytest.mark.benchmark(timer=GpuInstant)
def test_rms_norm(benchmark, functions, flush_l2, workload, name):
    inputs = bench_inputs(PROBLEM, workload, torch.device("cuda"))
    benchmark.group = str(workload)
    benchmark.pedantic(
        functions[name],
        args=tuple(inputs.values()),
        setup=flush_l2,
        rounds=ROUNDS,
        warmup_rounds=WARMUP_ROUNDS,
    )
