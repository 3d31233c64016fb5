"""Running one request on a lane of the engine, in a thread of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deploy.local.clickhouse import settings, syntax
from deploy.local.clickhouse.accounts import Role
from deploy.local.clickhouse.admission import Gate, refuse_changes
from deploy.local.clickhouse.arrow import joined
from deploy.local.clickhouse.engine import DATABASE, Engine, Held, Lane
from deploy.local.clickhouse.errors import ClickHouseError
from deploy.local.clickhouse.limits import Limits
from deploy.local.clickhouse.policy import Verdict
from deploy.local.clickhouse.request import Ask
from deploy.local.clickhouse.syntax import NotDescribed

_CONCATENABLE = frozenset(
    name.lower()
    for name in (
        "Native",
        "RowBinary",
        "TabSeparated",
        "TSV",
        "TabSeparatedRaw",
        "TSVRaw",
        "CSV",
        "JSONEachRow",
        "JSONLines",
        "NDJSON",
        "JSONStringsEachRow",
        "JSONCompactEachRow",
        "JSONCompactStringsEachRow",
        "TSKV",
        "LineAsString",
        "RawBLOB",
    )
)
"""Formats whose blocks, written one behind the other, are the whole. ArrowStream is one after `arrow.joined`."""

_PLAIN_VALUES_BYTES = 256 * 1024
"""Longest VALUES whose expressions are judged and evaluated; longer ones are read as literals only."""


@dataclass
class Tally:
    """What a request did, for X-ClickHouse-Summary, metrics and the log; filled while it runs."""

    kind: str = "unread"
    output_format: str = ""
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

    def numbers(self) -> dict[str, int]:
        return {name: value for name, value in vars(self).items() if isinstance(value, int)}


@dataclass(frozen=True)
class Runner:
    """Runs requests. One for the process."""

    engine: Engine
    limits: Limits
    gate: Gate

    def run(self, role: Role, ask: Ask, tally: Tally) -> Iterator[bytes]:
        """Run `ask` and yield its result in pieces, nothing if it has none. Raises ClickHouseError, at the first piece or later."""
        settings.check(role, ask.settings, self.limits)
        database = DATABASE if ask.database in ("", "default") else ask.database
        if database not in (DATABASE, "system"):
            raise ClickHouseError(81, "UNKNOWN_DATABASE", f"Database {database[:80]} does not exist")
        with self.engine.lane() as lane:
            lane.set({**settings.base(self.limits, role), **ask.settings, "log_comment": ask.query_id})
            lane.use(database)
            statement = ask.statement
            verdict = self.gate.admit(lane, role, statement.sql, statement.data_format, database, ask.parameters)
            tally.kind = verdict.kind
            if ask.reads_only:
                refuse_changes(verdict)
            if statement.inserts_data:
                if statement.data_format.lower() == "values":
                    self._judge_values(lane, role, ask, database)
                tally.add(lane.insert(statement.sql, statement.source_at, statement.data_format, ask.data))
                return
            tally.output_format = verdict.output_format or ask.default_format or "TabSeparated"
            yield from self._answer(lane, ask, verdict, tally)

    def _answer(self, lane: Lane, ask: Ask, verdict: Verdict, tally: Tally) -> Iterator[bytes]:
        sql = ask.statement.sql
        chosen = tally.output_format.lower()
        self.gate.offer(tally.output_format)
        if verdict.kind == "SelectWithUnionQuery" and chosen in _CONCATENABLE:
            for held in lane.stream(sql, tally.output_format, ask.parameters):
                tally.add(held)
                yield held.data
            return
        if verdict.kind == "SelectWithUnionQuery" and chosen == "arrowstream":
            pieces = joined(lane.stream(sql, tally.output_format, ask.parameters), tally.add)
            first = next(pieces, None)
            if first is not None:
                yield first
                yield from pieces
                return
            # no block came, so no schema came: the engine writes that of an empty result only when it holds the whole
        lane.set({"max_result_bytes": str(self.limits.result_bytes), "result_overflow_mode": "throw"})
        held = lane.query(sql, tally.output_format, ask.parameters)
        tally.add(held)
        yield held.data

    def _judge_values(self, lane: Lane, role: Role, ask: Ask, database: str) -> None:
        """VALUES may hold expressions, which the engine evaluates while it reads the data: they are judged like any others."""
        if sum(map(len, ask.data)) > _PLAIN_VALUES_BYTES:
            return
        text = b"".join(ask.data).strip().rstrip(b";")
        if not text:
            return
        try:
            syntax.parse(lane, b"SELECT " + text)
        except (ClickHouseError, NotDescribed):
            return  # not a list of expressions: read as literals
        self.gate.admit(lane, role, b"SELECT " + text, "", database, {})
        lane.set({"input_format_values_interpret_expressions": "1"})
