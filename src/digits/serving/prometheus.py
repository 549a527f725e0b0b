"""Count requests, marks and corrections for Prometheus, a program that monitors servers."""

import re

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.06, 0.1, 0.25, 0.5, 1, 2.5, 10)  # s; bounds of the bins
ROUTES = re.compile(r"/api/(?:predict|preview|corrections|model|network|health)\b|/static\b")
METHODS = ("GET", "HEAD", "POST")  # HTTP methods with their own counters; all others are counted as "other"


class Metrics:
    """The counters of the server."""

    def __init__(self) -> None:
        """Make all counters, with the value 0."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # no time of creation for each counter
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "digits_requests", "Requests answered", ["route", "method", "status"], registry=registry
        )
        self.seconds = Histogram(
            "digits_request_seconds", "Time to the answer", ["route"], registry=registry, buckets=SECONDS
        )
        self.marks = Counter(
            "digits_marks", "Marks read", ["network", "digit", "accepted"], registry=registry
        )
        self.corrected = Counter("digits_corrections", "Corrections kept", ["digit"], registry=registry)
        self.waiting = Gauge("digits_waiting", "Jobs not answered yet", registry=registry)
        self._by_labels: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        ProcessCollector(registry=registry)

    def count_answer(self, path: str, method: str, status: int, seconds: float) -> None:
        """Count one answer.

        Args:
            path: path of the request's address.
            method: HTTP method of the request.
            status: HTTP status of the answer.
            seconds: time from the start of the request to the end of the answer.
        """
        labels = (route_label(path), method if method in METHODS else "other", status)
        if labels not in self._by_labels:  # a dict, since prometheus_client needs longer to find a counter
            route, method, _ = labels
            self._by_labels[labels] = (
                self.requests.labels(route, method, str(status)),
                self.seconds.labels(route),
            )
        requests, times = self._by_labels[labels]
        requests.inc()
        times.observe(seconds)

    def page(self) -> bytes:
        """Return all counters in Prometheus' text format."""
        return generate_latest(self.registry)


def route_label(path: str) -> str:
    """Return the route of a path.

    "/api/network/cnn" gives "/api/network". An unknown path gives "other".
    """
    # Each label has its own counter in memory. If paths were labels, a client could make new counters
    # without limit.
    if path in ("/", "/metrics", "/openapi.json"):
        return path
    found = ROUTES.match(path)
    return found[0] if found else "other"
