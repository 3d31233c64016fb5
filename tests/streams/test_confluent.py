"""The adapter on a real Apache Kafka: the runner end to end, kills, limits, and the twenty-line consumer of the README."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.events import Finding, Lane, registry
from streams import logs, quarantine, results, topics, wire
from streams.broker import Message, Output, TooLarge
from streams.confluent import ConfluentConsumer, ConfluentProducer, ConfluentReader
from streams.health import Health
from streams.limits import Limits
from streams.metrics import Metrics
from streams.outcomes import Done, Outcome, Quarantine
from streams.pipeline import Each, Pipeline
from streams.runner import Runner
from streams.topics import Topic

pytestmark = pytest.mark.broker

FIRST = Finding(
    "id1", "sample1", "s", "r", 1, "p", "GRCh38", "21", 100, "A", "T", "APP", "ENST1", "missense_variant", "heterozygous", "", None,
    "absent", 0.5, "scored", "m", "not_assessed", ("rare",), 5,
)  # fmt: skip


def _wait(true: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def catalogue(kafka: str) -> str:
    """The real topics, where another test has not made them."""
    topics.create_topics(kafka, topics.catalogue(partitions=2))
    return kafka


@pytest.fixture
def inputs(kafka: str) -> dict[str, Lane]:
    """Three lanes under names of this test's own."""
    name = f"in.{uuid.uuid4().hex[:8]}"
    lanes = topics.lane_topics(name)
    topics.create_topics(kafka, [replace(topics.CHUNKS_RAW, name=topic, partitions=2) for topic in lanes])
    return lanes


@pytest.fixture
def sink(kafka: str) -> Topic:
    topic = replace(topics.RECEIPTS, name=f"out.{uuid.uuid4().hex[:8]}")
    topics.create_topics(kafka, [topic])
    return topic


def _read(kafka: str, topic: str) -> list[Message]:
    reader = ConfluentReader(kafka)
    try:
        return list(quarantine.through(reader, {partition: reader.bounds(partition) for partition in reader.partitions(topic)}))
    finally:
        reader.close()


def _send(kafka: str, outputs: Sequence[Output]) -> None:
    producer = ConfluentProducer(kafka)
    for output in outputs:
        producer.produce(output)
    assert producer.flush(10) == 0


class Worker:
    """A runner on its own thread, as a worker process has it."""

    def __init__(self, kafka: str, inputs: dict[str, Lane], function: Callable[[Message], Outcome], *, instance: str = "") -> None:
        self.health = Health()
        consumer = ConfluentConsumer(kafka, f"group.{min(inputs)}", instance=instance, health=self.health)
        producer = ConfluentProducer(kafka, health=self.health)
        self.stage = Pipeline([Each("work", function, 2)], capacity=16)
        self.runner = Runner(
            "chain", consumer, producer, self.stage, inputs, metrics=Metrics("test"), health=self.health, limits=Limits(stop_seconds=5)
        )
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.runner.run, args=(self.stop,), daemon=True)
        self.thread.start()

    def end(self) -> None:
        self.stop.set()
        self.thread.join(20)
        assert not self.thread.is_alive()


def test_messages_go_through_the_runner_and_are_committed(catalogue: str, inputs: dict[str, Lane], sink: Topic) -> None:
    sent = [f"m{number}".encode() for number in range(300)]
    _send(catalogue, [Output(min(inputs), name, name, [("rows", b"5")]) for name in sent])
    worker = Worker(catalogue, inputs, lambda message: Done([Output(sink.name, message.key or b"", message.value)]))
    _wait(lambda: len(_read(catalogue, sink.name)) >= 300, 30, "300 results")
    worker.end()
    assert Counter(message.value for message in _read(catalogue, sink.name)) == Counter(sent)
    again = Worker(catalogue, inputs, lambda message: Done([Output(sink.name, b"again", b"again")]))
    _send(catalogue, [Output(min(inputs), b"last", b"last")])
    _wait(lambda: len(_read(catalogue, sink.name)) > 300, 30, "the message sent last")
    again.end()
    assert len(_read(catalogue, sink.name)) == 301, "everything before was committed"


