"""What every data-plane process has around its stage: settings, logs, metrics and health, clients, signals, one runner."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from processors import warm
from processors.land.client import StoreError
from processors.score.models import ModelRefused
from processors.score.session import ProviderRefused
from streams import failpoints, logs
from streams.broker import BrokerError
from streams.confluent import ConfluentConsumer, ConfluentProducer, ConfluentReader
from streams.failpoints import FailPoints
from streams.groups import READERS
from streams.health import Health, HealthServer
from streams.limits import Limits
from streams.logs import logger
from streams.metrics import Metrics
from streams.outcomes import Stage
from streams.plans import PlanStore
from streams.quarantine import QuarantineFull
from streams.runner import Runner
from streams.settings import Settings, SettingsError
from streams.topics import Topic, lane_topics

FAILED = 1
"""Exit code of a worker that cannot go on; its supervisor starts it again, or shows why it stays down."""


@dataclass(frozen=True)
class Worker:
    """The surroundings that a stage is built from. `name` tells this process from its siblings in receipts, rows and logs."""

    name: str
    settings: Settings
    metrics: Metrics
    health: Health
    producer: ConfluentProducer
    plans: PlanStore
    points: FailPoints


def work(process: str, topic: Topic, build: Callable[[Worker], Stage], *, code: int) -> int:
    """Run the stage that `build` makes over every lane of `topic` until SIGTERM or SIGINT; the process's exit code.

    `code` is the stage's code version, kept with what it quarantines.
    """
    logs.configure(process)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = Settings.load()
        metrics, health = Metrics(process, version("riverseq")), Health()
        with HealthServer(metrics, health, port=settings.metrics_port):
            _compile_kernels()
            return _work(process, topic, build, code, settings, metrics, health, stop)
    except (SettingsError, BrokerError, StoreError, QuarantineFull, ProviderRefused, ModelRefused) as error:
        logger().error("stopped", error=str(error))
        return FAILED


def _work(
    process: str,
    topic: Topic,
    build: Callable[[Worker], Stage],
    code: int,
    settings: Settings,
    metrics: Metrics,
    health: Health,
    stop: threading.Event,
) -> int:
    servers, options = settings.kafka_servers(), settings.kafka_options
    name = f"{process}-{socket.gethostname()}-{os.getpid()}"
    producer = ConfluentProducer(servers, name=process, options=options, health=health, metrics=metrics)
    plans = PlanStore(ConfluentReader(servers, name=f"{process}.plans", options=options))
    worker = Worker(name, settings, metrics, health, producer, plans, failpoints.from_environment(os.environ))
    stage = build(worker)
    consumer = ConfluentConsumer(servers, READERS[topic.name], instance=_instance(settings), options=options, health=health)
    runner = Runner(
        process,
        consumer,
        producer,
        stage,
        lane_topics(topic),
        metrics=metrics,
        health=health,
        limits=Limits(rows=settings.rows_in_flight, size=settings.bytes_in_flight),
        failpoints=worker.points,
        worker=name,
        code=code,
    )
    logger().info("working", worker=name)
    runner.run(stop)
    plans.close()
    return 0


def _compile_kernels() -> None:
    """At the first start on a machine, before this worker says that it is ready: so that no sample waits, and no sibling does the same."""
    try:
        warm.ensure(lambda text: logger().info(text))
    except (warm.WarmFailed, OSError) as error:
        logger().warning("kernels compile at their first use", error=str(error))


def _instance(settings: Settings) -> str:
    """A static member's name where one process at a time has this metrics port; a group then waits for no dead member."""
    return f"{socket.gethostname()}-{settings.metrics_port}" if settings.metrics_port else ""
