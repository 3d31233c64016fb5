"""The topic catalogue: made once, the same the second time, refused where a topic that exists would break a promise."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest
from confluent_kafka.admin import AdminClient

from schemas.events import Lane
from streams import topics
from streams.topics import Topic, TopicError

OURS = topics.catalogue(partitions=2)


def _settings(topic: Topic) -> dict[str, str]:
    return {**topic.settings(), "unclean.leader.election.enable": "false"}


def test_a_topic_with_the_catalogues_settings_contradicts_nothing() -> None:
    for topic in OURS:
        assert topics.contradictions(topic, topic.partitions, _settings(topic)) == []


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("cleanup.policy", "compact", "cleanup.policy is compact, must be delete"),
        ("message.timestamp.type", "CreateTime", "message.timestamp.type is CreateTime, must be LogAppendTime"),
        ("retention.ms", "3600000", "retention.ms is 3600000, must be at least 604800000"),
        ("retention.bytes", "1000", "retention.bytes is 1000, must be at least 4294967296"),
        ("max.message.bytes", "1048588", "max.message.bytes is 1048588, must be at least 4194304"),
    ],
)
def test_a_setting_that_breaks_a_promise_is_named(name: str, value: str, says: str) -> None:
    topic = topics.CHUNKS_RAW
    assert topics.contradictions(topic, 4, {**_settings(topic), name: value}) == [says]


def test_more_of_everything_breaks_no_promise() -> None:
    topic = topics.CHUNKS_RAW
    more = {"retention.ms": "-1", "retention.bytes": "-1", "max.message.bytes": "99999999"}
    assert topics.contradictions(topic, 48, {**_settings(topic), **more}) == []


def test_a_topic_read_in_order_has_one_partition() -> None:
    assert topics.contradictions(topics.RUN_EVENTS, 2, _settings(topics.RUN_EVENTS)) == ["partitions is 2, must be 1"]


def test_lanes_are_topics_of_their_own() -> None:
    assert topics.lane_topics("work") == {"work.urgent": Lane.URGENT, "work": Lane.ROUTINE, "work.background": Lane.BACKGROUND}
    names = {topic.name for topic in OURS}
    assert names >= {"chunks.raw", "chunks.raw.urgent", "chunks.raw.background", "work.urgent", "work.background"}
    assert "chunks.scored" not in names
    assert "chunks.scored" in {topic.name for topic in topics.catalogue(scored=True)}


def test_the_catalogue_renders_every_topic() -> None:
    table = topics.render_markdown()
    for topic in topics.catalogue():
        assert f"| {topic.name} | {topic.key} |" in table
    assert "| quarantine | chunk_id | 1 | 30 d | 8 MiB |" in table
    assert "| plans | plan_id | 1 | compacted |" in table


def test_no_broker_is_one_clear_line() -> None:
    with pytest.raises(TopicError, match=r"Kafka at 127\.0\.0\.1:9: .* is it up\?"):
        topics.create_topics("127.0.0.1:9", timeout=1.0)


# --- on the real broker ----------------------------------------------------------------------------------------------


@pytest.fixture
def own() -> Callable[[Topic], Topic]:
    """A topic under a name of this test's own."""
    suffix = uuid.uuid4().hex[:8]
    return lambda topic: replace(topic, name=f"{topic.name}.{suffix}", partitions=max(topic.partitions, 1))


@pytest.mark.broker
def test_topics_are_made_once_and_found_the_second_time(kafka: str, own: Callable[[Topic], Topic]) -> None:
    wanted = [own(topic) for topic in (topics.RUN_EVENTS, topics.PLANS, topics.CHUNKS_RAW, topics.QUARANTINE)]
    assert set(topics.create_topics(kafka, wanted)) == {topic.name for topic in wanted}
    assert topics.create_topics(kafka, wanted) == ()


@pytest.mark.broker
def test_a_topic_that_exists_with_other_settings_is_refused_with_the_difference(kafka: str, own: Callable[[Topic], Topic]) -> None:
    events, plans = own(topics.RUN_EVENTS), own(topics.PLANS)
    topics.create_topics(kafka, [replace(events, partitions=3), replace(plans, compact=False)])
    with pytest.raises(TopicError) as refused:
        topics.create_topics(kafka, [events, plans])
    assert f"{events.name}: partitions is 3, must be 1" in str(refused.value)
    assert f"{plans.name}: cleanup.policy is delete, must be compact" in str(refused.value)
    assert set(AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=60).topics) >= {events.name, plans.name}
