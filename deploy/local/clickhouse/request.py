"""What an HTTP request asks of the server: the statement, its parameters and settings, how it wants the answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deploy.local.clickhouse.errors import ClickHouseError, Code
from deploy.local.clickhouse.statement import Statement, cut

# Names that ClickHouse's HTTP interface keeps for itself; everything else in the URL is a setting.
TRANSPORT = frozenset(
    {
        "query", "database", "default_format", "user", "password", "quota_key", "query_id", "session_id", "session_timeout", "session_check",
        "close_session", "compress", "decompress", "wait_end_of_query", "buffer_size", "stacktrace", "role", "client_protocol_version",
        "enable_http_compression", "http_zlib_compression_level", "send_progress_in_http_headers", "http_headers_progress_interval_ms",
        "http_native_compression_disable_checksumming_on_decompress", "cancel_http_readonly_queries_on_client_close", "http_write_exception_in_output_format",
    }
)  # fmt: skip

_HELLO = re.compile(rb"^\s*SELECT\s+displayName\(\)\s*,\s*version\(\)\s*,\s*revision\(\)\s*,\s*timezone\(\)\s*;?\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Ask:
    """One request. `parameters` are the values of {name:Type}, `settings` what the client set in the URL."""

    statement: Statement
    data: Sequence[bytes] = ()
    database: str = ""
    default_format: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    query_id: str = ""
    reads_only: bool = False
    """True for GET: it must change nothing."""
    encoding: str = ""
    """Content encoding of the answer, empty for none."""
    native_blocks: bool = False
    """True for `compress=1`: the answer goes out in ClickHouse's own compressed blocks."""
    hold: bool = False
    """True for `wait_end_of_query=1`: the status tells of every failure, because nothing is sent before the end."""


def split_parameters(given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """(parameters of the query, settings) of a URL's or form's fields."""
    parameters = {name[len("param_") :]: value for name, value in given.items() if name.startswith("param_")}
    settings = {name: value for name, value in given.items() if name not in TRANSPORT and not name.startswith("param_")}
    for name in settings:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*", name):
            raise ClickHouseError.of(Code.UNKNOWN_SETTING, f"Unknown setting {name[:64]!r}")
    return parameters, settings


def statement_and_data(query: str, body: Sequence[bytes], most: int) -> tuple[Statement, list[bytes]]:
    """Cut what a request carries: the statement may stand in the URL, in the body, or begin in one and go on in the other.

    Raises ClickHouseError for an empty request and a statement of more than `most` bytes.
    """
    if query.strip():
        statement = cut(query.encode(errors="surrogateescape"))
        if statement.inserts_data:
            data = [part for part in (statement.data, *body) if part]
            return _bounded(statement, most), data
        text = query.encode(errors="surrogateescape") + b"\n" + b"".join(body) if body else query.encode(errors="surrogateescape")
    else:
        text = b"".join(body)
    if not text.strip():
        raise ClickHouseError.of(Code.SYNTAX_ERROR, "Empty query")
    if _HELLO.match(text):
        # clickhouse-go takes the revision for the one of its binary protocol; 0 keeps Native plain, which is what goes over HTTP
        text = b"SELECT displayName(), version(), toUInt32(0) AS `revision()`, timezone()"
    statement = cut(text)
    return _bounded(statement, most), [statement.data] if statement.data else []


def _bounded(statement: Statement, most: int) -> Statement:
    if len(statement.sql) > most:
        raise ClickHouseError.of(
            Code.QUERY_IS_TOO_LARGE, f"the statement has {len(statement.sql)} bytes, at most {most} are taken; send data as data"
        )
    return statement


def flag(value: str | None) -> bool:
    """A boolean of a URL."""
    return value is not None and value.lower() not in ("", "0", "false", "no")
