"""ClickHouse's HTTP interface over the engine: an ASGI application."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import structlog

from deploy.local.clickhouse import blocks, encoding, request
from deploy.local.clickhouse.accounts import Accounts, Role
from deploy.local.clickhouse.admission import Gate
from deploy.local.clickhouse.budget import Budget
from deploy.local.clickhouse.engine import Engine
from deploy.local.clickhouse.errors import ClickHouseError, Code
from deploy.local.clickhouse.execute import Runner, Tally
from deploy.local.clickhouse.limits import Limits
from deploy.local.clickhouse.metrics import Metrics
from deploy.local.clickhouse.request import Wish

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

log = structlog.get_logger("clickhouse")

_FIRST_BYTES = 64 * 1024
"""An answer up to this size goes out whole, with its length and a status that tells of every failure."""


class Disconnected(Exception):
    """The client went away, or stopped taking its answer."""


@dataclass
class _Reply:
    """What the thread of a request hands to the event loop: pieces, then one end, which is None or the error."""

    loop: asyncio.AbstractEventLoop
    queue: asyncio.Queue[bytes | ClickHouseError | None] = field(default_factory=lambda: asyncio.Queue(maxsize=4))
    gone: threading.Event = field(default_factory=threading.Event)

    def put(self, item: bytes | ClickHouseError | None) -> None:
        """Called in the thread; waits while the client is slow. Raises Disconnected."""
        if self.gone.is_set():
            raise Disconnected
        asyncio.run_coroutine_threadsafe(self.queue.put(item), self.loop).result()


class Front:
    """The application over an open engine. `refusal` says why the server is not ready; empty once it is."""

    def __init__(self, engine: Engine, accounts: Accounts, limits: Limits, metrics: Metrics) -> None:
        self._engine = engine
        self._accounts = accounts
        self._limits = limits
        self._metrics = metrics
        self._runner = Runner(engine, limits, Gate(limits))
        self._threads = ThreadPoolExecutor(limits.slots, thread_name_prefix="lane")
        self._slots = asyncio.Semaphore(limits.slots)
        self._bodies = Budget(limits.held_bytes)
        self._waiting = 0
        self.refusal = "starting"

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        if path in ("/ping", "/replicas_status", "/healthz"):
            await _plain(send, 200, b"Ok.\n")
        elif path == "/metrics":
            await _plain(send, 200, self._metrics.render(), "text/plain; version=0.0.4; charset=utf-8")
        elif path == "/readyz":
            await _plain(send, 503 if self.refusal else 200, (self.refusal or "Ok.").encode() + b"\n")
        elif path == "/" and method == "GET" and not scope["query_string"]:
            await _plain(send, 200, b"Ok.\n")
        elif path in ("/", "/query") and method in ("GET", "POST", "HEAD"):
            await self._query(scope, receive, send)
        else:
            await _plain(send, 404, f"There is no handle {method} {path[:200]}\n".encode())

    async def close(self, seconds: float) -> bool:
        """Wait for the requests inside the engine, cancelling what still runs after `seconds`. False if some would not end."""
        self.refusal = "stopping"
        loop = asyncio.get_running_loop()
        ended = loop.run_in_executor(None, self._threads.shutdown)
        for cancel in (False, True):
            if cancel:
                await loop.run_in_executor(None, self._engine.cancel_all)
            done, _ = await asyncio.wait([ended], timeout=seconds)
            if done:
                return True
        return False

    # --- one request ---

    async def _query(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        given = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, errors="surrogateescape"))
        query_id = given.get("query_id") or headers.get("x-clickhouse-query-id") or str(uuid.uuid4())
        wish = Wish(scope["method"], headers, given, query_id)
        tally = Tally()
        role = ""
        status = 499
        begun = time.monotonic()
        reserved = 0
        try:
            account = self._accounts.role(headers, given)
            role = account.value
            body, reserved = await self._body(headers, receive)
            begun = time.monotonic()
            await self._run(account, wish, body, tally, receive, send)
            status = 200
        except Disconnected:
            log.info("client gone", role=role, query_id=query_id)
        except ClickHouseError as error:
            status = error.status
            self._metrics.errors.labels(str(error.code)).inc()
            log.warning("refused", role=role, query_id=query_id, kind=tally.kind, code=error.code, name=error.name)
            await self._fail(send, error, wish, tally)
        finally:
            self._bodies.release(reserved)
            self._count(role, tally, status, time.monotonic() - begun, query_id)

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> tuple[list[bytes], int]:
        """The body as it came, and how many bytes of the budget it holds. Raises ClickHouseError, Disconnected."""
        limit = self._limits.body_bytes
        too_large = ClickHouseError.of(Code.LIMIT_EXCEEDED, f"the body has more than {limit} bytes; send it in parts")
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > limit:
            raise too_large
        parts: list[bytes] = []
        size = 0
        try:
            while True:
                try:
                    message = await asyncio.wait_for(receive(), self._limits.idle_seconds)
                except TimeoutError:
                    raise ClickHouseError.of(
                        Code.SOCKET_TIMEOUT, f"nothing of the body arrived for {self._limits.idle_seconds:g} s"
                    ) from None
                if message["type"] == "http.disconnect":
                    raise Disconnected
                part = message.get("body", b"")
                if part:
                    if size + len(part) > limit:
                        raise too_large
                    await self._bodies.reserve(len(part), self._limits.wait_seconds)
                    parts.append(part)
                    size += len(part)
                if not message.get("more_body"):
                    break
        except BaseException:
            self._bodies.release(size)
            raise
        self._metrics.body_bytes.labels("in").inc(size)
        return parts, size

    async def _run(self, role: Role, wish: Wish, body: Sequence[bytes], tally: Tally, receive: Receive, send: Send) -> None:
        await self._enter()
        reply = _Reply(asyncio.get_running_loop())
        self._metrics.running.inc()
        work = reply.loop.run_in_executor(self._threads, self._work, role, wish, body, tally, reply)
        watch = asyncio.ensure_future(receive())
        try:
            await self._deliver(wish, tally, reply, watch, send)
        finally:
            watch.cancel()
            reply.gone.set()
            if not work.done() and not tally.written_rows:
                await self._abandon(wish, tally, reply, work)
            await asyncio.wait([work])
            self._metrics.running.dec()
            self._slots.release()

    async def _abandon(self, wish: Wish, tally: Tally, reply: _Reply, work: asyncio.Future[None]) -> None:
        """Nobody waits for the answer: let the thread go on past its full queue, and cancel a query that only reads."""
        tried = False
        while not work.done():
            while not reply.queue.empty():
                reply.queue.get_nowait()
            await asyncio.wait([work], timeout=0.05)
            if not work.done() and not tried and tally.kind in ("SelectWithUnionQuery", "ExplainQuery"):
                tried = True
                await reply.loop.run_in_executor(None, self._engine.cancel, wish.query_id)

    async def _enter(self) -> None:
        if self._slots.locked() and self._waiting >= self._limits.waiting:
            raise ClickHouseError.of(
                Code.TOO_MANY_SIMULTANEOUS_QUERIES, f"{self._limits.slots} requests run and {self._waiting} wait; try again later"
            )
        self._waiting += 1
        self._metrics.waiting.set(self._waiting)
        try:
            await asyncio.wait_for(self._slots.acquire(), self._limits.wait_seconds)
        except TimeoutError:
            raise ClickHouseError.of(
                Code.TOO_MANY_SIMULTANEOUS_QUERIES, f"no slot became free in {self._limits.wait_seconds:g} s; try again later"
            ) from None
        finally:
            self._waiting -= 1
            self._metrics.waiting.set(self._waiting)

    def _work(self, role: Role, wish: Wish, body: Sequence[bytes], tally: Tally, reply: _Reply) -> None:
        """In a thread: read, run, encode, hand over."""
        try:
            try:
                ask = request.read(wish, body, self._limits)
                encode = encoding.encoder(wish.encoding) if wish.encoding else blocks.Packer() if wish.native_blocks else None
                pieces = self._runner.run(role, ask, tally)
                try:
                    for piece in pieces:
                        out = encode.feed(piece) if encode else piece
                        if out:
                            reply.put(out)
                    if encode and (out := encode.end()):
                        reply.put(out)
                finally:
                    pieces.close()  # type: ignore[attr-defined]
                reply.put(None)
            except ClickHouseError as error:
                reply.put(error)
            except Disconnected:
                raise
            except Exception as error:
                log.exception("failed inside the front", query_id=wish.query_id)
                reply.put(ClickHouseError.of(Code.STD_EXCEPTION, f"{type(error).__name__}: {error}"))
        except Disconnected:
            pass

    # --- the answer ---

    async def _deliver(self, wish: Wish, tally: Tally, reply: _Reply, watch: asyncio.Future[Message], send: Send) -> None:
        """Send the answer. Raises ClickHouseError while nothing is sent yet, Disconnected."""
        most = self._limits.hold_bytes if wish.hold else _FIRST_BYTES
        held: list[bytes] = []
        size = 0
        tag = ""
        while True:
            item = await _either(reply.queue.get(), watch)
            if isinstance(item, ClickHouseError):
                if not tag:
                    raise item
                await self._fail_midway(send, item, wish, tag)
                return
            if item is None:
                break
            self._metrics.body_bytes.labels("out").inc(len(item))
            if not tag and size + len(item) <= most:
                held.append(item)
                size += len(item)
                continue
            if not tag:
                tag = secrets.token_hex(8)
                await self._send(send, self._start(wish, tally, tag, None))
                if held:
                    await self._send(send, {"type": "http.response.body", "body": b"".join(held), "more_body": True})
                    held.clear()
            await self._send(send, {"type": "http.response.body", "body": item, "more_body": True})
        if not tag:
            await self._send(send, self._start(wish, tally, "", size))
        await self._send(send, {"type": "http.response.body", "body": b"".join(held)})

    async def _send(self, send: Send, message: Message) -> None:
        try:
            await asyncio.wait_for(send(message), self._limits.idle_seconds)
        except TimeoutError:
            raise Disconnected from None

    def _start(self, wish: Wish, tally: Tally, tag: str, length: int | None) -> Message:
        headers = self._headers(wish, tally)
        if tally.output_format:
            headers.append((b"x-clickhouse-format", tally.output_format.encode()))
        headers.append((b"content-type", _content_type(tally.output_format)))
        if wish.encoding:
            headers.append((b"content-encoding", wish.encoding.encode()))
        if tag:
            headers.append((b"x-clickhouse-exception-tag", tag.encode()))
        if length is not None:
            headers.append((b"content-length", str(length).encode()))
        return {"type": "http.response.start", "status": 200, "headers": headers}

    def _headers(self, wish: Wish, tally: Tally) -> list[tuple[bytes, bytes]]:
        summary = {name: str(value) for name, value in tally.numbers().items()}
        return [
            (b"x-clickhouse-query-id", _header(wish.query_id)),
            (b"x-clickhouse-server-display-name", _header(self._engine.display_name)),
            (b"x-clickhouse-timezone", _header(wish.given.get("session_timezone") or self._engine.timezone)),
            (b"x-clickhouse-summary", json.dumps(summary).encode()),
        ]

    async def _fail(self, send: Send, error: ClickHouseError, wish: Wish, tally: Tally) -> None:
        body = error.body(self._engine.version)
        headers = self._headers(wish, tally)
        headers.append((b"x-clickhouse-exception-code", str(error.code).encode()))
        headers.append((b"content-type", b"text/plain; charset=UTF-8"))
        headers.append((b"content-length", str(len(body)).encode()))
        if error.status == 401:
            headers.append((b"www-authenticate", b'Basic realm="ClickHouse server HTTP API"'))
        await send({"type": "http.response.start", "status": error.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _fail_midway(self, send: Send, error: ClickHouseError, wish: Wish, tag: str) -> None:
        """Part of the answer is out: append the exception as newer servers do, framed by the tag that the headers announced."""
        self._metrics.errors.labels(str(error.code)).inc()
        log.warning("failed midway", query_id=wish.query_id, code=error.code, name=error.name)
        message = error.body(self._engine.version)
        mark = tag.encode()
        trailer = b"\r\n__exception__\r\n" + mark + b"\r\n" + message + str(len(message)).encode() + b" " + mark + b"\r\n__exception__\r\n"
        if wish.encoding:
            encode = encoding.encoder(wish.encoding)
            trailer = encode.feed(trailer) + encode.end()
        await self._send(send, {"type": "http.response.body", "body": trailer})

    def _count(self, role: str, tally: Tally, status: int, seconds: float, query_id: str) -> None:
        self._metrics.requests.labels(role or "none", tally.kind, str(status)).inc()
        self._metrics.seconds.labels(tally.kind).observe(seconds)
        self._metrics.rows.labels("read").inc(tally.read_rows)
        self._metrics.rows.labels("returned").inc(tally.result_rows)
        self._metrics.rows.labels("written").inc(tally.written_rows)
        log.debug("request", role=role, kind=tally.kind, status=status, query_id=query_id, seconds=round(seconds, 4), **tally.numbers())


async def _either(wanted: Awaitable[Any], watch: asyncio.Future[Message]) -> Any:
    """The result of `wanted`, or Disconnected if the client goes first."""
    task = asyncio.ensure_future(wanted)
    await asyncio.wait([task, watch], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        return task.result()
    task.cancel()
    raise Disconnected


def _content_type(output_format: str) -> bytes:
    name = output_format.lower()
    if name.startswith(("jsoneachrow", "jsonlines", "ndjson")):
        return b"application/x-ndjson; charset=UTF-8"
    if name.startswith("json"):
        return b"application/json; charset=UTF-8"
    if name.startswith("csv"):
        return b"text/csv; charset=UTF-8; header=present" if "names" in name else b"text/csv; charset=UTF-8; header=absent"
    if name.startswith(("tabseparated", "tsv")):
        return b"text/tab-separated-values; charset=UTF-8"
    if name in ("native", "rowbinary", "arrow", "arrowstream", "parquet", "orc", "avro", "msgpack") or name.startswith("rowbinary"):
        return b"application/octet-stream"
    return b"text/plain; charset=UTF-8"


def _header(value: str) -> bytes:
    return "".join(c if 32 <= ord(c) < 127 else "?" for c in value[:256]).encode()


async def _plain(send: Send, status: int, body: bytes, content_type: str = "text/plain; charset=UTF-8") -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
