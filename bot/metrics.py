"""What the service counts, in Prometheus' text format.

Owns the names and the labels, each from a list that is known beforehand: nothing that a sender can
choose becomes a label. One registry a replica; what a scrape shows is that replica's own work,
except the queue, which all replicas on one database share.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import start_http_server
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bot.errors import End
from bot.events import EVENT_TYPES
from runner.contract import ResultBundle

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# What GitHub's events that we read can be; whatever else one says is counted as `other`.
_ACTIONS = frozenset(
    {"opened", "edited", "closed", "reopened", "created", "deleted", "submitted", "dismissed"}
    | {"labeled", "unlabeled", "assigned", "unassigned", "transferred", "locked", "unlocked"}
    | {"requested", "in_progress", "completed", "synchronize"}
)
_ACKNOWLEDGED_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_RUN_S = (60.0, 300.0, 900.0, 1800.0, 3600.0, 5400.0)
# (workflow, state) → how many.
Backlog = Mapping[tuple[str, str], int]


class Metrics:
    """The counters of one process."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._backlog: Callable[[], Backlog] = dict
        registry.register(_Queue(lambda: self._backlog()))
        self._deliveries = Counter(
            "kernelwright_deliveries",
            "Webhook deliveries by what was answered",
            ("event", "action", "result"),
            registry=registry,
        )
        self._acknowledged_s = Histogram(
            "kernelwright_acknowledgement_seconds",
            "From the request of a delivery to its answer",
            buckets=_ACKNOWLEDGED_S,
            registry=registry,
        )
        self._ends = Counter(
            "kernelwright_requests",
            "Kernel requests by how they ended",
            ("end",),
            registry=registry,
        )
        self._runs = Counter(
            "kernelwright_runs", "Runs with a bundle, by outcome", ("outcome",), registry=registry
        )
        self._verifications = Counter(
            "kernelwright_verifications",
            "Verifications of a pull request's kernel, by result",
            ("result",),
            registry=registry,
        )
        self._run_s = Histogram(
            "kernelwright_run_seconds",
            "Wall seconds that a run held its GPU",
            buckets=_RUN_S,
            registry=registry,
        )
        self._tokens = Counter(
            "kernelwright_tokens", "Tokens of the model, by kind", ("kind",), registry=registry
        )
        self._github = Counter(
            "kernelwright_github_requests",
            "Calls of GitHub's API by status; 0: no answer",
            ("status",),
            registry=registry,
        )
        self._rate_limit_left = Gauge(
            "kernelwright_github_rate_limit_remaining",
            "What GitHub's latest answer left of the hourly rate limit",
            registry=registry,
        )

    def delivery(self, event: str, action: str, result: str, seconds: float) -> None:
        """One answered delivery. Unverified ones have no event: a forger must not choose labels."""
        known_event = event if event in EVENT_TYPES or not event else "other"
        known_action = action if action in _ACTIONS or not action else "other"
        self._deliveries.labels(known_event, known_action, result).inc()
        self._acknowledged_s.observe(seconds)

    def ended(self, end: End) -> None:
        self._ends.labels(end).inc()

    def verified(self, *, passed: bool) -> None:
        self._verifications.labels("passed" if passed else "failed").inc()

    def collected(self, bundle: ResultBundle) -> None:
        """The cost and the outcome of a run, from its checked manifest."""
        self._runs.labels(bundle.outcome.value).inc()
        self._run_s.observe(bundle.cost.wall_s)
        for kind in ("prompt", "reasoning", "completion"):
            self._tokens.labels(kind).inc(getattr(bundle.cost, f"{kind}_tokens") or 0)

    def github_answered(self, status: int, headers: Mapping[str, object]) -> None:
        """One call's status, and its headers by their lower-case names."""
        self._github.labels(str(status)).inc()
        left = str(headers.get("x-ratelimit-remaining", ""))
        if left.isdigit():
            self._rate_limit_left.set(int(left))

    def watch_backlog(self, read: Callable[[], Backlog]) -> None:
        """Ask `read` for the queue at every scrape."""
        self._backlog = read

    def exposition(self) -> bytes:
        return generate_latest(self.registry)

    def serve(self, host: str, port: int) -> MetricsServer:
        """Answer scrapes on an address of their own as well. Raises OSError."""
        server, thread = start_http_server(port, host, self.registry)
        return MetricsServer(server, thread)


class MetricsServer:
    """The listener of `metrics_port`."""

    def __init__(self, server: WSGIServer, thread: threading.Thread) -> None:
        self.port = server.server_port
        self._server = server
        self._thread = thread

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Queue(Collector):
    """The workflows that have not ended, counted when somebody asks."""

    def __init__(self, read: Callable[[], Backlog]) -> None:
        self._read = read

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "kernelwright_workflows",
            "Unfinished durable workflows of all replicas on this database",
            labels=["workflow", "state"],
        )
        for (workflow, state), count in self._read().items():
            family.add_metric([workflow, state], count)
        yield family
