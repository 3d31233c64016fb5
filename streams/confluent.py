"""Kafka itself, through confluent-kafka (librdkafka), behind the seam of `broker.py`; properties that matter are set and explained."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import confluent_kafka as ck
from confluent_kafka import KafkaError, KafkaException

from streams.broker import (
    BrokerAway,
    BrokerError,
    Fenced,
    Message,
    OnDelivery,
    OnPartitions,
    Output,
    Partition,
    QueueFull,
    TooLarge,
)
from streams.health import Health
from streams.logs import kafka_log, logger
from streams.metrics import Metrics
from streams.topics import MAX_MESSAGE, MAX_QUARANTINED, MIB, QUARANTINE

FRAMING = 1024
"""Bytes of a record batch beside keys, values and headers, generously."""
_ASK_AGAIN = 1.0
"""Seconds between questions whether a broker that was away is back."""
_LEAVE = 5.0
"""Seconds for leaving a group in order."""

_CONNECTION: dict[str, Any] = {
    "reconnect.backoff.ms": 200,  # the default lets a broker that is away be asked 10 times a second, and says so each time
    "reconnect.backoff.max.ms": 2_000,
    "socket.timeout.ms": 10_000,
    "socket.keepalive.enable": True,
    "topic.metadata.refresh.interval.ms": 30_000,
    "allow.auto.create.topics": False,  # a misspelt topic is an error; riverseq creates its own
}
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
_CONSUMER: dict[str, Any] = {
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
_CLASSIC_ONLY = ("partition.assignment.strategy", "session.timeout.ms", "heartbeat.interval.ms")
"""Properties that librdkafka refuses with `group.protocol=consumer` (KIP-848), where the broker holds them."""

_FENCED = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError.STALE_MEMBER_EPOCH,
    KafkaError.FENCED_MEMBER_EPOCH,
    KafkaError._ASSIGNMENT_LOST,
}


def _broker_error(error: KafkaError) -> BrokerError:
    """Our error for one of librdkafka's."""
    code, text = error.code(), f"{error.str()} ({error.name()})"
    if code == KafkaError.MSG_SIZE_TOO_LARGE:
        return TooLarge(text)
    if code == KafkaError._QUEUE_FULL:
        return QueueFull(text)
    if code in _FENCED:
        return Fenced(text)
    return BrokerError(f"Kafka: {text}") if error.fatal() else BrokerAway(f"Kafka: {text}")


class _Connection:
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
        self._connection = _Connection(f"{name}.producer", health)
        self._metrics = metrics
        config = {"bootstrap.servers": servers, "client.id": name, **_CONNECTION, **_PRODUCER, **(options or {})}
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
                on_delivery(None if error is None else _broker_error(error))

        try:
            self._producer.produce(output.topic, output.value or None, output.key, headers=list(output.headers), on_delivery=delivered)
        except BufferError as error:
            raise QueueFull(str(error)) from error
        except KafkaException as error:
            raise _broker_error(error.args[0]) from error

    def poll(self, timeout: float = 0.0) -> None:
        self._producer.poll(timeout)
        self._connection.ask(self._producer)

    def flush(self, timeout: float) -> int:
        return self._producer.flush(timeout)


class ConfluentConsumer:
    """A group member that commits only what it is told to. `instance` makes it a static member: when the process is killed and started
    again under the same name it gets its partitions back at once, instead of after the session timeout. One name, one process.
    """

    def __init__(
        self,
        servers: str,
        group: str,
        *,
        instance: str = "",
        options: Mapping[str, str] | None = None,
        health: Health | None = None,
    ) -> None:
        self._connection = _Connection(f"{group}.consumer", health)
        self._log = logger(group=group)
        config: dict[str, Any] = {
            "bootstrap.servers": servers,
            "group.id": group,
            "client.id": instance or group,
            **_CONNECTION,
            **_CONSUMER,
            **(options or {}),
        }
        if instance:
            config["group.instance.id"] = instance
        if config.get("group.protocol") == "consumer":
            for name in _CLASSIC_ONLY:
                config.pop(name, None)
        callbacks = {"error_cb": self._connection.on_error, "on_commit": self._on_commit}
        self._consumer = ck.Consumer({**config, **callbacks}, logger=kafka_log(group))
        self._assigned: set[Partition] = set()

    def subscribe(self, topics: Sequence[str], on_assign: OnPartitions, on_revoke: OnPartitions, on_lost: OnPartitions) -> None:
        def assigned(consumer: ck.Consumer, partitions: list[ck.TopicPartition]) -> None:
            self._assigned.update(_ours(partitions))
            on_assign(_ours(partitions))

        def revoked(consumer: ck.Consumer, partitions: list[ck.TopicPartition]) -> None:
            on_revoke(_ours(partitions))
            self._assigned.difference_update(_ours(partitions))

        def lost(consumer: ck.Consumer, partitions: list[ck.TopicPartition]) -> None:
            on_lost(_ours(partitions))
            self._assigned.difference_update(_ours(partitions))

        self._consumer.subscribe(list(topics), on_assign=assigned, on_revoke=revoked, on_lost=lost)

    def consume(self, count: int, timeout: float) -> list[Message]:
        # `consume` alone would wait for `count` messages until the timeout; the first one is enough
        first = self._consumer.poll(timeout)
        self._connection.ask(self._consumer)
        if first is None:
            return []
        rest = self._consumer.consume(count - 1, 0.0) if count > 1 else []
        found = [message for raw in (first, *rest) if (message := self._read(raw)) is not None]
        if found and self._connection.away:
            self._connection.back()
        return found

    def _read(self, raw: ck.Message) -> Message | None:
        error = raw.error()
        if error is None:
            return _message(raw)
        if error.fatal() or error.code() == KafkaError.FENCED_INSTANCE_ID:
            raise _broker_error(error)
        self._log.warning("kafka consumer", error=error.str())
        return None

    def pause(self, partitions: Sequence[Partition]) -> None:
        self._consumer.pause(_theirs(p for p in partitions if p in self._assigned))

    def resume(self, partitions: Sequence[Partition]) -> None:
        self._consumer.resume(_theirs(p for p in partitions if p in self._assigned))

    def commit(self, offsets: Mapping[Partition, int], *, wait: bool) -> None:
        wanted = [ck.TopicPartition(partition.topic, partition.number, offset) for partition, offset in offsets.items()]
        try:
            if not wait:
                self._consumer.commit(offsets=wanted, asynchronous=True)
                return
            for stored in self._consumer.commit(offsets=wanted, asynchronous=False):
                if stored.error is not None:
                    raise KafkaException(stored.error)
        except KafkaException as error:
            if wait:
                raise _broker_error(error.args[0]) from error
            self._log.warning("commit not sent; the next one carries it", error=str(error))

    def _on_commit(self, error: KafkaError | None, partitions: list[ck.TopicPartition]) -> None:
        if error is not None:
            self._log.warning("commit failed; the next one carries it", error=error.str(), partitions=len(partitions))

    def lag(self) -> dict[Partition, int]:
        found = {}
        for position in self._consumer.position(_theirs(self._assigned)) if self._assigned else []:
            _, high = self._consumer.get_watermark_offsets(position, cached=True)
            if position.offset >= 0 and high >= 0:
                found[Partition(position.topic, position.partition)] = max(0, high - position.offset)
        return found

    def close(self) -> None:
        # `close` alone keeps a static member's partitions from others until its session expires
        self._consumer.unsubscribe()
        deadline = time.monotonic() + _LEAVE
        while self._assigned and time.monotonic() < deadline:
            self._consumer.poll(0.05)
        self._consumer.close()


