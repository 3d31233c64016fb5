"""The process: folder, secrets, engine, HTTP server, and an orderly end."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from dataclasses import asdict
from pathlib import Path

import structlog
import uvicorn

from deploy.local.clickhouse import settings, syntax
from deploy.local.clickhouse.accounts import Accounts, Role
from deploy.local.clickhouse.engine import DATABASE, Engine, EngineRefused
from deploy.local.clickhouse.errors import ClickHouseError
from deploy.local.clickhouse.front import Front
from deploy.local.clickhouse.limits import Limits
from deploy.local.clickhouse.metrics import Metrics
from deploy.local.state import open_state

log = structlog.get_logger("clickhouse")

GRACE_SECONDS = 10
"""Seconds that requests have to end by themselves after SIGTERM."""
CLOSE_SECONDS = 4.0
"""Seconds that the engine's threads have after that, before and again after they are cancelled."""


def configure_logs() -> None:
    """JSON lines on stderr."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )


def listen(port: int) -> socket.socket:
    """A listening socket on loopback; port 0 takes a free one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # accepted connections inherit it; without it head and body of an answer wait 40 ms for each other
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(512)
    return listener


def serve(state: Path, port: int, limits: Limits) -> None:
    """Serve until SIGTERM or SIGINT. Raises FolderInUse, EngineRefused, StateError, OSError (port taken)."""
    folder = open_state(state, create=True)
    accounts = Accounts(folder.secrets().clickhouse)
    listener = listen(port)
    engine = Engine(folder.clickhouse)
    for mended in engine.mended:
        log.warning("log of insert tokens mended", **asdict(mended))
    ended = asyncio.run(_serve(engine, accounts, limits, listener))
    if not ended:
        # a thread is inside the engine and does not come back: what was acknowledged is on disk, so end as a crash would
        log.error("requests did not end; leaving without closing the engine")
        os._exit(1)
    engine.close()
    log.info("stopped")


async def _serve(engine: Engine, accounts: Accounts, limits: Limits, listener: socket.socket) -> bool:
    front = Front(engine, accounts, limits, Metrics())
    config = uvicorn.Config(
        front,
        log_config=None,
        access_log=False,
        lifespan="off",
        interface="asgi3",
        server_header=False,
        date_header=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=GRACE_SECONDS,
        http="httptools",
        loop="auto",
        ws="none",
    )
    server = uvicorn.Server(config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: setattr(server, "should_exit", True))
    checks = asyncio.create_task(_check(engine, limits, front, listener))
    # `serve` would take the signals for itself and raise them again at the end
    await server._serve([listener])
    checks.cancel()
    return await front.close(CLOSE_SECONDS)


async def _check(engine: Engine, limits: Limits, front: Front, listener: socket.socket) -> None:
    """Ready only after a query works and every setting that the product relies on holds."""
    try:
        await asyncio.get_running_loop().run_in_executor(None, verify, engine, limits)
    except (ClickHouseError, EngineRefused) as error:
        front.refusal = str(error)
        log.error("not ready", reason=front.refusal)
        return
    front.refusal = ""
    log.info("ready", address=f"http://127.0.0.1:{listener.getsockname()[1]}", engine=engine.version, timezone=engine.timezone)


def verify(engine: Engine, limits: Limits) -> None:
    """Assert what ClickHouse leaves to defaults that differ between versions. Raises EngineRefused, ClickHouseError."""
    for role in Role:
        with engine.lane() as lane:
            wanted = settings.base(limits, role)
            lane.set(wanted)
            lane.use(DATABASE)
            if lane.query(b"SELECT 1").data != b"1\n":
                raise EngineRefused("SELECT 1 does not answer 1")
            found = json.loads(lane.query(b"SELECT map(name, value) FROM system.settings", "JSONCompactColumns").data)[0]
            held = {name: value for row in found for name, value in row.items()}
            for name, value in wanted.items():
                if held.get(name) not in (value, value.replace("'", "\\'")) and name != "additional_table_filters":
                    raise EngineRefused(f"setting {name} is {held.get(name)!r}, not {value!r}")
            if role is not Role.ADMIN and lane.query(b"SELECT count() FROM system.tables WHERE database != 'riverseq'").data != b"0\n":
                raise EngineRefused("system.tables shows tables of other databases")
            if syntax.parse(lane, b"SELECT 1 AS x").get("type") != "SelectWithUnionQuery":
                raise EngineRefused(f"engine {engine.version} does not describe statements as this version expects")
