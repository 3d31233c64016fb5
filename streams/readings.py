"""What a runner shows of itself: counts of finished messages, and gauges once a second."""

from __future__ import annotations

import time
from collections.abc import Callable

from schemas.events import Lane
from streams.broker import Consumer
from streams.health import Health
from streams.hold import Hold
from streams.inflight import Entry, Inside, Queues
from streams.metrics import Metrics

EVERY = 1.0
"""Seconds between two readings of the gauges; asking for lag costs the client a little."""


class Readings:
    """Metrics and health of one runner, under its stage's name."""

    def __init__(self, name: str, metrics: Metrics, health: Health, clock: Callable[[], float]) -> None:
        self._name = name
        self._metrics = metrics
        self._health = health
        self._clock = clock
        self._last = 0.0

    def finished(self, entry: Entry) -> None:
        """A message has had its whole effect."""
        metrics, message, labels = self._metrics, entry.message, (self._name, entry.lane.value)
        metrics.messages.labels(*labels, entry.ending).inc()
        metrics.rows.labels(*labels).inc(entry.rows_done)
        metrics.bytes.labels(*labels).inc(message.size)
        metrics.message_seconds.labels(*labels).observe(self._clock() - entry.taken)
        origin = message.header("origin")
        if origin.isdigit():
            metrics.age_seconds.labels(*labels).observe(max(0.0, time.time() - int(origin) / 1000))

    def show(self, consumer: Consumer, queues: Queues, inside: Inside, hold: Hold, paused: int) -> None:
        """The runner went round once."""
        self._health.beat()
        if not hold.waiting:
            self._health.ready(f"{self._name}.wait")
        now = self._clock()
        if now - self._last < EVERY:
            return
        self._last = now
        metrics, name = self._metrics, self._name
        metrics.rows_in_flight.labels(name).set(inside.rows)
        metrics.bytes_in_flight.labels(name).set(inside.size)
        metrics.paused.labels(name).set(paused)
        metrics.waiting.labels(name).set(hold.waiting)
        metrics.away.labels(name).set(hold.away is not None)
        for lane in Lane:
            metrics.queued.labels(name, lane.value).set(queues.count(lane))
        for partition, lag in consumer.lag().items():
            metrics.lag.labels(name, partition.topic, str(partition.number)).set(lag)