class ConfluentReader:
    """Reads partitions from chosen offsets; leaves no trace on the broker."""

    def __init__(self, servers: str, *, name: str = "reader", options: Mapping[str, str] | None = None, timeout: float = 10.0) -> None:
        """`timeout` seconds for every question to the broker."""
        self._timeout = timeout
        config = {
            "bootstrap.servers": servers,
            "client.id": name,
            "group.id": f"riverseq.{name}",  # librdkafka wants one; nothing is ever committed to it
            **_CONNECTION,
            **_CONSUMER,
            "enable.partition.eof": True,  # so that a position moves past offsets that compaction has removed
            **(options or {}),
        }
        self._connection = _Connection(name, None)
        self._consumer = ck.Consumer({**config, "error_cb": self._connection.on_error}, logger=kafka_log(name))
        self._positions: dict[Partition, int] = {}

    def partitions(self, topic: str) -> list[Partition]:
        metadata = self._ask(lambda: self._consumer.list_topics(topic, timeout=self._timeout)).topics[topic]
        if metadata.error is not None:
            raise BrokerError(f"topic {topic}: {metadata.error.str()}; it is made by `riverseq up`")
        return sorted(Partition(topic, number) for number in metadata.partitions)

    def bounds(self, partition: Partition) -> tuple[int, int]:
        answer: tuple[int, int] = self._ask(
            lambda: self._consumer.get_watermark_offsets(ck.TopicPartition(*partition), timeout=self._timeout)
        )
        return answer

    def at_time(self, partition: Partition, time: int) -> int:
        question = [ck.TopicPartition(partition.topic, partition.number, time)]
        offset: int = self._ask(lambda: self._consumer.offsets_for_times(question, timeout=self._timeout))[0].offset
        return offset if offset >= 0 else self.bounds(partition)[1]

    def _ask(self, question: Any) -> Any:
        try:
            return question()
        except KafkaException as error:
            raise _broker_error(error.args[0]) from error

    def assign(self, offsets: Mapping[Partition, int]) -> None:
        self._positions = dict(offsets)
        self._consumer.assign([ck.TopicPartition(p.topic, p.number, offset) for p, offset in offsets.items()])

    def consume(self, count: int, timeout: float) -> list[Message]:
        first = self._consumer.poll(timeout)
        found = []
        for raw in () if first is None else (first, *(self._consumer.consume(count - 1, 0.0) if count > 1 else ())):
            error = raw.error()
            if error is None:
                message = _message(raw)
                self._positions[message.partition] = message.offset + 1
                found.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                place = Partition(str(raw.topic()), int(raw.partition() or 0))
                self._positions[place] = max(self._positions[place], int(raw.offset() or 0))
            elif error.fatal() or not error.retriable():
                raise _broker_error(error)
        return found

    def position(self, partition: Partition) -> int:
        return self._positions[partition]

    def close(self) -> None:
        self._consumer.close()


def _message(raw: ck.Message) -> Message:
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


def _ours(partitions: Sequence[ck.TopicPartition]) -> list[Partition]:
    return [Partition(partition.topic, partition.partition) for partition in partitions]


def _theirs(partitions: Any) -> list[ck.TopicPartition]:
    return [ck.TopicPartition(partition.topic, partition.number) for partition in partitions]
