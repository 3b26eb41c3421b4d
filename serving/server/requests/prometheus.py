"""Prometheus metrics under the names that TensorFlow Serving gives them, with more labels."""

import time
from collections import Counter as Counts
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import UntypedMetricFamily
from prometheus_client.registry import Collector

from serving.server.requests.calls import Call

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX = ":tensorflow:serving:"
# Microseconds, as in TensorFlow Serving; from a session call at batch 1 to a request of seconds.
_DECADES, _STEPS = (100, 1_000, 10_000, 100_000, 1_000_000), (1, 2, 3, 5, 7)
_MICROSECONDS = tuple(step * decade for decade in _DECADES for step in _STEPS)
_REQUEST = ("model_name", "version", "signature", "API", "entrypoint", "status")
_MODEL = ("model_name", "version", "signature")


class Metrics:
    """What is counted and timed. Safe to use from several threads.

    | metric | what |
    |---|---|
    | `:tensorflow:serving:request_latency` | histogram: microseconds from the request's arrival in
      a thread of the server to its answer |
    | `:tensorflow:serving:request_count` | requests, by model and status |
    | `:tensorflow:serving:runtime_latency` | histogram: microseconds in the model, waiting for a
      batch included |
    | `:tensorflow:serving:request_example_count_total` | rows that were scored |
    | `:tensorflow:serving:requests_in_flight` | requests being answered |

    Labels are `model_name`, `version`, `signature`, and for requests `API`, `entrypoint` (GRPC or
    REST) and `status`. A request for something unknown has empty labels: clients must not be able
    to fill the memory with names of their own.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            f"{_PREFIX}request_latency",
            "Microseconds a request took.",
            _REQUEST,
            buckets=_MICROSECONDS,
            registry=self._registry,
        )
        self._runs = Histogram(
            f"{_PREFIX}runtime_latency",
            "Microseconds the model took.",
            _MODEL,
            buckets=_MICROSECONDS,
            registry=self._registry,
        )
        self._rows = Counter(
            f"{_PREFIX}request_example_count", "Rows scored.", _MODEL, registry=self._registry
        )
        self._in_flight = Gauge(
            f"{_PREFIX}requests_in_flight",
            "Requests being answered.",
            ("entrypoint",),
            registry=self._registry,
        )
        self._registry.register(_RequestCount(self._requests))

    def began(self, call: Call) -> None:
        """Notes that a request is being answered; `ended` must follow."""
        self._in_flight.labels(call.entrypoint).inc()

    def ended(self, call: Call, status: str) -> None:
        """Notes a request that was answered, with `OK` or the name of its error."""
        self._in_flight.labels(call.entrypoint).dec()
        microseconds = (time.perf_counter() - call.started) * 1e6
        labels = (call.model, call.version, call.signature, call.api, call.entrypoint, status)
        self._requests.labels(*labels).observe(microseconds)
        if call.rows:
            self._rows.labels(call.model, call.version, call.signature).inc(call.rows)

    def ran(self, call: Call, seconds: float) -> None:
        """Notes that a model answered."""
        self._runs.labels(call.model, call.version, call.signature).observe(seconds * 1e6)

    def add_collector(self, collector: Collector) -> None:
        """Shows what a collector gathers, too."""
        self._registry.register(collector)

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self._registry)


class _RequestCount(Collector):
    """`request_count{model_name, status}` as TensorFlow Serving has it, from the histogram.

    prometheus_client would append `_total` to the name of a counter, so it has no type here.
    """

    def __init__(self, requests: Histogram) -> None:
        self._requests = requests

    def collect(self) -> Iterator[UntypedMetricFamily]:
        """The sums over everything but model and status."""
        counts: Counts[tuple[str, str]] = Counts()
        for metric in self._requests.collect():
            for sample in metric.samples:
                if sample.name.endswith("_count"):
                    key = (sample.labels["model_name"], sample.labels["status"])
                    counts[key] += int(sample.value)
        family = UntypedMetricFamily(
            f"{_PREFIX}request_count", "Requests.", labels=("model_name", "status")
        )
        for labels, count in sorted(counts.items()):
            family.add_metric(labels, count)
        yield family
