"""What an HTTP request asks of the server: the statement, its parameters and settings, how it wants the answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP

from deploy.local.clickhouse import blocks, encoding
from deploy.local.clickhouse.errors import ClickHouseError, Code
from deploy.local.clickhouse.limits import Limits
from deploy.local.clickhouse.statement import Statement, cut

# Names that ClickHouse's HTTP interface keeps for itself; everything else in the URL is a setting.
_TRANSPORT = frozenset(
    {
        "query",
        "database",
        "default_format",
        "user",
        "password",
        "quota_key",
        "query_id",
        "session_id",
        "session_timeout",
        "session_check",
        "close_session",
        "compress",
        "decompress",
        "wait_end_of_query",
        "buffer_size",
        "stacktrace",
        "role",
        "client_protocol_version",
        "enable_http_compression",
        "http_zlib_compression_level",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "http_native_compression_disable_checksumming_on_decompress",
        "cancel_http_readonly_queries_on_client_close",
        "http_write_exception_in_output_format",
        "add_http_cors_header",
        "max_query_size",
    }
)

_HELLO = re.compile(rb"^\s*SELECT\s+displayName\(\)\s*,\s*version\(\)\s*,\s*revision\(\)\s*,\s*timezone\(\)\s*;?\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Wish:
    """What is known of a request from its line and headers, before its body: who it is and how it wants to be answered."""

    method: str
    headers: Mapping[str, str]
    given: Mapping[str, str]
    """Fields of the URL."""
    query_id: str

    @property
    def encoding(self) -> str:
        """Content encoding of the answer, empty for none."""
        if self.native_blocks or not flag(self.given.get("enable_http_compression")):
            return ""
        return encoding.choose(self.headers.get("accept-encoding", ""))

    @property
    def native_blocks(self) -> bool:
        """True for `compress=1`: the answer goes out in ClickHouse's own compressed blocks."""
        return flag(self.given.get("compress"))

    @property
    def hold(self) -> bool:
        """True for `wait_end_of_query=1`: the status tells of every failure, because nothing is sent before the end."""
        return flag(self.given.get("wait_end_of_query"))


@dataclass(frozen=True)
class Ask:
    """One request, read. `parameters` are the values of {name:Type}, `settings` what the client set in the URL."""

    statement: Statement
    data: Sequence[bytes] = ()
    database: str = ""
    default_format: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    query_id: str = ""
    reads_only: bool = False
    """True for GET: it must change nothing."""


def read(wish: Wish, body: Sequence[bytes], limits: Limits) -> Ask:
    """Read a request whose whole body is there. Raises ClickHouseError."""
    given = dict(wish.given)
    parts = encoding.decode(wish.headers.get("content-encoding", ""), body, limits.body_bytes)
    if flag(given.get("decompress")):
        parts = blocks.unpack(parts, limits.body_bytes)
    if wish.headers.get("content-type", "").startswith("multipart/form-data"):
        given.update(_form(wish.headers["content-type"], parts))
        parts = []
    parameters = {name[len("param_") :]: value for name, value in given.items() if name.startswith("param_")}
    settings = {name: value for name, value in given.items() if name not in _TRANSPORT and not name.startswith("param_")}
    for name in settings:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*", name):
            raise ClickHouseError.of(Code.UNKNOWN_SETTING, f"Unknown setting {name[:64]!r}")
    statement, data = _statement_and_data(given.get("query", ""), parts, limits.query_bytes)
    return Ask(
        statement=statement,
        data=data,
        database=given.get("database") or wish.headers.get("x-clickhouse-database", ""),
        default_format=given.get("default_format") or wish.headers.get("x-clickhouse-format", ""),
        parameters=parameters,
        settings=settings,
        query_id=wish.query_id,
        reads_only=wish.method != "POST",
    )


def _statement_and_data(query: str, body: Sequence[bytes], most: int) -> tuple[Statement, list[bytes]]:
    """Cut what a request carries: the statement may stand in the URL, in the body, or begin in one and go on in the other."""
    text = query.encode(errors="surrogateescape")
    if text.strip():
        statement = cut(text)
        if statement.inserts_data:
            return _bounded(statement, most), [part for part in (statement.data, *body) if part]
        text += b"\n"
    if len(body) == 1 and not text:
        text = body[0]
    else:
        text += b"".join(body)
    if not text.strip():
        raise ClickHouseError.of(Code.SYNTAX_ERROR, "Empty query")
    if _HELLO.match(text[:256]):
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


def _form(content_type: str, parts: Sequence[bytes]) -> dict[str, str]:
    """Fields of a form (clickhouse-connect sends long queries and parameters so)."""
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode("latin-1") + b"\r\n\r\n" + b"".join(parts))
    fields: dict[str, str] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if part.get_filename() is not None:
            raise ClickHouseError.of(
                Code.NOT_IMPLEMENTED, "external tables are not taken; insert the rows into a table, or give them as an array parameter"
            )
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes):
            fields[name] = payload.decode(errors="surrogateescape")
    return fields


def flag(value: str | None) -> bool:
    """A boolean of a URL."""
    return value is not None and value.lower() not in ("", "0", "false", "no")
