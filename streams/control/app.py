"""The faust app: reads `run.events` and `receipts`, lets time pass, and hands everything to `Control` in threads.

faust 0.15 commits past a message that is still in flight when messages are acknowledged out of order, so agents have `concurrency=1`;
an event is acknowledged by hand, after all its effects; nothing here blocks the loop, which must go on committing.
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import faust
from faust.types.auth import SASLMechanism

from processors.land.client import StoreError
from streams.broker import BrokerError, Message
from streams.control.control import Control
from streams.health import Health
from streams.logs import logger
from streams.settings import Settings
from streams.topics import RECEIPTS, RUN_EVENTS

GROUP = "riverseq-control"
"""Consumer group and name of the app."""
SHOW_EVERY, LOOK_EVERY, ANNOUNCE_EVERY = 0.25, 0.5, 10.0  # seconds
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds between attempts while a dependency is away
ATTEMPTS = 3
"""Times that an event may fail for no foreseen reason before it is kept in quarantine, so that those behind it go on."""

T = TypeVar("T")


def build_app(settings: Settings, control: Control, health: Health, origin: str, *, group: str = GROUP) -> faust.App:
    """The app on topics that exist already. `origin` names this Kafka's `run.events`, see `records.Position`."""
    home = settings.state / "control"  # faust makes it, whether or not an app has tables
    home.mkdir(parents=True, exist_ok=True)
    app = faust.App(
        group,
        broker=[f"kafka://{server}" for server in settings.kafka_servers().split(",")],
        broker_credentials=credentials(settings.kafka_options),
        broker_commit_interval=1.0,
        broker_session_timeout=20.0,
        broker_heartbeat_interval=3.0,
        broker_max_poll_interval=600.0,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=group,  # a killed member's place is taken at once, not after its session ended
        store="memory://",
        datadir=str(home),
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        worker_redirect_stdouts=False,
        stream_wait_empty=False,
        stream_processing_timeout=24 * 3600.0,  # an event may wait for a database that is away; health says so
    )
    _read(app, RUN_EVENTS.name, _Events(control, health, origin))
    _read(app, RECEIPTS.name, _Receipts(control, health))
    _every(app, SHOW_EVERY, "state", health, control.show)
    _every(app, LOOK_EVERY, "progress", health, control.look)
    _every(app, ANNOUNCE_EVERY, "outbox", health, control.announce)
    _every(app, LOOK_EVERY, "releases", health, control.follow_releases)
    _every(app, control.reconciler.wait, "reanalysis", health, control.reconcile)
    return app


async def persist(part: str, health: Health, call: Callable[..., T], *arguments: Any) -> T:
    """Call in a thread until neither ClickHouse nor Kafka is away, with growing random pauses; health says what is waited for."""
    pause = FIRST_PAUSE
    while True:
        try:
            result = await asyncio.to_thread(call, *arguments)
        except (StoreError, BrokerError) as error:
            health.hindered(part, str(error))
            logger().warning("waiting", part=part, error=str(error)[:500])
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - spreads load, no secret
            pause = min(2 * pause, LONGEST_PAUSE)
        else:
            health.ready(part)
            return result


class _Events:
    """Handles one event: all effects, or quarantine where it cannot be handled at all."""

    def __init__(self, control: Control, health: Health, origin: str) -> None:
        self._control, self._health, self._origin = control, health, origin

    async def __call__(self, message: Message) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await persist("events", self._health, self._control.event, message, self._origin)
                return
            except Exception as error:
                logger().exception("event failed", offset=message.offset, attempt=attempt)
                if attempt == ATTEMPTS:
                    await persist("events", self._health, self._control.keep_unprocessable, message, error)


class _Receipts:
    """Handles one receipt; one that cannot be handled is dropped, since the ledger is the truth."""

    def __init__(self, control: Control, health: Health) -> None:
        self._control, self._health = control, health

    async def __call__(self, message: Message) -> None:
        try:
            await persist("receipts", self._health, self._control.receipt, message)
        except Exception:
            logger().exception("receipt failed", offset=message.offset)


def _read(app: faust.App, name: str, handle: Callable[[Message], Awaitable[None]]) -> None:
    topic = app.topic(name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")

    async def read(stream: Any) -> None:
        async for event in stream.noack().events():
            await handle(_message(event.message))
            event.ack()

    app.agent(topic, name=f"{GROUP}.{name}", concurrency=1)(read)


def _message(raw: Any) -> Message:
    named = raw.headers.items() if isinstance(raw.headers, Mapping) else raw.headers or ()
    headers = [(str(name), value) for name, value in named]
    return Message(raw.topic, raw.partition, raw.offset, raw.key, raw.value or b"", headers, round((raw.timestamp or 0) * 1000))


def _every(app: faust.App, pause: float | Callable[[], None], part: str, health: Health, call: Callable[[], Any]) -> None:
    async def beat() -> None:
        while not app.should_stop:
            try:
                await persist(part, health, call)
            except Exception as error:
                health.hindered(part, f"{type(error).__name__}: {error}")
                logger().exception("timer failed", part=part)
            health.beat()
            if callable(pause):
                await asyncio.to_thread(pause)
            else:
                await asyncio.sleep(pause)

    app.task(beat)


def credentials(options: Mapping[str, str]) -> Any:
    """faust's credentials for librdkafka's properties `security.protocol`, `sasl.*` and `ssl.*`; None for plain text."""
    protocol = options.get("security.protocol", "PLAINTEXT").upper()
    if protocol == "PLAINTEXT":
        return None
    context = None
    if protocol.endswith("SSL"):
        context = ssl.create_default_context(cafile=options.get("ssl.ca.location"))
        if certificate := options.get("ssl.certificate.location"):
            context.load_cert_chain(certificate, options.get("ssl.key.location"), options.get("ssl.key.password"))
    if protocol == "SSL":
        return faust.SSLCredentials(context)
    return faust.SASLCredentials(
        username=options.get("sasl.username"),
        password=options.get("sasl.password"),
        mechanism=SASLMechanism(options.get("sasl.mechanism", "PLAIN")),
        ssl_context=context,
    )
