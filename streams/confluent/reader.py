"""A reader of chosen offsets on librdkafka; it leaves no trace on the broker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import confluent_kafka as ck
from confluent_kafka import KafkaError, KafkaException

from streams.broker import BrokerError, Message, Partition
from streams.confluent.connection import CONNECTION, CONSUMER, Connection, broker_error, message_of
from streams.logs import kafka_log


class ConfluentReader:
    """Reads partitions from chosen offsets; leaves no trace on the broker."""

    def __init__(self, servers: str, *, name: str = "reader", options: Mapping[str, str] | None = None, timeout: float = 10.0) -> None:
        """`timeout` seconds for every question to the broker."""
        self._timeout = timeout
        config = {
            "bootstrap.servers": servers,
            "client.id": name,
            "group.id": f"riverseq.{name}",  # librdkafka wants one; nothing is ever committed to it
            **CONNECTION,
            **CONSUMER,
            "enable.partition.eof": True,  # so that a position moves past offsets that compaction has removed
            **(options or {}),
        }
        self._connection = Connection(name, None)
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
            raise broker_error(error.args[0]) from error

    def assign(self, offsets: Mapping[Partition, int]) -> None:
        self._positions = dict(offsets)
        self._consumer.assign([ck.TopicPartition(p.topic, p.number, offset) for p, offset in offsets.items()])

    def consume(self, count: int, timeout: float) -> list[Message]:
        first = self._consumer.poll(timeout)
        found = []
        for raw in () if first is None else (first, *(self._consumer.consume(count - 1, 0.0) if count > 1 else ())):
            error = raw.error()
            if error is None:
                message = message_of(raw)
                self._positions[message.partition] = message.offset + 1
                found.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                place = Partition(str(raw.topic()), int(raw.partition() or 0))
                self._positions[place] = max(self._positions[place], int(raw.offset() or 0))
            elif error.fatal() or not error.retriable():
                raise broker_error(error)
        return found

    def position(self, partition: Partition) -> int:
        return self._positions[partition]

    def close(self) -> None:
        self._consumer.close()
