"""The connection to ClickHouse: one thin typed wrapper, the same over the embedded engine, a server and a cluster.

Errors are of two kinds, because callers do two different things with them: `Unavailable` (the server is away, overloaded or full: wait and
ask again; every write of riverseq may be repeated) and `Rejected` (the server understood and said no: asking again changes nothing).
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import pyarrow as pa
from clickhouse_connect.driver import create_client
from clickhouse_connect.driver import exceptions as driver

T = TypeVar("T")

DEDUPLICATION_WINDOW = 10_000
"""Inserts whose tokens a table remembers; every table states it, ClickHouse's default is 0: tokens ignored."""

SETTINGS: Mapping[str, int] = {
    "async_insert": 0,  # an acknowledged insert is in the table
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "mutations_sync": 2,  # a deletion is done when it answers
    "join_use_nulls": 0,
}
"""Sent with every request, and read back at start: a server that overrules one of them would lose or double rows."""

_INSERT: Mapping[str, int] = {
    "optimize_on_insert": 0,  # a batch holds no row twice: merging it with itself took 40 % of an insert
    "max_threads": 1,  # one block, one thread: threads that wait cost more than they save
    "max_insert_threads": 1,
    "input_format_parallel_parsing": 0,
}

# ClickHouse error codes (src/Common/ErrorCodes.cpp) after which the same request may succeed later
_PASSING = {
    159: "TIMEOUT_EXCEEDED",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    203: "NO_FREE_CONNECTION",
    209: "SOCKET_TIMEOUT",
    210: "NETWORK_ERROR",
    225: "NO_ZOOKEEPER",
    236: "ABORTED",
    241: "MEMORY_LIMIT_EXCEEDED",
    242: "TABLE_IS_READ_ONLY",
    243: "NOT_ENOUGH_SPACE",
    252: "TOO_MANY_PARTS",
    319: "UNKNOWN_STATUS_OF_INSERT",
    394: "QUERY_WAS_CANCELLED",
    999: "KEEPER_EXCEPTION",
}
_UNKNOWN_DATABASE = 81
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds


class StoreError(Exception):
    """ClickHouse did not do what was asked."""


class Unavailable(StoreError):
    """The server is away, overloaded, or out of space: keep the work and ask again."""


