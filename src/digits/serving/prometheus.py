"""Counters of the server for Prometheus; with several processes, the sums of all."""

import re

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client import disable_created_metrics as without_dates
from prometheus_client.multiprocess import MultiProcessCollector

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.06, 0.1, 0.25, 0.5, 1, 2.5, 10)  # bounds of the histogram
ROUTES = re.compile(r"/api/(?:predict|corrections|model|network|health)\b|/static\b")
METHODS = ("GET", "HEAD", "POST")


class Metrics:
    """Counters of one process.

    With `several_processes`, prometheus_client keeps them as files in $PROMETHEUS_MULTIPROC_DIR, and `page`
    adds up those of all processes.
    """

    def __init__(self, *, several_processes: bool = False) -> None:
        without_dates()  # type: ignore[no-untyped-call]
        self.several_processes = several_processes
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
        self.waiting = Gauge(
            "digits_waiting", "Jobs not answered yet", registry=registry, multiprocess_mode="livesum"
        )
        self._found: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        if not several_processes:
            ProcessCollector(registry=registry)

    def count_answer(self, path: str, method: str, status: int, seconds: float) -> None:
        """Count one answer with its status and the seconds that it took."""
        labels = (route_label(path), method if method in METHODS else "other", status)
        if labels not in self._found:  # kept, since finding a counter by its labels takes longer
            route, method, _ = labels
            self._found[labels] = (
                self.requests.labels(route, method, str(status)),
                self.seconds.labels(route),
            )
        number, times = self._found[labels]
        number.inc()
        times.observe(seconds)

    def page(self) -> bytes:
        """Return all counters in the text format of Prometheus."""
        registry = self.registry
        if self.several_processes:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def route_label(path: str) -> str:
    """Return the route that a path belongs to, or "other".

    A label must be one of few words: each path that a stranger invents would become a new counter.
    """
    if path in ("/", "/metrics", "/openapi.json"):
        return path
    found = ROUTES.match(path)
    return found[0] if found else "other"
