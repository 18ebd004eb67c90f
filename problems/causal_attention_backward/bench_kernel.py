"""GPU time of `causal_attention_backward`.

The kernel beside its baselines, one group of rows for each benchmark workload. Times are CUDA
events around each call, with the L2 cache flushed before it. Needs a CUDA GPU: without one nothing
is timed. Run with `python -m pytest` on this file; to compare two machines or two versions, keep
each run with `--benchmark-json FILE`, then `pytest-benchmark compare FILE FILE`.
"""

from pathlib import Path

import pytest
import torch

from runner.bench_clock import ROUNDS, WARMUP_ROUNDS, ColdCalls, GpuInstant
from runner.testing import baselines, load_entry, load_problem

FOLDER = Path(__file__).parent
PROBLEM = load_problem(FOLDER)

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="not measured: no GPU")


@pytest.fixture(scope="module")
def functions():
    """The kernel and its baselines by name."""
    return {"kernel": load_entry(FOLDER), **baselines(FOLDER)}


@pytest.mark.parametrize("name", ["kernel", *PROBLEM.baselines])
@pytest.mark.parametrize("workload", PROBLEM.benchmarks, ids=str)
@pytest.mark.benchmark(timer=GpuInstant)
def test_causal_attention_backward(benchmark, functions, workload, name):
    benchmark.group = str(workload)
    benchmark.pedantic(
        functions[name],
        setup=ColdCalls(PROBLEM, workload),
        rounds=ROUNDS,
        warmup_rounds=WARMUP_ROUNDS,
    )
