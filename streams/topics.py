"""The topic catalogue: every topic riverseq reads or writes, in one table; creates them and renders the table for the documentation.

Timestamps are LogAppendTime, so that a re-emitted message does not expire at once. A topic that exists with settings that would break a
guarantee is refused, never altered.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType  # type: ignore[attr-defined]

from schemas.events import Lane
from streams.logs import kafka_log

DAY = 24 * 60 * 60 * 1000
MIB = 1024 * 1024
MAX_MESSAGE = 4 * MIB
"""Bytes of the largest message of any topic but `quarantine`."""
MAX_QUARANTINED = 8 * MIB
"""A quarantined message is the original and its headers, so it needs room above MAX_MESSAGE."""
SCALES = 0
"""Partition count of a topic that takes the installation's setting."""


class TopicError(Exception):
    """Topics could not be made, or one that exists contradicts the catalogue; the message says what differs."""


@dataclass(frozen=True)
class Topic:
    """One topic. `retention` in milliseconds (-1: for ever), `retention_size` in bytes a partition (-1: unbounded)."""

    name: str
    key: str
    partitions: int
    retention: int
    value: str
    description: str
    compact: bool = False
    retention_size: int = -1
    max_message: int = MAX_MESSAGE

    def settings(self) -> dict[str, str]:
        """The broker's topic settings."""
        return {
            "cleanup.policy": "compact" if self.compact else "delete",
            "retention.ms": str(self.retention),
            "retention.bytes": str(self.retention_size),
            "max.message.bytes": str(self.max_message),
            "message.timestamp.type": "LogAppendTime",
            "segment.bytes": str(128 * MIB),
        }


RUN_EVENTS = Topic(
    "run.events",
    "run_id",
    1,
    30 * DAY,
    "Avro CompletionEvent, Command, SampleManifest",
    "What happened; read in order by the control plane",
)
WORK = Topic("work", "submission_id", SCALES, 30 * DAY, "Avro Job", "Files to read under a plan")
PLANS = Topic("plans", "plan_id", 1, -1, "Avro AnnotationPlan", "Pinned plans", compact=True)
CHUNKS_RAW = Topic(
    "chunks.raw", "chunk_id", SCALES, 7 * DAY, "Arrow IPC (zstd), one chunk", "Normalised alleles, cut once", retention_size=4096 * MIB
)
CHUNKS_SCORED = Topic(
    "chunks.scored",
    "chunk_id",
    SCALES,
    7 * DAY,
    "Arrow IPC (zstd), one chunk",
    "Annotated and scored chunks; exists only where scoring or landing stands apart",
    retention_size=4096 * MIB,
)
CANDIDATES = Topic("candidates", "family_id", SCALES, 14 * DAY, "Avro Candidate", "Rare and relevant alleles on their way to a case")
RESULTS = Topic("results", "sample_id", SCALES, 365 * DAY, "Avro Finding, Reclassified, SampleInterpreted", "The public contract")
RECEIPTS = Topic("receipts", "submission_id", 1, 14 * DAY, "Avro Receipt", "What a stage did with a chunk: a hint, never the truth")
SAMPLE_STATE = Topic("sample.state", "sample_id", 1, -1, "Avro SampleState", "What is in flight, how far, what is stuck", compact=True)
KNOWLEDGE_RELEASES = Topic(
    "knowledge.releases",
    "build/kind/name@version",
    1,
    -1,
    "Avro KnowledgeRelease",
    "Versions of knowledge sources and their state",
    compact=True,
)
MODEL_RELEASES = Topic("model.releases", "name@version", 1, -1, "Avro release", "Models and their state", compact=True)
QUARANTINE = Topic(
    "quarantine",
    "chunk_id",
    1,
    30 * DAY,
    "the original bytes; headers say why",
    "Messages that a stage could not process",
    max_message=MAX_QUARANTINED,
)


def lane_topic(topic: Topic | str, lane: Lane) -> str:
    """Name of a topic's lane: the routine lane has the bare name."""
    name = topic if isinstance(topic, str) else topic.name
    return name if lane is Lane.ROUTINE else f"{name}.{lane.value}"


def lane_topics(topic: Topic | str) -> dict[str, Lane]:
    """Topic name → lane of all lanes of a topic, most urgent first."""
    return {lane_topic(topic, lane): lane for lane in Lane}


def _with_lanes(topic: Topic) -> list[Topic]:
    return [replace(topic, name=name, description=f"{topic.description} ({lane.value})") for name, lane in lane_topics(topic).items()]


def catalogue(*, partitions: int = 4, retention: float = 1.0, scored: bool = False) -> tuple[Topic, ...]:
    """Every topic with the installation's partition count and factor on retention; `scored` adds `chunks.scored`."""
    topics = [RUN_EVENTS, *_with_lanes(WORK), PLANS, *_with_lanes(CHUNKS_RAW)]
    topics += [CHUNKS_SCORED] if scored else []
    topics += [CANDIDATES, RESULTS, RECEIPTS, SAMPLE_STATE, KNOWLEDGE_RELEASES, MODEL_RELEASES, QUARANTINE]
    return tuple(
        replace(
            topic,
            partitions=partitions if topic.partitions == SCALES else topic.partitions,
            retention=topic.retention if topic.retention < 0 else max(1, round(topic.retention * retention)),
        )
        for topic in topics
    )


