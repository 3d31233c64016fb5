"""Metrics of the ClickHouse process, declared once."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """One registry of this process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "riverseq_clickhouse_requests_total",
            "Requests by role, kind of statement and HTTP status",
            ["role", "kind", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "riverseq_clickhouse_request_seconds",
            "From the last byte in to the last byte out",
            ["kind"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.errors = Counter("riverseq_clickhouse_errors_total", "Exceptions by ClickHouse's code", ["code"], registry=self.registry)
        self.rows = Counter(
            "riverseq_clickhouse_rows_total",
            "Rows by direction: read from tables, returned, written",
            ["direction"],
            registry=self.registry,
        )
        self.body_bytes = Counter(
            "riverseq_clickhouse_body_bytes_total", "Bytes by direction, as on the wire", ["direction"], registry=self.registry
        )
        self.running = Gauge("riverseq_clickhouse_running_requests", "Requests inside the engine", registry=self.registry)
        self.waiting = Gauge("riverseq_clickhouse_waiting_requests", "Requests waiting for a slot", registry=self.registry)

    def render(self) -> bytes:
        """Text of /metrics."""
        return generate_latest(self.registry)
