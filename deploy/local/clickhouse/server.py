"""The process: folder, secrets, engine, HTTP server, and an orderly end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from pathlib import Path

import structlog
import uvicorn

from deploy.local.clickhouse.accounts import Accounts
from deploy.local.clickhouse.engine import Engine
from deploy.local.clickhouse.front import Front
from deploy.local.clickhouse.limits import Limits
from deploy.local.clickhouse.metrics import Metrics
from deploy.local.state import open_state

log = structlog.get_logger("clickhouse")


def configure_logs() -> None:
    """JSON lines on stderr."""
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True),
                    structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )  # fmt: skip


def listen(port: int) -> socket.socket:
    """A listening socket on loopback; port 0 takes a free one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(512)
    return listener


def serve(state: Path, port: int, limits: Limits) -> None:
    """Serve until SIGTERM or SIGINT. Raises FolderInUse, EngineRefused, StateError, OSError (port taken)."""
    folder = open_state(state, create=True)
    accounts = Accounts(folder.secrets().clickhouse)
    listener = listen(port)
    engine = Engine(folder.clickhouse)
    try:
        asyncio.run(_serve(engine, accounts, limits, listener))
    finally:
        engine.close()
        log.info("stopped")


async def _serve(engine: Engine, accounts: Accounts, limits: Limits, listener: socket.socket) -> None:
    front = Front(engine, accounts, limits, Metrics())
    config = uvicorn.Config(
        front, log_config=None, access_log=False, lifespan="off", interface="asgi3", server_header=False, date_header=False,
        timeout_keep_alive=60, timeout_graceful_shutdown=20, http="httptools", loop="auto", ws="none", h11_max_incomplete_event_size=1 << 20,
    )  # fmt: skip
    server = uvicorn.Server(config)
    loop = asyncio.get_running_loop()
    front.ready = ""
    log.info("listening", address=f"http://127.0.0.1:{listener.getsockname()[1]}", engine=engine.version)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: setattr(server, "should_exit", True))
    await server._serve([listener])  # `serve` would take the signals for itself and raise them again at the end
    await front.close()