def contradictions(topic: Topic, partitions: int, settings: Mapping[str, str]) -> list[str]:
    """How an existing topic breaks what the catalogue promises; more retention, larger messages, more partitions do not.

    One partition is a promise (order over the whole topic); any other count is the operator's choice.
    """
    found = []
    if topic.partitions == 1 and partitions != 1:
        found.append(f"partitions is {partitions}, must be 1")
    wanted = topic.settings()
    for name in ("cleanup.policy", "message.timestamp.type"):
        if settings.get(name) != wanted[name]:
            found.append(f"{name} is {settings.get(name)}, must be {wanted[name]}")
    for name in ("retention.ms", "retention.bytes", "max.message.bytes"):
        if name.startswith("retention") and topic.compact:
            continue
        have, want = int(settings.get(name, "-1")), int(wanted[name])
        if have != -1 and (want == -1 or have < want):
            found.append(f"{name} is {have}, must be {'unbounded (-1)' if want == -1 else f'at least {want}'}")
    return found


def create_topics(
    servers: str,
    topics: Sequence[Topic] | None = None,
    *,
    replication: int = 1,
    options: Mapping[str, str] | None = None,
    timeout: float = 30.0,
) -> tuple[str, ...]:
    """Create what is missing of `topics` (default: the whole catalogue) and return the new names; running it again changes nothing.

    Waits until every topic has leaders. `options` are librdkafka properties. Raises TopicError when a topic that exists contradicts the
    catalogue (naming every difference), or when the broker does not answer within `timeout` seconds.
    """
    wanted = catalogue() if topics is None else tuple(topics)
    admin = AdminClient({"bootstrap.servers": servers, "reconnect.backoff.ms": 200, **(options or {})}, logger=kafka_log("admin"))
    deadline = time.monotonic() + timeout
    try:
        present = _partitions(admin, timeout)
        _refuse_contradictions(admin, [topic for topic in wanted if topic.name in present], present, timeout)
        fresh = [topic for topic in wanted if topic.name not in present]
        created = _create(admin, fresh, replication, timeout) if fresh else ()
        while missing := [topic.name for topic in wanted if _partitions(admin, timeout).get(topic.name, 0) == 0]:
            if time.monotonic() > deadline:
                raise TopicError(f"topics without a leader after {timeout:.0f} s: {', '.join(missing)}; look at the broker's log")
            time.sleep(0.05)
    except KafkaException as error:
        raise TopicError(f"Kafka at {servers}: {error.args[0].str()}; is it up? (`riverseq doctor`)") from error
    return created


def _create(admin: AdminClient, topics: Sequence[Topic], replication: int, timeout: float) -> tuple[str, ...]:
    safe = {"min.insync.replicas": str(min(2, replication))}
    new = [
        NewTopic(topic.name, num_partitions=topic.partitions, replication_factor=replication, config={**topic.settings(), **safe})
        for topic in topics
    ]
    created = []
    for name, future in admin.create_topics(new, operation_timeout=timeout, request_timeout=timeout).items():
        try:
            future.result()
            created.append(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another process was quicker
                raise TopicError(f"topic {name} could not be made: {error.args[0].str()}") from error
    return tuple(created)


def _partitions(admin: AdminClient, timeout: float) -> dict[str, int]:
    """Topic → partitions that have a leader."""
    metadata = admin.list_topics(timeout=timeout)
    return {name: sum(part.leader >= 0 for part in topic.partitions.values()) for name, topic in metadata.topics.items()}


def _refuse_contradictions(admin: AdminClient, topics: Sequence[Topic], present: Mapping[str, int], timeout: float) -> None:
    if not topics:
        return
    answers = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic.name) for topic in topics], request_timeout=timeout)
    by_name = {resource.name: future.result() for resource, future in answers.items()}
    differences = [
        f"{topic.name}: {difference}"
        for topic in topics
        for difference in contradictions(
            topic, present[topic.name], {name: str(entry.value) for name, entry in by_name[topic.name].items()}
        )
    ]
    if differences:
        raise TopicError(
            "topics exist with other settings: "
            + "; ".join(differences)
            + ". Change them with the broker's tools, or remove the topic if nothing in it is needed, and start again"
        )


def render_markdown(topics: Sequence[Topic] | None = None) -> str:
    """The catalogue as a Markdown table."""
    lines = ["| topic | key | partitions | retention | largest message | value | what for |", "|---|---|---|---|---|---|---|"]
    for topic in catalogue() if topics is None else topics:
        kept = "compacted" if topic.compact else f"{topic.retention / DAY:g} d"
        kept += f" or {topic.retention_size // MIB} MiB a partition" if topic.retention_size > 0 else ""
        cells = (topic.name, topic.key, topic.partitions, kept, f"{topic.max_message // MIB} MiB", topic.value, topic.description)
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"
