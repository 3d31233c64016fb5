"""Running one request on a lane of the engine, in a thread of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from deploy.local.clickhouse.accounts import Role
from deploy.local.clickhouse.engine import DATABASE, Engine, Held, Lane
from deploy.local.clickhouse.errors import ClickHouseError
from deploy.local.clickhouse.limits import Limits
from deploy.local.clickhouse.request import Ask

CONCATENABLE = frozenset(
    name.lower()
    for name in (
        "Native", "RowBinary", "TabSeparated", "TSV", "TabSeparatedRaw", "TSVRaw", "CSV", "JSONEachRow", "JSONLines", "NDJSON", "JSONStringsEachRow",
        "JSONCompactEachRow", "JSONCompactStringsEachRow", "TSKV", "LineAsString", "RawBLOB", "ArrowStream",
    )
)  # fmt: skip
"""Formats whose blocks, written one behind the other, are the whole; ArrowStream after its schemas are joined (`_join_arrow`)."""


@dataclass
class Tally:
    """What a request did, for X-ClickHouse-Summary, metrics and the log."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    result_bytes: int = 0

    def add(self, held: Held) -> None:
        self.read_rows = max(self.read_rows, held.read_rows)
        self.read_bytes = max(self.read_bytes, held.read_bytes)
        self.written_rows += held.written_rows
        self.written_bytes += held.written_bytes
        self.result_rows += held.result_rows
        self.result_bytes += len(held.data)


def run(engine: Engine, limits: Limits, role: Role, ask: Ask, tally: Tally) -> Iterator[bytes]:
    """Run `ask` and yield its result in pieces. Raises ClickHouseError, at the first piece or later."""
    with engine.lane() as lane:
        _prepare(lane, limits, role, ask)
        yield from _answer(lane, ask, limits, tally)


def _prepare(lane: Lane, limits: Limits, role: Role, ask: Ask) -> None:
    settings = {
        "max_memory_usage": str(limits.query_memory),
        "max_execution_time": str(limits.query_seconds),
        "max_threads": str(limits.threads),
        "async_insert": "0",
        **ask.settings,
    }
    lane.set(settings)
    if ask.database not in ("", "default"):
        lane.use(ask.database)
    else:
        lane.use(DATABASE)


def _answer(lane: Lane, ask: Ask, limits: Limits, tally: Tally) -> Iterator[bytes]:
    statement = ask.statement
    if statement.inserts_data:
        tally.add(lane.insert(statement.sql, statement.data_format, ask.data))
        return
    chosen = statement.output_format or ask.default_format or "TabSeparated"
    if chosen.lower() in CONCATENABLE and _streams(statement.sql):
        blocks = lane.stream(statement.sql, chosen, ask.parameters)
        if chosen.lower() != "arrowstream":
            for held in blocks:
                tally.add(held)
                yield held.data
            return
        empty = True
        for piece in _join_arrow(blocks, tally):
            empty = False
            yield piece
        if not empty:
            return
    lane.set({"max_result_bytes": str(limits.result_bytes), "result_overflow_mode": "throw"})
    held = lane.query(statement.sql, chosen, ask.parameters)
    tally.add(held)
    yield held.data


def _streams(sql: bytes) -> bool:
    return sql.lstrip().lstrip(b"(").lstrip()[:6].upper() in (b"SELECT", b"WITH\n", b"WITH ") or sql.lstrip()[:4].upper() == b"WITH"


class _Sink:
    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> int:
        self.parts.append(bytes(data))
        return len(self.parts[-1])

    def take(self) -> bytes:
        data = b"".join(self.parts)
        self.parts.clear()
        return data

    def flush(self) -> None:
        pass


def _join_arrow(blocks: Iterator[Held], tally: Tally) -> Iterator[bytes]:
    """One Arrow stream of blocks that are each a whole stream."""
    sink = _Sink()
    writer = None
    for held in blocks:
        tally.add(held)
        reader = pa.ipc.open_stream(held.data)
        if writer is None:
            writer = pa.ipc.new_stream(sink, reader.schema)
        for batch in reader:
            writer.write_batch(batch)
        yield sink.take()
    if writer is not None:
        writer.close()
        yield sink.take()


__all__ = ["ClickHouseError", "Tally", "replace", "run"]
