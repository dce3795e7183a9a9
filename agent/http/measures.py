"""The service's own figures for Prometheus; those of the worker are in agent/metrics.py."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Measures:
    """Counts of one service; labels are routes, never paths: those hold names."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._calls = Counter(
            "service_calls", "Calls answered.", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "service_call_seconds",
            "How long calls took; a live stream is over when its reader leaves.",
            ["route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._streams = Gauge("service_streams", "Live streams that are open.", registry=self._registry)
        self._webhooks = Gauge(
            "service_webhooks", "Webhooks of this process, by outcome.", ["outcome"], registry=self._registry
        )

    def answered(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """A call was answered; `route` None: there is none, and the method may be anything."""
        self._calls.labels(method if route else "any", route or "none", str(status)).inc()
        self._seconds.labels(route or "none").observe(seconds)

    def text(self, streams: int, webhooks: dict[str, int]) -> bytes:
        """In Prometheus' text format, with how many streams are open and what became of webhooks."""
        self._streams.set(streams)
        for outcome, count in webhooks.items():
            self._webhooks.labels(outcome).set(count)
        return generate_latest(self._registry)
