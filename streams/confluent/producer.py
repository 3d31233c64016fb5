"""An idempotent producer on librdkafka that never gives a message up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import confluent_kafka as ck
from confluent_kafka import KafkaError, KafkaException

from streams.broker import OnDelivery, Output, QueueFull, TooLarge
from streams.confluent.connection import CONNECTION, Connection, broker_error
from streams.health import Health
from streams.logs import kafka_log
from streams.metrics import Metrics
from streams.topics import MAX_MESSAGE, MAX_QUARANTINED, MIB, QUARANTINE

FRAMING = 1024
"""Bytes of a record batch beside keys, values and headers, generously."""

_PRODUCER: dict[str, Any] = {
    "acks": "all",
    "enable.idempotence": True,  # a retry inside the client neither doubles nor reorders
    "message.timeout.ms": 0,  # never given up: the runner bounds what is in flight, and pauses
    "compression.type": "none",  # chunks are zstd inside already
    "message.max.bytes": MAX_QUARANTINED + FRAMING,
    "batch.size": MIB,
    "linger.ms": 5,
    "queue.buffering.max.kbytes": 128 * 1024,
    "delivery.report.only.error": False,
}


class ConfluentProducer:
    """An idempotent producer that never gives a message up. Thread-safe."""

    def __init__(
        self,
        servers: str,
        *,
        name: str = "producer",
        options: Mapping[str, str] | None = None,
        health: Health | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._connection = Connection(f"{name}.producer", health)
        self._metrics = metrics
        config = {"bootstrap.servers": servers, "client.id": name, **CONNECTION, **_PRODUCER, **(options or {})}
        self._producer = ck.Producer({**config, "error_cb": self._connection.on_error}, logger=kafka_log(name))

    def produce(self, output: Output, on_delivery: OnDelivery | None = None) -> None:
        size = output.size + len(output.key) + sum(len(name) + len(value) + 8 for name, value in output.headers)
        limit = MAX_QUARANTINED if output.topic == QUARANTINE.name else MAX_MESSAGE
        if size + FRAMING > limit:
            raise TooLarge(
                f"a message of {size} bytes (key {output.key[:64]!r}) is above the {limit} bytes that topic {output.topic} takes; "
                "cut its content smaller"
            )

        def delivered(error: KafkaError | None, message: ck.Message) -> None:
            if self._metrics is not None and error is None:
                self._metrics.produced.labels(output.topic).inc()
                self._metrics.produced_bytes.labels(output.topic).inc(size)
            if error is None:
                self._connection.back() if self._connection.away else None
            if on_delivery is not None:
                on_delivery(None if error is None else broker_error(error))

        try:
            self._producer.produce(output.topic, output.value or None, output.key, headers=list(output.headers), on_delivery=delivered)
        except BufferError as error:
            raise QueueFull(str(error)) from error
        except KafkaException as error:
            raise broker_error(error.args[0]) from error

    def poll(self, timeout: float = 0.0) -> None:
        self._producer.poll(timeout)
        self._connection.ask(self._producer)

    def flush(self, timeout: float) -> int:
        return self._producer.flush(timeout)
