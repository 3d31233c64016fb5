"""A member of a consumer group on librdkafka that commits only what it is told to."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import confluent_kafka as ck
from confluent_kafka import KafkaError, KafkaException

from streams.broker import Message, OnPartitions, Partition
from streams.confluent.connection import CONNECTION, CONSUMER, Connection, broker_error, message_of
from streams.health import Health
from streams.logs import kafka_log, logger

_LEAVE = 5.0
"""Seconds for leaving a group in order."""

_CLASSIC_ONLY = ("partition.assignment.strategy", "session.timeout.ms", "heartbeat.interval.ms")
"""Properties that librdkafka refuses with `group.protocol=consumer` (KIP-848), where the broker holds them."""


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
        self._connection = Connection(f"{group}.consumer", health)
        self._log = logger(group=group)
        config: dict[str, Any] = {
            "bootstrap.servers": servers,
            "group.id": group,
            "client.id": instance or group,
            **CONNECTION,
            **CONSUMER,
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
        self._not_committed: set[Partition] = set()

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
            return message_of(raw)
        if error.fatal() or error.code() == KafkaError.FENCED_INSTANCE_ID:
            raise broker_error(error)
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
                raise broker_error(error.args[0]) from error
            self._log.warning("commit not sent; it is sent again", error=str(error))
            self._not_committed.update(offsets)

    def _on_commit(self, error: KafkaError | None, partitions: list[ck.TopicPartition]) -> None:
        failed = partitions if error is not None else [partition for partition in partitions if partition.error is not None]
        if failed:
            reason = error or failed[0].error
            self._log.warning("commit failed; it is sent again", error=reason.str() if reason else "", partitions=len(failed))
            self._not_committed.update(_ours(failed))

    def not_committed(self) -> list[Partition]:
        found = sorted(self._not_committed & self._assigned)
        self._not_committed.clear()
        return found

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


def _ours(partitions: Sequence[ck.TopicPartition]) -> list[Partition]:
    return [Partition(partition.topic, partition.partition) for partition in partitions]


def _theirs(partitions: Any) -> list[ck.TopicPartition]:
    return [ck.TopicPartition(partition.topic, partition.number) for partition in partitions]
