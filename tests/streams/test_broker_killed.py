"""A worker whose broker is killed under it, with messages in flight, and comes back: nothing lost, nothing given up, the reason shown."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local.kafka import Broker, await_ready
from deploy.local.ports import choose_ports
from deploy.local.process import Process
from streams import quarantine, topics
from streams.broker import Output
from streams.confluent import ConfluentConsumer, ConfluentProducer, ConfluentReader
from streams.health import Health
from streams.limits import Limits
from streams.metrics import Metrics
from streams.outcomes import Done
from streams.pipeline import Each, Pipeline
from streams.runner import Runner

pytestmark = [pytest.mark.broker, pytest.mark.soak]


def _until(true: Callable[[], object], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)


def test_a_broker_killed_with_messages_in_flight_costs_none(tmp_path: Path) -> None:
    ports = choose_ports(("broker", "controller"))
    broker = Broker(tmp_path, ports["broker"], ports["controller"], tmp_path / "kafka.log")
    broker.prepare()
    process = Process(broker.command(), {}, tmp_path / "broker.log")
    stop = threading.Event()
    health = Health()
    failed: list[BaseException] = []
    try:
        await_ready(broker, process, 60)
        lanes = topics.lane_topics("in")
        topics.create_topics(broker.servers, [replace(topics.CHUNKS_RAW, name=name, partitions=2) for name in lanes])
        topics.create_topics(broker.servers, [replace(topics.RESULTS, name="out", partitions=1)])
        source = ConfluentProducer(broker.servers, name="source")
        done = Counter[bytes]()

        def work(message: object) -> Done:
            name = message.key  # type: ignore[attr-defined]
            done[name] += 1
            time.sleep(0.01)
            return Done([Output("out", name, name)])

        runner = Runner(
            "chain",
            ConfluentConsumer(broker.servers, "g", instance="w1", health=health),
            ConfluentProducer(broker.servers, health=health),
            Pipeline([Each("work", work, 2)], capacity=16),
            lanes,
            metrics=Metrics("test"),
            health=health,
            limits=Limits(rows=40 * 1000, stop_seconds=5),  # a message of 20 kB counts as 1,000 rows
        )

        def run() -> None:
            try:
                runner.run(stop)
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        sent = [b"m%d" % number for number in range(600)]
        for number, name in enumerate(sent):
            source.produce(Output(list(lanes)[number % 3], name, name + bytes(20_000)))
            source.poll(0)
        _until(lambda: len(done) > 60, 30, "the first messages")
        process.kill()
        _until(lambda: any(part.startswith("kafka.") for part in health.obstacles()), 20, "the obstacle in health")
        time.sleep(2)
        before = time.process_time()
        time.sleep(2)
        assert time.process_time() - before < 0.5, "a worker without a broker does not spin"
        process = Process(broker.command(), {}, tmp_path / "broker.log")
        await_ready(broker, process, 60)
        _until(lambda: len(done) == 600, 60, "all messages after the restart")
        assert source.flush(20) == 0
        _until(lambda: not health.obstacles(), 20, "health after the restart")
        stop.set()
        thread.join(30)
        assert not failed
        reader = ConfluentReader(broker.servers)
        bounds = {partition: reader.bounds(partition) for partition in reader.partitions("out")}
        assert {message.value for message in quarantine.through(reader, bounds)} == set(sent)
        reader.close()
        assert sum(done.values()) <= 600 + 40 + 100, "only what was in flight, or younger than a commit, is done again"
    finally:
        stop.set()
        process.kill()