def test_a_second_worker_takes_over_without_losing_a_message(catalogue: str, inputs: dict[str, Lane], sink: Topic) -> None:
    def slow(message: Message) -> Outcome:
        time.sleep(0.005)
        return Done([Output(sink.name, message.key or b"", message.value)])

    sent = {f"m{number}".encode() for number in range(400)}
    _send(catalogue, [Output(list(inputs)[number % 3], name, name) for number, name in enumerate(sorted(sent))])
    first = Worker(catalogue, inputs, slow)
    _wait(lambda: len(_read(catalogue, sink.name)) > 20, 30, "the first results")
    second = Worker(catalogue, inputs, slow)
    _wait(lambda: {message.value for message in _read(catalogue, sink.name)} == sent, 40, "all results")
    first.end()
    second.end()


def test_a_chunk_a_stage_cannot_process_is_kept_and_replayed(catalogue: str, inputs: dict[str, Lane], sink: Topic) -> None:
    name = min(inputs)
    broken = [True]

    def sometimes(message: Message) -> Outcome:
        return Quarantine("ZeroDivisionError", "row 7") if broken[0] else Done([Output(sink.name, b"k", message.value)])

    raw = b"\x00\xff original"
    headers = [("chunk_id", b"c9"), ("submission_id", b"s9"), ("ordinal", b"3")]
    worker = Worker(catalogue, inputs, sometimes)
    _send(catalogue, [Output(name, b"c9", raw, headers)])

    def kept() -> list[quarantine.Quarantined]:
        return [q for q in map(quarantine.read, _read(catalogue, "quarantine")) if q.topic == name]

    _wait(lambda: bool(kept()), 20, "the quarantined message")
    (item,) = kept()
    assert (item.place.value, item.headers, item.key) == (raw, headers, b"c9")
    reader = ConfluentReader(catalogue)
    assert quarantine.find(reader, item.place.offset).describe()["error"] == "ZeroDivisionError"
    reader.close()
    broken[0] = False
    _send(catalogue, [item.replay()])
    _wait(lambda: bool(_read(catalogue, sink.name)), 20, "the replayed message")
    worker.end()
    assert [message.value for message in _read(catalogue, sink.name)] == [raw]


def test_a_message_over_the_limit_is_refused_before_it_is_sent(kafka: str, inputs: dict[str, Lane]) -> None:
    producer = ConfluentProducer(kafka)
    with pytest.raises(TooLarge, match=rf"4194305 bytes .*above the 4194304 bytes that topic {min(inputs)} takes"):
        producer.produce(Output(min(inputs), b"", bytes(topics.MAX_MESSAGE + 1)))


def test_a_topic_with_a_lower_limit_of_its_own_answers_too_large(kafka: str) -> None:
    small = replace(topics.RECEIPTS, name=f"small.{uuid.uuid4().hex[:8]}", max_message=10_000)
    topics.create_topics(kafka, [small])
    producer = ConfluentProducer(kafka)
    errors: list[object] = []
    producer.produce(Output(small.name, b"k", bytes(20_000)), errors.append)
    producer.flush(10)
    assert isinstance(errors[0], TooLarge)


def test_the_largest_messages_go_through(catalogue: str, inputs: dict[str, Lane]) -> None:
    big = bytes(topics.MAX_MESSAGE - 4096)
    _send(catalogue, [Output(min(inputs), b"k", big)])
    assert [len(message.value) for message in _read(catalogue, min(inputs))] == [len(big)]
    message = Message(min(inputs), 0, 0, b"k", big)
    output = quarantine.quarantined(message, Quarantine("E", "d" * 9999), stage="s", worker="w", attempt=1, code=1)
    _send(catalogue, [output])


def test_an_unknown_topic_is_an_error_of_its_name(kafka: str) -> None:
    reader = ConfluentReader(kafka)
    with pytest.raises(Exception, match=r"topic no\.such: .*riverseq up"):
        reader.partitions("no.such")
    reader.close()


def test_a_reader_starts_at_a_time(kafka: str, inputs: dict[str, Lane]) -> None:
    name = min(inputs)
    _send(kafka, [Output(name, b"k", b"before")])
    time.sleep(0.05)
    moment = int(time.time() * 1000)
    _send(kafka, [Output(name, b"k", b"after")])
    reader = ConfluentReader(kafka)
    (full,) = [p for p in reader.partitions(name) if reader.bounds(p)[1] == 2]
    assert reader.at_time(full, moment) == 1
    assert reader.at_time(full, moment + 3_600_000) == 2
    reader.close()


