"""What clients of librdkafka share: properties, each with its reason; whether brokers answer; its errors and messages as ours."""

from __future__ import annotations

import time
from typing import Any

import confluent_kafka as ck
from confluent_kafka import KafkaError, KafkaException

from streams.broker import BrokerAway, BrokerError, Fenced, Message, QueueFull, TooLarge
from streams.health import Health
from streams.logs import logger
from streams.topics import MAX_MESSAGE, MIB

_ASK_AGAIN = 1.0
"""Seconds between questions whether a broker that was away is back."""

CONNECTION: dict[str, Any] = {
    "reconnect.backoff.ms": 200,  # the default lets a broker that is away be asked 10 times a second, and says so each time
    "reconnect.backoff.max.ms": 2_000,
    "socket.timeout.ms": 10_000,
    "socket.keepalive.enable": True,
    "topic.metadata.refresh.interval.ms": 30_000,
    "allow.auto.create.topics": False,  # a misspelt topic is an error; riverseq creates its own
}
CONSUMER: dict[str, Any] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",
    "partition.assignment.strategy": "cooperative-sticky",  # a rebalance stops only the partitions that move
    "session.timeout.ms": 10_000,
    "heartbeat.interval.ms": 2_000,
    "max.poll.interval.ms": 300_000,
    "fetch.message.max.bytes": MAX_MESSAGE,  # a partition and request; with the next two they bound the client's memory
    "fetch.max.bytes": 16 * MIB,
    "queued.max.messages.kbytes": 8 * 1024,  # prefetched, a partition
    "queued.min.messages": 32,
    "fetch.queue.backoff.ms": 5,  # a full prefetch queue is looked at again after this; the default, 1 s, reads at 14 MB/s
    "fetch.wait.max.ms": 50,
    "fetch.error.backoff.ms": 200,
}

_FENCED = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError.STALE_MEMBER_EPOCH,
    KafkaError.FENCED_MEMBER_EPOCH,
    KafkaError._ASSIGNMENT_LOST,
}


def broker_error(error: KafkaError) -> BrokerError:
    """Our error for one of librdkafka's."""
    code, text = error.code(), f"{error.str()} ({error.name()})"
    if code == KafkaError.MSG_SIZE_TOO_LARGE:
        return TooLarge(text)
    if code == KafkaError._QUEUE_FULL:
        return QueueFull(text)
    if code in _FENCED:
        return Fenced(text)
    return BrokerError(f"Kafka: {text}") if error.fatal() else BrokerAway(f"Kafka: {text}")


class Connection:
    """Whether brokers answer, told to the process's health."""

    def __init__(self, name: str, health: Health | None) -> None:
        self._part = f"kafka.{name}"
        self._health = health
        self._log = logger(client=name)
        self.away = False
        self.asked = 0.0

    def on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            if not self.away:
                self._log.warning("no broker answers", error=error.str())
            self.away = True
            if self._health is not None:
                self._health.hindered(self._part, f"no broker answers: {error.str()}")
        elif error.fatal():
            self._log.error("kafka client cannot go on", error=error.str())

    def back(self) -> None:
        if self.away:
            self._log.info("broker is back")
        self.away = False
        if self._health is not None:
            self._health.ready(self._part)

    def ask(self, client: Any) -> None:
        """While away, ask now and then; a client without traffic learns of a broker's return no other way."""
        now = time.monotonic()
        if self.away and now - self.asked > _ASK_AGAIN:
            self.asked = now
            try:
                client.list_topics(timeout=0.2)
            except KafkaException:
                return
            self.back()


def message_of(raw: ck.Message) -> Message:
    headers: Any = raw.headers() or []
    key: Any = raw.key()
    value: Any = raw.value()
    return Message(
        topic=str(raw.topic()),
        number=int(raw.partition() or 0),
        offset=int(raw.offset() or 0),
        key=key,
        value=value or b"",
        headers=[(name, text or b"") for name, text in headers],
        timestamp=raw.timestamp()[1],
    )
