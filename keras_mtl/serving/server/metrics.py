"""What the server counts, for Prometheus."""

from __future__ import annotations

import prometheus_client

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_IMAGES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The counters of one server; two servers in one process have their own."""

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        prometheus_client.ProcessCollector(registry=self.registry)

        def make(kind, name, text, labels=(), **more):
            return kind(f"keras_mtl_{name}", text, labels, registry=self.registry, **more)

        counter, gauge, histogram = (
            prometheus_client.Counter,
            prometheus_client.Gauge,
            prometheus_client.Histogram,
        )
        self.requests = make(counter, "requests", "Requests answered.", ("method", "route", "status"))
        self.seconds = make(histogram, "request_seconds", "Time to answer.", ("route",), buckets=_SECONDS)
        self.running = make(gauge, "requests_running", "Requests that predict now.")
        self.images = make(counter, "images", "Images predicted.", ("model",))
        self.batch = make(histogram, "batch_images", "Images in a batch.", ("model",), buckets=_IMAGES)
        self.version = make(gauge, "model_version", "The newest version served.", ("model",))
        self.loads = make(counter, "model_loads", "Versions loaded, or not.", ("model", "result"))

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return prometheus_client.generate_latest(self.registry)