def test_a_dead_broker_does_not_flood_the_log_and_shows_in_health() -> None:
    health = Health()
    health.ready()
    stream = io.StringIO()
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    try:
        logs.configure("test", stream=stream)
        producer = ConfluentProducer("127.0.0.1:9", name="dead", health=health)
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            producer.poll(0.1)
    finally:
        root.handlers[:] = before[0]
        root.setLevel(before[1])
    assert "no broker answers" in health.obstacles()["kafka.dead.producer"]
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert 0 < len(lines) <= 6, lines


@pytest.fixture
def example() -> list[str]:
    return [sys.executable, str(Path(__file__).parent / "example_consumer.py")]


def test_the_consumer_of_the_readme_prints_findings(catalogue: str, example: list[str]) -> None:
    _send(catalogue, [Output("results", b"sample1", wire.encode(FIRST))])
    process = subprocess.Popen([*example, catalogue, str(registry.FOLDER)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line: list[str] = []
        thread = threading.Thread(target=lambda: line.append(process.stdout.readline()), daemon=True)  # type: ignore[union-attr]
        thread.start()
        thread.join(30)
        printed = json.loads(line[0])
    finally:
        process.kill()
        process.wait()
    assert printed["type"] == "Finding"
    assert (printed["result"]["class"], printed["result"]["position"]) == ("not_assessed", 100)


def test_results_are_followed_live(catalogue: str) -> None:
    reader = ConfluentReader(catalogue)
    stop = threading.Event()
    following = results.follow(reader, place="end", wanted=results.Filter({"gene": "LIVE1"}), stop=stop)
    timer = threading.Timer(0.5, _send, (catalogue, [Output("results", b"x", wire.encode(replace(FIRST, gene="LIVE1")))]))
    timer.start()
    assert next(following).result.gene == "LIVE1"  # type: ignore[union-attr]
    stop.set()
    reader.close()
    timer.join()


KILLED = """
import sys, threading, time
from streams import topics
from streams.broker import Output
from streams.confluent import ConfluentConsumer, ConfluentProducer
from streams.failpoints import from_environment
from streams.health import Health
from streams.metrics import Metrics
from streams.outcomes import Done
from streams.pipeline import Each, Pipeline
from streams.limits import Limits
from streams.runner import Runner
import os
servers, name, sink = sys.argv[1:]
inputs = topics.lane_topics(name)
stage = Pipeline([Each("work", lambda m: Done([Output(sink, m.key, m.value)]), 2)], capacity=16)
runner = Runner("chain", ConfluentConsumer(servers, "group." + name, instance="w1"), ConfluentProducer(servers), stage, inputs,
    metrics=Metrics(), health=Health(), failpoints=from_environment(os.environ), limits=Limits(commit_seconds=0.05))
runner.run(threading.Event())
"""


@pytest.mark.parametrize("point", ["runner.produced:40", "runner.delivered:60"])
def test_a_killed_process_started_again_loses_nothing_and_is_back_at_once(
    catalogue: str, inputs: dict[str, Lane], sink: Topic, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = next(topic for topic, lane in inputs.items() if lane is Lane.ROUTINE)
    sent = {f"m{number}".encode() for number in range(150)}
    _send(catalogue, [Output(name, key, key) for key in sorted(sent)])
    command = [sys.executable, "-c", KILLED, catalogue, name, sink.name]
    monkeypatch.setenv("RIVERSEQ_FAILPOINT", point)
    assert subprocess.run(command, check=False, timeout=300).returncode == -9
    monkeypatch.delenv("RIVERSEQ_FAILPOINT")
    assert {message.value for message in _read(catalogue, sink.name)} != sent
    began = time.monotonic()
    process = subprocess.Popen(command)
    try:
        _wait(lambda: {message.value for message in _read(catalogue, sink.name)} == sent, 30, "all results after the kill")
    finally:
        process.kill()
        process.wait()
    assert time.monotonic() - began < 9, "a static member does not wait for its old session to expire"
