"""How much lies unread before the workers: asked before a job is sent again, so that waiting is never mistaken for loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from schemas.events import Lane
from streams.broker import BrokerAway
from streams.groups import READERS
from streams.logs import kafka_log
from streams.topics import RUN_EVENTS, lane_topic

TIMEOUT = 10.0  # seconds


class Backlog(Protocol):
    """What worker groups have not finished."""

    def unread(self, lane: Lane) -> int:
        """Jobs and chunks of a lane that are not committed yet. Raises BrokerError: then nothing may be concluded."""
        ...


class KafkaBacklog:
    """Backlog of the ingest and chain groups, by committed offsets."""

    def __init__(self, servers: str, options: Mapping[str, str] | None = None, groups: Mapping[str, str] = READERS) -> None:
        """`groups`: base topic → consumer group that reads it."""
        self._groups = groups
        self._admin = _admin(servers, options)

    def unread(self, lane: Lane) -> int:
        try:
            return sum(self._unread(lane_topic(base, lane), group) for base, group in self._groups.items())
        except KafkaException as error:
            raise BrokerAway(f"backlog: {error.args[0].str()}") from error

    def _unread(self, topic: str, group: str) -> int:
        metadata = self._admin.list_topics(topic, timeout=TIMEOUT).topics[topic]
        if metadata.error is not None:
            raise KafkaException(metadata.error)
        numbers = list(metadata.partitions)
        latest: Any = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        earliest: Any = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
        ends, starts = self._offsets(topic, numbers, latest), self._offsets(topic, numbers, earliest)
        asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, number) for number in numbers])
        answer: Any = self._admin.list_consumer_group_offsets([asked], request_timeout=TIMEOUT)
        committed = {part.partition: part.offset for part in answer[group].result(TIMEOUT).topic_partitions}
        return sum(max(0, ends[number] - max(committed.get(number, -1), starts[number])) for number in numbers)

    def _offsets(self, topic: str, numbers: list[int], spec: Any) -> dict[int, int]:
        futures: Any = self._admin.list_offsets({TopicPartition(topic, number): spec for number in numbers}, request_timeout=TIMEOUT)
        return {part.partition: future.result(TIMEOUT).offset for part, future in futures.items()}


def origin_of(servers: str, options: Mapping[str, str] | None = None) -> str:
    """Name of this Kafka's `run.events`: offsets mean the same only within one cluster and one life of the topic. Raises BrokerError."""
    admin = _admin(servers, options)
    try:
        cluster: Any = admin.describe_cluster(request_timeout=TIMEOUT).result(TIMEOUT)
        topics: Any = admin.describe_topics(TopicCollection([RUN_EVENTS.name]), request_timeout=TIMEOUT)
        topic = topics[RUN_EVENTS.name].result(TIMEOUT)
    except (KafkaException, TimeoutError) as error:
        raise BrokerAway(f"{RUN_EVENTS.name} cannot be described ({error}); is Kafka up, and are its topics made?") from error
    return f"{cluster.cluster_id}/{topic.topic_id}"


def _admin(servers: str, options: Mapping[str, str] | None) -> AdminClient:
    return AdminClient({"bootstrap.servers": servers, "reconnect.backoff.ms": 200, **(options or {})}, logger=kafka_log("admin"))
