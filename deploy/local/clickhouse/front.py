"""ClickHouse's HTTP interface over the engine: an ASGI application."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import structlog

from deploy.local.clickhouse import encoding
from deploy.local.clickhouse.accounts import Accounts, Role
from deploy.local.clickhouse.engine import Engine
from deploy.local.clickhouse.errors import ClickHouseError, Code
from deploy.local.clickhouse.execute import Tally, run
from deploy.local.clickhouse.limits import Limits
from deploy.local.clickhouse.metrics import Metrics
from deploy.local.clickhouse.request import Ask, flag, split_parameters, statement_and_data

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

log = structlog.get_logger("clickhouse")


class Disconnected(Exception):
    """The client went away."""


@dataclass
class _Reply:
    """What the thread of a request hands to the event loop: pieces, then one end."""

    loop: asyncio.AbstractEventLoop
    queue: asyncio.Queue[bytes | BaseException | None] = field(default_factory=lambda: asyncio.Queue(maxsize=4))
    gone: threading.Event = field(default_factory=threading.Event)

    def put(self, item: bytes | BaseException | None) -> None:
        if self.gone.is_set():
            raise Disconnected
        asyncio.run_coroutine_threadsafe(self.queue.put(item), self.loop).result()


class Front:
    """The application. `engine` is open; `close` waits for the requests inside."""

    def __init__(self, engine: Engine, accounts: Accounts, limits: Limits, metrics: Metrics) -> None:
        self._engine = engine
        self._accounts = accounts
        self._limits = limits
        self._metrics = metrics
        self._threads = ThreadPoolExecutor(limits.slots, thread_name_prefix="lane")
        self._slots = asyncio.Semaphore(limits.slots)
        self._waiting = 0
        self.ready: str = "starting"
        """Empty once the server answers as it must, else why not."""

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        if path in ("/ping", "/replicas_status", "/healthz"):
            await _plain(send, 200, b"Ok.\n")
        elif path == "/metrics":
            await _plain(send, 200, self._metrics.render(), "text/plain; version=0.0.4; charset=utf-8")
        elif path == "/readyz":
            await _plain(send, 503 if self.ready else 200, (self.ready or "Ok.").encode() + b"\n")
        elif path in ("/", "/query", "") and method in ("GET", "POST", "HEAD"):
            await self._query(scope, receive, send)
        else:
            await _plain(send, 404, f"There is no handle {method} {path}\n".encode())

    async def _query(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        given = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, errors="surrogateescape"))
        query_id = given.get("query_id") or headers.get("x-clickhouse-query-id") or str(uuid.uuid4())
        tally = Tally()
        begun = time.monotonic()
        try:
            role = self._accounts.role(headers, given)
            body = await self._body(headers, receive)
            ask = self._ask(scope["method"], headers, given, body, query_id)
            await self._run(role, ask, tally, receive, send, begun)
        except Disconnected:
            pass
        except ClickHouseError as error:
            self._metrics.errors.labels(str(error.code)).inc()
            await self._fail(send, error, query_id, tally)

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> list[bytes]:
        limit = self._limits.body_bytes
        too_large = ClickHouseError.of(Code.LIMIT_EXCEEDED, f"the body has more than {limit} bytes; send it in parts")
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > limit:
            raise too_large
        parts: list[bytes] = []
        size = 0
        while True:
            try:
                message = await asyncio.wait_for(receive(), self._limits.idle_seconds)
            except TimeoutError:
                raise ClickHouseError.of(Code.SOCKET_TIMEOUT, f"nothing of the body arrived for {self._limits.idle_seconds:g} s") from None
            if message["type"] == "http.disconnect":
                raise Disconnected
            part = message.get("body", b"")
            if part:
                parts.append(part)
                size += len(part)
                if size > limit:
                    raise too_large
            if not message.get("more_body"):
                break
        self._metrics.body_bytes.labels("in").inc(size)
        return encoding.decode(headers.get("content-encoding", ""), parts, limit)

    def _ask(self, method: str, headers: Mapping[str, str], given: Mapping[str, str], body: list[bytes], query_id: str) -> Ask:
        parameters, settings = split_parameters(given)
        statement, data = statement_and_data(given.get("query", ""), body, self._limits.query_bytes)
        encode = flag(given.get("enable_http_compression"))
        return Ask(
            statement=statement,
            data=data,
            database=given.get("database") or headers.get("x-clickhouse-database", ""),
            default_format=given.get("default_format") or headers.get("x-clickhouse-format", ""),
            parameters=parameters,
            settings=settings,
            query_id=query_id,
            reads_only=method != "POST",
            encoding=encoding.choose(headers.get("accept-encoding", "")) if encode else "",
            hold=flag(given.get("wait_end_of_query")),
        )

    async def _run(self, role: Role, ask: Ask, tally: Tally, receive: Receive, send: Send, begun: float) -> None:
        await self._enter()
        reply = _Reply(asyncio.get_running_loop())
        kind = "insert" if ask.statement.inserts_data else "query"
        self._metrics.running.inc()
        try:
            work = reply.loop.run_in_executor(self._threads, self._work, role, ask, tally, reply)
            status = await self._deliver(ask, tally, reply, receive, send)
            await work
        finally:
            reply.gone.set()
            self._metrics.running.dec()
            self._slots.release()
        seconds = time.monotonic() - begun
        self._metrics.requests.labels(role.value, kind, str(status)).inc()
        self._metrics.seconds.labels(kind).observe(seconds)
        log.info("request", role=role.value, kind=kind, status=status, query_id=ask.query_id, seconds=round(seconds, 4), **asdict(tally))

    async def _enter(self) -> None:
        if self._slots.locked() and self._waiting >= self._limits.waiting:
            raise ClickHouseError.of(
                Code.TOO_MANY_SIMULTANEOUS_QUERIES, f"{self._limits.slots} requests run and {self._waiting} wait; try again later"
            )
        self._waiting += 1
        try:
            await asyncio.wait_for(self._slots.acquire(), self._limits.wait_seconds)
        except TimeoutError:
            raise ClickHouseError.of(
                Code.TOO_MANY_SIMULTANEOUS_QUERIES, f"no slot became free in {self._limits.wait_seconds:g} s; try again later"
            ) from None
        finally:
            self._waiting -= 1

    def _work(self, role: Role, ask: Ask, tally: Tally, reply: _Reply) -> None:
        """In a thread: run, encode, hand over. The end of the reply is None or the error."""
        pieces: Iterator[bytes] = run(self._engine, self._limits, role, ask, tally)
        encode = encoding.encoder(ask.encoding) if ask.encoding else None
        try:
            try:
                for piece in pieces:
                    out = encode.feed(piece) if encode else piece
                    if out:
                        reply.put(out)
                if encode and (out := encode.end()):
                    reply.put(out)
                reply.put(None)
            except Disconnected:
                raise
            except ClickHouseError as error:
                reply.put(error)
            except Exception as error:
                log.exception("request failed inside the front", query_id=ask.query_id)
                reply.put(ClickHouseError.of(Code.UNKNOWN_EXCEPTION, f"{type(error).__name__}: {error}"))
        except Disconnected:
            pass
        finally:
            pieces.close()  # type: ignore[attr-defined]

    async def _deliver(self, ask: Ask, tally: Tally, reply: _Reply, receive: Receive, send: Send) -> int:
        held: list[bytes] = []
        size = 0
        started = False
        tag = ""
        while True:
            item = await reply.queue.get()
            if isinstance(item, ClickHouseError):
                if not started:
                    raise item
                raise item
            if isinstance(item, BaseException):
                raise item
            if item is None:
                break
            if ask.hold or not started and size + len(item) < 65536:
                held.append(item)
                size += len(item)
                continue
            if not started:
                started = True
                tag = secrets.token_hex(8)
                await send(self._start(ask, tally, tag))
                for part in held:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                held.clear()
            await send({"type": "http.response.body", "body": item, "more_body": True})
        if not started:
            await send(self._start(ask, tally, "", sum(map(len, held))))
        await send({"type": "http.response.body", "body": b"".join(held)})
        return 200

    def _start(self, ask: Ask, tally: Tally, tag: str, length: int | None = None) -> Message:
        headers = self._headers(ask.query_id, tally)
        if not ask.statement.inserts_data:
            headers.append((b"x-clickhouse-format", (ask.statement.output_format or ask.default_format or "TabSeparated").encode()))
        if ask.encoding:
            headers.append((b"content-encoding", ask.encoding.encode()))
        if tag:
            headers.append((b"x-clickhouse-exception-tag", tag.encode()))
        if length is not None:
            headers.append((b"content-length", str(length).encode()))
        headers.append((b"content-type", b"text/plain; charset=UTF-8"))
        return {"type": "http.response.start", "status": 200, "headers": headers}

    def _headers(self, query_id: str, tally: Tally) -> list[tuple[bytes, bytes]]:
        summary = {name: str(value) for name, value in asdict(tally).items()}
        return [
            (b"x-clickhouse-query-id", query_id.encode("latin-1", errors="replace")),
            (b"x-clickhouse-server-display-name", self._engine.display_name.encode()),
            (b"x-clickhouse-timezone", self._engine.timezone.encode()),
            (b"x-clickhouse-summary", json.dumps(summary).encode()),
        ]

    async def _fail(self, send: Send, error: ClickHouseError, query_id: str, tally: Tally) -> None:
        body = error.body(self._engine.version)
        headers = self._headers(query_id, tally)
        headers += [
            (b"x-clickhouse-exception-code", str(error.code).encode()),
            (b"content-type", b"text/plain; charset=UTF-8"),
            (b"content-length", str(len(body)).encode()),
        ]
        if error.status == 401:
            headers.append((b"www-authenticate", b'Basic realm="ClickHouse server HTTP API"'))
        await send({"type": "http.response.start", "status": error.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)


async def _plain(send: Send, status: int, body: bytes, content_type: str = "text/plain; charset=UTF-8") -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
