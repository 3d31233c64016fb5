"""Liveness and readiness of a process, and the small HTTP server that shows them with the metrics.

`/healthz` answers 200 while the main loop beats; `/readyz` answers 200 while nothing keeps the process from working, with the reasons as
JSON either way; `/metrics` is Prometheus text. The server listens on loopback unless told otherwise.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from streams.metrics import Metrics

SILENCE = 60.0
"""Seconds without a beat after which a process counts as hung."""


class Health:
    """What a process says about itself; safe to use from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._beat = clock()
        self._obstacles: dict[str, str] = {"start": "starting"}

    def beat(self) -> None:
        """The main loop went round."""
        self._beat = self._clock()

    def ready(self, part: str = "start") -> None:
        """Nothing keeps this part from working. The part `start` exists from the beginning."""
        with self._lock:
            self._obstacles.pop(part, None)

    def hindered(self, part: str, reason: str) -> None:
        """This part cannot work, and why."""
        with self._lock:
            self._obstacles[part] = reason

    def obstacles(self) -> Mapping[str, str]:
        with self._lock:
            return dict(self._obstacles)

    def alive(self) -> bool:
        return self._clock() - self._beat < SILENCE


class HealthServer:
    """Serves /metrics, /healthz and /readyz from a thread of its own until closed. `port` is the one it got."""

    def __init__(self, metrics: Metrics, health: Health, *, port: int = 0, host: str = "127.0.0.1") -> None:
        class Handler(_Handler):
            pages: Mapping[str, Callable[[], tuple[HTTPStatus, str, bytes]]] = {
                "/metrics": lambda: (HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(metrics.registry)),
                "/healthz": lambda: _json(health.alive(), {"alive": health.alive()}),
                "/readyz": lambda: _json(not health.obstacles(), {"ready": not health.obstacles(), "obstacles": health.obstacles()}),
            }

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.url = f"http://{host}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> HealthServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _json(good: bool, value: object) -> tuple[HTTPStatus, str, bytes]:
    return (
        (HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE),
        "application/json",
        json.dumps(value, sort_keys=True).encode() + b"\n",
    )


class _Handler(BaseHTTPRequestHandler):
    pages: Mapping[str, Callable[[], tuple[HTTPStatus, str, bytes]]] = {}
    timeout = 10
    server_version = "riverseq"
    sys_version = ""

    def do_GET(self) -> None:
        page = self.pages.get(self.path.partition("?")[0])
        status, kind, body = page() if page else (HTTPStatus.NOT_FOUND, "text/plain", b"try /metrics, /healthz or /readyz\n")
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class writes every request to standard error
        del format, args
