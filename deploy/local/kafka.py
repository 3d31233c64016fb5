"""The embedded broker: one real Apache Kafka node (KRaft, broker and controller in one process) on loopback."""

from __future__ import annotations

import base64
import logging
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path

from deploy.local.errors import LocalError
from deploy.local.jars import Jars, kafka_jars
from deploy.local.java import Java, find_java
from deploy.local.ports import HOST, choose_ports
from deploy.local.process import Process

PROBE_TOPIC = "riverseq.probe"
"""One-partition topic of the readiness check, which counts only a write that the broker has acknowledged."""

MESSAGE_LIMIT = 4 * 1024 * 1024
PROBE_TIMEOUT = 3.0
"""Seconds that a readiness check may take."""

_HEAP = "512m"
"""350 MB resident at rest, 410 MB after 600 MB of 300 kB messages (measured)."""


class BrokerFailed(LocalError):
    """The broker could not be formatted or did not start; the message holds what it printed."""


@dataclass(frozen=True)
class Broker:
    """A broker that keeps everything under `folder` and listens on two loopback ports. Making one starts nothing."""

    folder: Path
    port: int
    controller_port: int
    log: Path
    java: Java = field(default_factory=find_java)
    jars: Jars = field(default_factory=kafka_jars)

    @property
    def servers(self) -> str:
        return f"{HOST}:{self.port}"

    def prepare(self) -> None:
        """Write the configuration; format the storage if that was not done yet. Call before each start. Raises `BrokerFailed`."""
        if "," in str(self.folder):
            raise BrokerFailed(f"{self.folder}: Kafka reads a comma as a second folder; choose a state folder without one")
        self.folder.mkdir(parents=True, exist_ok=True)
        configuration = self.folder / "server.properties"
        draft = configuration.with_suffix(".draft")
        draft.write_text(self.properties())
        draft.replace(configuration)
        with as_file(files("deploy.local").joinpath("log4j2.properties")) as source:
            (self.folder / "log4j2.properties").write_bytes(source.read_bytes())
        if (self.folder / "data" / "meta.properties").exists():
            return
        # as one argument: an id may begin with a dash
        cluster = "--cluster-id=" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        arguments = ["format", cluster, "--config", str(configuration), "--ignore-formatted"]
        answer = subprocess.run(
            [*self._java(self.log), "kafka.tools.StorageTool", *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if answer.returncode:
            raise BrokerFailed(f"{self.folder}: the storage could not be formatted: {(answer.stderr or answer.stdout).strip()[-2000:]}")

    def command(self) -> tuple[str, ...]:
        """What to execute after `prepare`."""
        return (*self._java(self.log), "kafka.Kafka", str(self.folder / "server.properties"))

    def ready(self) -> str | None:
        """None once the broker acknowledges a write, else why it does not yet. Takes at most about `PROBE_TIMEOUT` seconds."""
        return acknowledged_write(self.servers)

    def properties(self) -> str:
        """server.properties of this node."""
        rows: dict[str, object] = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{HOST}:{self.controller_port}",
            "listeners": f"PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{self.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": self.folder / "data",
            # a killed broker is refused until its old session has expired; with these it is back in 7 s instead of 14
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
            # the same for members of consumer groups (KIP-848), whose defaults are 45 s and 5 s
            "group.consumer.min.session.timeout.ms": 6000,
            "group.consumer.session.timeout.ms": 6000,
            "group.consumer.min.heartbeat.interval.ms": 1000,
            "group.consumer.heartbeat.interval.ms": 1000,
            "group.initial.rebalance.delay.ms": 0,
            "auto.create.topics.enable": "false",
            "message.max.bytes": MESSAGE_LIMIT,
            "log.message.timestamp.type": "LogAppendTime",
            "log.retention.hours": 168,
            "log.retention.check.interval.ms": 60_000,
            "log.segment.bytes": 128 * 1024 * 1024,
            "min.insync.replicas": 1,
            "default.replication.factor": 1,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "share.coordinator.state.topic.num.partitions": 1,
            # sized for one machine that has other work: the defaults assume a server of its own
            "num.network.threads": 2,
            "num.io.threads": 4,
            "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
            # 0 stops the empty metadata record twice a second, which only a quorum needs
            "metadata.max.idle.interval.ms": 0,
        }
        return "".join(f"{key}={value}\n" for key, value in rows.items())

    def _java(self, log: Path) -> list[str]:
        options = [f"-Xmx{_HEAP}", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true"]
        # the first compiler alone halves the CPU of a start (2.5 s against 4.1 s) and carries 245 MB/s on two cores (measured)
        options += ["-XX:TieredStopAtLevel=1"]
        if self.java.version >= 24:
            options += ["--sun-misc-unsafe-memory-access=allow"]
        if self.java.version >= 22:
            options += ["--enable-native-access=ALL-UNNAMED"]
        options += [f"-Driverseq.log={log}", f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"]
        return [str(self.java.executable), *options, "-cp", self.jars.classpath]


def acknowledged_write(servers: str, timeout: float = PROBE_TIMEOUT) -> str | None:
    """None if the cluster describes itself and acknowledges one write to `PROBE_TOPIC` (made if missing); else why not."""
    from confluent_kafka import KafkaException, Producer
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.cimpl import NewTopic

    deadline = time.monotonic() + timeout
    quiet = logging.getLogger("riverseq.probe")
    quiet.setLevel(logging.CRITICAL)
    settings: dict[str, str | int | float | bool] = {
        "bootstrap.servers": servers,
        "reconnect.backoff.ms": 100,
        "reconnect.backoff.max.ms": 500,
    }
    try:
        admin = AdminClient(settings, logger=quiet)
        described = admin.list_topics(timeout=timeout)
        if not described.brokers:
            return "no broker has registered yet"
        if PROBE_TOPIC not in described.topics:
            config = {"retention.ms": "3600000", "segment.ms": "3600000", "segment.bytes": "1048576"}
            topic = NewTopic(PROBE_TOPIC, num_partitions=1, replication_factor=1, config=config)
            admin.create_topics([topic], operation_timeout=timeout)[PROBE_TOPIC].result(timeout)
        outcome: list[str] = []
        producer = Producer({**settings, "acks": "all", "message.timeout.ms": 1000 * timeout}, logger=quiet)
        producer.produce(PROBE_TOPIC, b"", on_delivery=lambda error, _: outcome.append(str(error) if error else ""))
        producer.flush(max(0.1, deadline - time.monotonic()))
        if not outcome:
            return "a write was not acknowledged in time"
        return outcome[0] or None
    except KafkaException as error:
        return str(error.args[0].str()) if error.args and hasattr(error.args[0], "str") else str(error)
    except TimeoutError:
        return "the broker does not answer in time"


@contextmanager
def running_broker(folder: Path, timeout: float = 120.0) -> Iterator[Broker]:
    """A broker of its own in `folder` for the length of a `with` block, ready when the block begins, killed when it ends.

    For tests and measurements: nothing restarts it. Raises `BrokerFailed` with the tail of its log.
    """
    ports = choose_ports(("broker", "controller"))
    broker = Broker(folder, ports["broker"], ports["controller"], folder / "kafka.log")
    broker.prepare()
    process = Process(broker.command(), {}, folder / "broker.log")
    try:
        await_ready(broker, process, timeout)
        yield broker
    finally:
        process.kill()


def await_ready(broker: Broker, process: Process, timeout: float) -> None:
    """Wait until `broker.ready()`. Raises `BrokerFailed` when its process ends or `timeout` seconds have passed."""
    deadline = time.monotonic() + timeout
    while (problem := broker.ready()) is not None:
        if not process.running():
            raise BrokerFailed(f"the broker ended: {process.reason()}\n" + "\n".join(process.tail()))
        if time.monotonic() > deadline:
            raise BrokerFailed(f"the broker does not answer after {timeout:.0f} s: {problem}\n" + "\n".join(process.tail()))
        time.sleep(0.1)