class Rejected(StoreError):
    """The server refused. `code` and `name` are ClickHouse's."""

    def __init__(self, message: str, code: int = 0, name: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.name = name


class WrongSettings(StoreError):
    """The server overrules a setting, or a table lacks one, on which exactly-once landing rests."""


def connect(dsn: str, *, patience: float = 30.0, create: bool = False) -> Client:
    """Connect to `http[s]://user:password@host:port/database`.

    Every request that meets an unavailable server is repeated, with growing random pauses, for `patience` seconds. `create` makes the
    database where it does not exist. Raises Unavailable, Rejected (wrong password, unknown database), WrongSettings.
    """
    parts = urlsplit(dsn)
    database = parts.path.strip("/") or "riverseq"
    loopback = parts.hostname in ("127.0.0.1", "localhost", "::1")

    def open_(name: str) -> Any:
        return create_client(
            dsn=urlunsplit(parts._replace(path=f"/{name}")),
            compress=False if loopback else "lz4",  # bytes over loopback are cheaper than compressing them
            autogenerate_session_id=False,  # sessions would serialise the threads that share this client
            query_retries=0,
            send_receive_timeout=600,
            settings=dict(SETTINGS),
        )

    try:
        raw = _persist(lambda: open_(database), patience)
    except Rejected as error:
        if not create or error.code != _UNKNOWN_DATABASE:
            raise
        _persist(lambda: open_("default").command(f"CREATE DATABASE IF NOT EXISTS `{database}`"), patience)
        raw = _persist(lambda: open_(database), patience)
    client = Client(raw, database, compress=not loopback, patience=patience)
    client.assert_settings()
    return client


class Client:
    """Made by `connect`. Threads may share one; a query parameter is written `{name:Type}` in the SQL."""

    def __init__(self, raw: Any, database: str, *, compress: bool, patience: float) -> None:
        self._raw = raw
        self._patience = patience
        self._options = pa.ipc.IpcWriteOptions(compression="lz4" if compress else None, use_threads=False)
        self.database = database

    @property
    def server_version(self) -> str:
        return str(self._raw.server_version)

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Rows of a query, as tuples."""
        return [tuple(row) for row in self._persist(lambda: self._raw.query(sql, parameters=dict(parameters or {})).result_rows)]

    def records(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Rows of a query, by column name."""
        result = self._persist(lambda: self._raw.query(sql, parameters=dict(parameters or {})))
        return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]

    def value(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """The only value of a query with one row and one column."""
        return self.rows(sql, parameters)[0][0]

    def arrow(self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None) -> pa.Table:
        """A query's result as an Arrow table; strings come as strings."""
        return self._persist(
            lambda: self._raw.query_arrow(sql, parameters=dict(parameters or {}), settings=dict(settings or {}), use_strings=True)
        )

    def command(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Run a statement without a result: DDL, a mutation, INSERT SELECT. It must be harmless to run twice."""
        self._persist(lambda: self._raw.command(sql, parameters=dict(parameters or {})))

    def insert(self, table: str, rows: pa.RecordBatch, token: str) -> None:
        """Insert one batch as one block under a deduplication token: the same token again, within the table's window, adds nothing.

        Returns when the rows are in the table. Columns that the batch lacks take the table's defaults.
        """
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema, options=self._options) as writer:
            writer.write_batch(rows)
        body = sink.getvalue().to_pybytes()
        settings = {**_INSERT, "insert_deduplication_token": token}
        # without a list of columns: the stream names its own
        self._persist(lambda: self._raw.raw_insert(table, None, body, settings, "ArrowStream"))

    def insert_rows(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], token: str) -> None:
        """Insert a few Python rows (control tables) under a token, as `insert` does for many. Maps and named tuples are dicts."""
        body = "\n".join(json.dumps(list(row), separators=(",", ":")) for row in rows).encode()
        settings = {**_INSERT, "insert_deduplication_token": token}
        # as JSON, because the driver's own insert asks for the table's columns first: one more request for each chunk's ledger row
        self._persist(lambda: self._raw.raw_insert(table, list(columns), body, settings, "JSONCompactEachRow"))

    def assert_settings(self) -> None:
        """Read back SETTINGS as the server applies them. Raises WrongSettings naming the first that differs."""
        names = ", ".join(f"'{name}'" for name in SETTINGS)
        found = dict(self.rows(f"SELECT name, value FROM system.settings WHERE name IN ({names})"))
        for name, wanted in SETTINGS.items():
            if found.get(name) != str(wanted):
                raise WrongSettings(
                    f"{name} is {found.get(name, 'unknown')} on this server and must be {wanted}: "
                    "remove the constraint from the user's profile, or use a ClickHouse that has the setting"
                )

    def close(self) -> None:
        self._raw.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _persist(self, call: Callable[[], T]) -> T:
        return _persist(call, self._patience)


def _persist(call: Callable[[], T], patience: float) -> T:
    deadline = time.monotonic() + patience
    pause = _FIRST_PAUSE
    while True:
        try:
            return call()
        except (driver.Error, OSError) as error:
            typed = _typed(error)
            if isinstance(typed, Rejected) or time.monotonic() + pause > deadline:
                raise typed from error
        # jitter: the workers that lost one server together must not return to it together
        time.sleep(random.uniform(pause / 2, pause))  # noqa: S311
        pause = min(2 * pause, _LONGEST_PAUSE)


def _typed(error: Exception) -> StoreError:
    code = getattr(error, "code", None)
    message = " ".join(str(error).split())[:2000]
    if code is None and isinstance(error, driver.OperationalError | OSError):
        return Unavailable(f"ClickHouse does not answer: {message}")
    if code in _PASSING:
        return Unavailable(f"ClickHouse cannot now: {message}")
    return Rejected(message, code or 0, getattr(error, "name", None) or "")
