"""The counters: what they count, and that nobody outside chooses their labels."""

from __future__ import annotations

import io
import urllib.request
import zipfile
from types import ModuleType

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.metrics import Metrics
from runner.bundle import MANIFEST
from runner.contract import KernelRequest, ResultBundle


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Name, and label values in the order of the labels' names → value; no buckets."""
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        (
            sample.name.removeprefix("kernelwright_"),
            *(value for _, value in sorted(sample.labels.items())),
        ): sample.value
        for family in families
        for sample in family.samples
        if not sample.name.endswith(("_bucket", "_created"))
    }


def test_deliveries_are_counted_and_timed() -> None:
    metrics = Metrics()
    metrics.delivery("issues", "labeled", "kept", 0.004)
    metrics.delivery("issues", "labeled", "kept", 0.006)
    metrics.delivery("", "", "forged", 0.001)
    found = samples(metrics)
    assert found["deliveries_total", "labeled", "issues", "kept"] == 2
    assert found["deliveries_total", "", "", "forged"] == 1
    assert found["acknowledgement_seconds_count",] == 3
    assert found["acknowledgement_seconds_sum",] == pytest.approx(0.011)


def test_a_sender_cannot_make_new_labels() -> None:
    metrics = Metrics()
    for number in range(100):
        metrics.delivery(f"event-{number}", f"action-{number}", "ignored", 0.001)
    found = [key for key in samples(metrics) if key[0] == "deliveries_total"]
    assert found == [("deliveries_total", "other", "other", "ignored")]


def test_a_run_counts_its_outcome_seconds_and_tokens(bundles: ModuleType) -> None:
    metrics = Metrics()
    bundle = a_bundle(bundles)
    metrics.collected(bundle)
    found = samples(metrics)
    assert found["runs_total", bundle.outcome.value] == 1
    assert found["run_seconds_sum",] == pytest.approx(bundle.cost.wall_s)
    assert found["tokens_total", "prompt"] == (bundle.cost.prompt_tokens or 0)


def a_bundle(bundles: ModuleType) -> ResultBundle:
    request = KernelRequest(
        request_id="kw-0123456789abcdef", repository="octo/kernels", base_sha="a" * 40,
        issue_number=7, generation=0, requested_by="mona", problem_toml=bundles.SPEC,
        reference_py=bundles.REFERENCE,
    )  # fmt: skip
    with zipfile.ZipFile(io.BytesIO(bundles.make_bundle(request))) as archive:
        return ResultBundle.model_validate_json(archive.read(MANIFEST))


def test_githubs_answers_are_counted_with_what_is_left_of_the_limit() -> None:
    metrics = Metrics()
    metrics.github_answered(200, {"x-ratelimit-remaining": "4321"})
    metrics.github_answered(0, {})
    metrics.github_answered(502, {"x-ratelimit-remaining": "odd"})
    found = samples(metrics)
    assert [found["github_requests_total", status] for status in ("200", "0", "502")] == [1, 1, 1]
    assert found["github_rate_limit_remaining",] == 4321


def test_the_queue_is_read_when_it_is_asked_for() -> None:
    metrics = Metrics()
    backlog = {("delivery", "waiting"): 3}
    metrics.watch_backlog(lambda: backlog)
    assert samples(metrics)["workflows", "waiting", "delivery"] == 3
    backlog["delivery", "waiting"] = 5
    assert samples(metrics)["workflows", "waiting", "delivery"] == 5


def test_two_replicas_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.ended("published")
    assert samples(one)["requests_total", "published"] == 1
    assert ("requests_total", "published") not in samples(other)


def test_an_address_of_its_own_answers_scrapes_until_it_is_closed() -> None:
    metrics = Metrics()
    metrics.ended("failed")
    server = metrics.serve("127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert b'kernelwright_requests_total{end="failed"} 1.0' in answer.read()
    server.close()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=10)
