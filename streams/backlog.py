"""How much lies unread before the workers: asked before a job is sent again, so that waiting is never mistaken for loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from confluent_kafka import Consumer, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

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
    """Backlog of the ingest and chain groups, by committed offsets.

    Asked through a consumer that joins nothing: the admin client's `list_consumer_group_offsets` (librdkafka 2.16) kills the process where
    the group's coordinator is still being made.
    """

    def __init__(self, servers: str, options: Mapping[str, str] | None = None, groups: Mapping[str, str] = READERS) -> None:
        """`groups`: base topic → consumer group that reads it."""
        self._groups = groups
        self._config = _config(servers, options)

    def unread(self, lane: Lane) -> int:
        return sum(self._unread(lane_topic(base, lane), group) for base, group in self._groups.items())

    def _unread(self, topic: str, group: str) -> int:
        consumer = Consumer({**self._config, "group.id": group, "enable.auto.commit": False}, logger=kafka_log("backlog"))
        try:
            metadata = consumer.list_topics(topic, timeout=TIMEOUT).topics[topic]
            if metadata.error is not None:
                raise KafkaException(metadata.error)
            left = 0
            for part in consumer.committed([TopicPartition(topic, number) for number in metadata.partitions], timeout=TIMEOUT):
                low, high = consumer.get_watermark_offsets(part, timeout=TIMEOUT)
                left += max(0, high - max(part.offset, low))
            return left
        except KafkaException as error:
            raise BrokerAway(f"backlog of {topic}: {error.args[0].str()}") from error
        finally:
            consumer.close()


def origin_of(servers: str, options: Mapping[str, str] | None = None) -> str:
    """Name of this Kafka's `run.events`: offsets mean the same only within one cluster and one life of the topic. Raises BrokerError."""
    admin = AdminClient(_config(servers, options), logger=kafka_log("admin"))
    try:
        cluster: Any = admin.describe_cluster(request_timeout=TIMEOUT).result(TIMEOUT)
        topics: Any = admin.describe_topics(TopicCollection([RUN_EVENTS.name]), request_timeout=TIMEOUT)
        topic = topics[RUN_EVENTS.name].result(TIMEOUT)
    except (KafkaException, TimeoutError) as error:
        raise BrokerAway(f"{RUN_EVENTS.name} cannot be described ({error}); is Kafka up, and are its topics made?") from error
    return f"{cluster.cluster_id}/{topic.topic_id}"


def _config(servers: str, options: Mapping[str, str] | None) -> dict[str, Any]:
    return {"bootstrap.servers": servers, "reconnect.backoff.ms": 200, **(options or {})}
