"""How soon a delivery is acknowledged in a burst, and that none is lost. Run with `make bench`.

2,000 deliveries at 200 a second, from a second process, one in ten doubled and one in twenty
forged. The percentiles stand in the benchmark's `extra_info`, in milliseconds.
"""

from __future__ import annotations

import importlib.util
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FAKES = Path(__file__).parents[1] / "fakes"
COUNT, RATE_PER_S = 2_000, 200.0
P99_MS = 100.0


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FAKES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = {
        "KERNELWRIGHT_APP_ID": "1",
        "KERNELWRIGHT_PRIVATE_KEY": "unused: the fake asks for none",
        "KERNELWRIGHT_WEBHOOK_SECRET": load("delivery_load").SECRET,
        "KERNELWRIGHT_STATE_DIR": str(tmp_path),
        "KERNELWRIGHT_PORT": str(port),
        "KERNELWRIGHT_POLL_INTERVAL_S": "0.5",
        "KERNELWRIGHT_RUN_LOOKUP_GRACE_S": "0",
    }
    if request.param == "sqlite":
        yield made
        return
    cluster = load("postgres_cluster")
    if cluster.programs() is None:
        pytest.skip(cluster.MISSING)
    with cluster.running(durable=True) as server:
        yield {**made, "KERNELWRIGHT_DATABASE_URL": server.create_database()}


def test_a_burst_is_acknowledged_in_time(settings: dict[str, str], benchmark: Any) -> None:
    session, burst, body = load("load_session"), load("delivery_load"), load("bundle_maker")
    form = burst.request_form(body.SPEC, body.REFERENCE)

    def play() -> Any:
        return session.play(burst, settings, form, count=COUNT, rate_per_s=RATE_PER_S)

    outcome = benchmark.pedantic(play, rounds=1)
    benchmark.extra_info |= {
        "p50_ms": outcome.latency_ms(0.5),
        "p99_ms": outcome.latency_ms(0.99),
        "max_ms": outcome.latency_ms(1.0),
        "drained_s": outcome.drained_s,
    }
    print({name: round(value, 1) for name, value in benchmark.extra_info.items()})
    session.assert_exact(outcome, burst.FIRST_REQUEST)
    assert outcome.latency_ms(0.99) < P99_MS
