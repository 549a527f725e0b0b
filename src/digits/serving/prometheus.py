"""What Prometheus may ask of the server; with several workers, the figures of all together."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client import disable_created_metrics as without_dates
from prometheus_client.multiprocess import MultiProcessCollector

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.06, 0.1, 0.25, 0.5, 1, 2.5, 10)  # bounds of the histogram


class Metrics:
    """Counters of one process; `several` says that others count beside it, in $PROMETHEUS_MULTIPROC_DIR."""

    def __init__(self, *, several: bool = False) -> None:
        without_dates()  # type: ignore[no-untyped-call]
        self.several = several
        self.registry = mine = CollectorRegistry()
        self.requests = Counter(
            "digits_requests", "Requests answered", ["route", "method", "status"], registry=mine
        )
        self.seconds = Histogram(
            "digits_request_seconds", "Time to the answer", ["route"], registry=mine, buckets=SECONDS
        )
        self.marks = Counter("digits_marks", "Marks read", ["network", "digit", "accepted"], registry=mine)
        self.corrected = Counter("digits_corrections", "Corrections kept", ["digit"], registry=mine)
        self.waiting = Gauge(
            "digits_waiting", "Jobs not answered yet", registry=mine, multiprocess_mode="livesum"
        )
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        if not several:
            ProcessCollector(registry=mine)

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """One more answer."""
        if (
            key := (route, method, status)
        ) not in self._known:  # finding a counter by its labels takes longer
            self._known[key] = (
                self.requests.labels(route, method, str(status)),
                self.seconds.labels(route),
            )
        number, times = self._known[key]
        number.inc()
        times.observe(seconds)

    def page(self) -> bytes:
        """In Prometheus' text format."""
        registry = self.registry
        if self.several:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
