"""The service's own figures for Prometheus; those of the worker are in agent/metrics.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


TaskState = Literal["running", "failing", "over"]


class Tasks(Protocol):
    """How the tasks beside the service are (`agent.background.run_beside.Background`)."""

    def states(self) -> Mapping[str, TaskState]:
        """Name -> `running`, `failing` or `over`."""
        ...

    def failures(self) -> Mapping[str, int]:
        """Name -> faults since the program's start."""
        ...


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
        self._failing = Gauge(
            "service_background_failing",
            "Tasks beside the service that are failing or held up: 1 or 0.",
            ["task"],
            registry=self._registry,
        )
        self._failures = Gauge(
            "service_background_failures",
            "Faults of tasks beside the service, each of which began again.",
            ["task"],
            registry=self._registry,
        )

    def answered(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """A call was answered; `route` None: there is none, and the method may be anything."""
        self._calls.labels(method if route else "any", route or "none", str(status)).inc()
        self._seconds.labels(route or "none").observe(seconds)

    def text(self, streams: int, webhooks: dict[str, int], tasks: Tasks) -> bytes:
        """In Prometheus' text format, with the open streams, what became of webhooks, and the side tasks."""
        for task, state in tasks.states().items():
            self._failing.labels(task).set(state == "failing")
        for task, failures in tasks.failures().items():
            self._failures.labels(task).set(failures)
        self._streams.set(streams)
        for outcome, count in webhooks.items():
            self._webhooks.labels(outcome).set(count)
        return generate_latest(self._registry)
