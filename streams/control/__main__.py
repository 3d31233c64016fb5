"""Entry point of the control process: `python -m streams.control`."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import faust

from processors.land.client import StoreError
from streams import failpoints, logs
from streams.backlog import origin_of
from streams.broker import BrokerError
from streams.confluent import ConfluentProducer
from streams.control.app import build_app
from streams.control.assemble import assemble
from streams.health import Health, HealthServer
from streams.logs import logger
from streams.metrics import Metrics
from streams.settings import Settings

PAUSES = (0.5, 5.0)
"""Shortest and longest pause, in seconds, between attempts to start while a dependency is away."""


class _Worker(faust.Worker):
    """faust's worker without its own logging; `streams.logs` is set up already."""

    def _setup_logging(self) -> None: ...


def main() -> None:
    """Run until SIGTERM or SIGINT. Waits for ClickHouse and Kafka where they are away at the start."""
    logs.configure("control")
    for chatty in ("faust", "mode", "aiokafka"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    settings = Settings.load()
    metrics, health = Metrics("control", version("riverseq")), Health()
    with HealthServer(metrics, health, port=settings.metrics_port) as server:
        logger().info("serving", url=server.url)
        servers = settings.kafka_servers()
        producer = ConfluentProducer(servers, name="control", options=settings.kafka_options, health=health, metrics=metrics)
        points = failpoints.from_environment(os.environ)
        worker = f"{socket.gethostname()}-{os.getpid()}"
        control = _persist(health, lambda: assemble(settings, producer, metrics=metrics, points=points, worker=worker))
        origin = _persist(health, lambda: origin_of(servers, settings.kafka_options))
        logger().info("restored", in_flight=_persist(health, control.restore))
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        app = build_app(settings, control, health, origin)
        app.on_partitions_assigned.connect(_ready(health), weak=False)
        try:
            _Worker(app, loop=loop, redirect_stdouts=False, override_logging=False, quiet=True).execute_from_commandline()
        finally:
            producer.flush(10.0)


def _ready(health: Health) -> Callable[..., Any]:
    async def assigned(*_: Any, **__: Any) -> None:
        health.ready()

    return assigned


def _persist(health: Health, call: Callable[[], Any]) -> Any:
    pause = PAUSES[0]
    while True:
        health.beat()
        try:
            return call()
        except (StoreError, BrokerError) as error:
            health.hindered("start", str(error))
            logger().warning("waiting to start", error=str(error)[:500])
            time.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - spreads load, no secret
            pause = min(2 * pause, PAUSES[1])


if __name__ == "__main__":
    main()
