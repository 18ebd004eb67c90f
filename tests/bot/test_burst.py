"""A small burst of deliveries: none lost, none done twice, none forged done. Not timed here."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

COUNT, RATE_PER_S = 100, 200.0


@pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def test_every_delivery_of_a_burst_is_answered_and_done_once(
    database: str, request: pytest.FixtureRequest, tmp_path: Path, load_session: ModuleType,
    delivery_load: ModuleType, bundles: ModuleType,
) -> None:  # fmt: skip
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings: dict[str, Any] = {
        "KERNELWRIGHT_APP_ID": "1",
        "KERNELWRIGHT_PRIVATE_KEY": "unused: the fake asks for none",
        "KERNELWRIGHT_WEBHOOK_SECRET": delivery_load.SECRET,
        "KERNELWRIGHT_STATE_DIR": str(tmp_path),
        "KERNELWRIGHT_PORT": str(port),
        "KERNELWRIGHT_POLL_INTERVAL_S": "0.2",
        "KERNELWRIGHT_RUN_LOOKUP_GRACE_S": "0",
    }
    if database == "postgres":
        settings["KERNELWRIGHT_DATABASE_URL"] = request.getfixturevalue("database_url")
    form = delivery_load.request_form(bundles.SPEC, bundles.REFERENCE)
    outcome = load_session.play(delivery_load, settings, form, count=COUNT, rate_per_s=RATE_PER_S)
    load_session.assert_exact(outcome, delivery_load.FIRST_REQUEST)
    assert sum(sending.repeats for sending in outcome.sendings) == COUNT // 10
    assert sum(sending.kind == "forged" for sending in outcome.sendings) == COUNT // 20
