"""One judge and one careless harness for the whole corpus: both are dear to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.adversarial.judge_all import Bench
from tests.adversarial.kept_workers import KeptWorkers
from tests.adversarial.naive_harness import NaiveHarness


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    """Judges on the CPU. It keeps one verifier at a time, so kernels come sorted by problem."""
    workers = KeptWorkers()
    with Bench("cpu", workers) as bench:
        yield bench
    workers.close()


@pytest.fixture(scope="session")
def bench_on_gpu() -> Iterator[Bench]:
    workers = KeptWorkers()
    with Bench("cuda", workers) as bench:
        yield bench
    workers.close()


@pytest.fixture(scope="session")
def naive_harness() -> Iterator[NaiveHarness]:
    with NaiveHarness("cpu") as harness:
        yield harness


@pytest.fixture(scope="session")
def naive_harness_on_gpu() -> Iterator[NaiveHarness]:
    with NaiveHarness("cuda") as harness:
        yield harness
