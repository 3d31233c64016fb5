"""Bytes on a topic: Avro with Confluent framing for events, Arrow for chunks. Bytes from a topic are not trusted.

An event is 0x00, a 4-byte big-endian schema id of `schemas/events/registry.toml`, and the Avro body. A chunk's value is
`schemas.chunks.encode`; its headers let a router, a board or a person see what it is without opening it, and carry the value's digest.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import struct
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple, TypeVar

import fastavro
import pyarrow as pa
import pyarrow.compute as pc

from schemas import chunks, events, identity
from schemas.chunks import Chunk, ChunkKind, ChunkUnreadable
from schemas.events import registry
from streams.broker import Headers
from streams.topics import MAX_MESSAGE

MAGIC = 0
CHUNK_SCHEMA = f"chunk/{chunks.CHUNK_SCHEMA_VERSION}"
_FRAME = struct.Struct(">bI")
_U64 = 1 << 64
_HEADER_ROOM = 2048
"""Bytes that key, headers and batch framing may take beside a chunk's value."""

Event = (
    events.CompletionEvent
    | events.Command
    | events.SampleManifest
    | events.Job
    | events.AnnotationPlan
    | events.Receipt
    | events.SampleState
    | events.Finding
    | events.SampleInterpreted
    | events.Reclassified
    | events.KnowledgeRelease
)
T = TypeVar("T")


class WireError(ValueError):
    """Bytes are no message of riverseq, or a value is none that its schema holds; the message names the field."""


class MessageTooLarge(WireError):
    """An encoded message is above the topic's limit."""


# --- events ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Codec:
    """One record: its dataclass, newest schema and every schema it was ever written with (`sources` as in their files)."""

    type: type[Any]
    id: int
    schema: Any
    writers: Mapping[int, Any]
    sources: Mapping[int, Any]
    pack: Callable[[Any], Any]
    unpack: Callable[[Any], Any]


@cache
def _codecs() -> tuple[Mapping[str, _Codec], Mapping[int, _Codec]]:
    """Codecs by record name, and by every schema id."""
    versions = registry.load()
    by_name = {}
    for record, last in registry.newest(versions).items():
        type_: type[Any] = getattr(events, record)
        sources = {v.id: v.schema for v in versions if v.record == record}
        writers = {number: fastavro.parse_schema(schema) for number, schema in sources.items()}
        by_name[record] = _Codec(type_, last.id, writers[last.id], writers, sources, *_converters(type_, last.schema))
    return by_name, {number: codec for codec in by_name.values() for number in codec.writers}


def encode(event: Event) -> bytes:
    """Framed bytes of an event, in the newest version of its schema. Raises WireError naming the field that does not fit."""
    codec = _codecs()[0].get(type(event).__name__)
    if codec is None or type(event) is not codec.type:
        raise WireError(f"{type(event).__name__} is no event")
    try:
        value = codec.pack(event)
    except (TypeError, ValueError, AttributeError) as error:
        raise WireError(f"{type(event).__name__}: {error}") from error
    out = io.BytesIO()
    out.write(_FRAME.pack(MAGIC, codec.id))
    try:
        fastavro.schemaless_writer(out, codec.schema, value)
    except Exception as error:  # fastavro raises whatever the misfit leads to
        misfit = _misfit(value, codec.sources[codec.id], error)
        raise WireError(f"{type(event).__name__}: {misfit} does not fit its schema ({error})") from error
    return out.getvalue()


@typing.overload
def decode(raw: bytes) -> Event: ...
@typing.overload
def decode(raw: bytes, *expected: type[T]) -> T: ...
def decode(raw: bytes, *expected: type[Any]) -> Any:
    """The event in framed bytes of any registered schema version; `expected` types, where given, are the only ones accepted.

    Raises WireError naming the record and field.
    """
    if len(raw) < _FRAME.size or raw[0] != MAGIC:
        raise WireError(f"not framed Avro: {len(raw)} bytes that start with {raw[:8].hex() or 'nothing'}")
    number = _FRAME.unpack_from(raw)[1]
    codec = _codecs()[1].get(number)
    if codec is None:
        raise WireError(f"schema id {number} is not registered here; a newer riverseq wrote it, or another product")
    if expected and codec.type not in expected:
        raise WireError(f"a {codec.type.__name__}, where {' or '.join(t.__name__ for t in expected)} belongs")
    body = io.BytesIO(raw)
    body.seek(_FRAME.size)
    writer = codec.writers[number]
    try:
        value = fastavro.schemaless_reader(body, writer, codec.schema)
        if body.tell() != len(raw):
            raise WireError(f"{codec.type.__name__}: {len(raw) - body.tell()} bytes after the last field")
        return codec.unpack(value)
    except WireError:
        raise
    except Exception as error:  # fastavro raises whatever the broken bytes lead to
        raise WireError(
            f"{codec.type.__name__}: {_broken_field(raw, codec.sources[number])} is unreadable ({error or type(error).__name__})"
        ) from error


def _converters(type_: Any, schema: Any) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """(value → what fastavro writes, what fastavro reads → value) of a type of `schemas.events`."""
    origin, arguments = typing.get_origin(type_), typing.get_args(type_)
    if dataclasses.is_dataclass(type_) and isinstance(type_, type):
        return _record_converters(type_, schema)
    if origin is tuple:
        pack, unpack = _converters(arguments[0], schema["items"])
        return (lambda value: [pack(item) for item in value]), (lambda value: tuple([unpack(item) for item in value]))
    if origin is dict:
        return dict, dict
    if origin is types.UnionType:  # `X | None` of plain X
        return _same, _same
    if isinstance(type_, type) and issubclass(type_, StrEnum):
        return (lambda value: type_(value).value), type_
    return _same, _same


def _record_converters(type_: type[Any], schema: Any) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    hints = typing.get_type_hints(type_)
    plain: list[tuple[str, str]] = []
    parts: list[tuple[str, str, Callable[[Any], Any], Callable[[Any], Any]]] = []
    by_name = {field["name"]: field for field in schema["fields"]}
    for field in dataclasses.fields(type_):
        name = field.name.rstrip("_")  # `class_` is a keyword in Python only
        described = by_name[name]
        pack, unpack = (_signed, _unsigned) if described.get("unsigned") else _converters(hints[field.name], described["type"])
        if pack is _same:
            plain.append((field.name, name))
        else:
            parts.append((field.name, name, pack, unpack))

    def to_avro(value: Any) -> dict[str, Any]:
        if type(value) is not type_:
            raise TypeError(f"a {type(value).__name__} where a {type_.__name__} belongs")
        record = {name: getattr(value, attribute) for attribute, name in plain}
        for attribute, name, pack, _ in parts:
            record[name] = pack(getattr(value, attribute))
        return record

    def from_avro(record: dict[str, Any]) -> Any:
        values = {attribute: record[name] for attribute, name in plain}
        for attribute, name, _, unpack in parts:
            values[attribute] = unpack(record[name])
        return type_(**values)

    return to_avro, from_avro


def _same(value: Any) -> Any:
    return value


def _signed(value: int) -> int:
    value %= _U64
    return value - _U64 if value >= _U64 >> 1 else value


def _unsigned(value: int) -> int:
    return value % _U64


def _misfit(value: Any, schema: Any, error: Exception) -> str:
    """Which field of a packed record its schema does not take."""
    return _first_failing(schema, lambda part: fastavro.schemaless_writer(io.BytesIO(), part, value)) or str(error)


def _broken_field(raw: bytes, schema: Any) -> str:
    """Which field of a framed record cannot be read."""
    return _first_failing(schema, lambda part: fastavro.schemaless_reader(io.BytesIO(raw[_FRAME.size :]), part, None)) or "the record"


def _first_failing(schema: Any, attempt: Callable[[Any], Any]) -> str:
    """`field NAME` of the first field with which an attempt on the record's first n fields fails; empty: none does."""
    for count, field in enumerate(schema["fields"], 1):
        try:
            attempt(fastavro.parse_schema({**schema, "fields": schema["fields"][:count]}))
        except Exception:
            return f"field {field['name']}"
    return ""


# --- chunks ----------------------------------------------------------------------------------------------------------


class ChunkMessage(NamedTuple):
    """What to produce for a chunk."""

    key: bytes
    value: bytes
    headers: Headers


def chunk_message(chunk: Chunk, origin: int, limit: int = MAX_MESSAGE) -> ChunkMessage:
    """The message of a chunk. `origin` is the time of the event that led to it, in milliseconds since 1970 UTC.

    Raises MessageTooLarge where the value is above `limit` bytes, less room for headers.
    """
    value = chunks.encode(chunk)
    header = chunk.header
    headers = {
        "chunk_id": header.chunk_id,
        "submission_id": header.submission_id,
        "revision_id": header.revision_id,
        "plan_id": header.plan_id,
        "ordinal": str(header.ordinal),
        "rows": str(chunk.rows.num_rows),
        "contig": header.contig,
        "span": _span(chunk),
        "schema": CHUNK_SCHEMA,
        "digest": digest(value),
        "origin": str(origin),
        "traceparent": identity.traceparent(header.revision_id),
    }
    if len(value) + _HEADER_ROOM > limit:
        raise MessageTooLarge(
            f"chunk {header.ordinal} of submission {header.submission_id} ({chunk.rows.num_rows} rows) takes {len(value)} bytes, "
            f"the limit of a message is {limit}; cut it smaller: the cutting rule is {header.plan_id}'s"
        )
    return ChunkMessage(header.chunk_id.encode(), value, [(name, text.encode()) for name, text in headers.items()])


def read_chunk(value: bytes, headers: Headers | None) -> Chunk:
    """The chunk of a message, its digest checked before anything reads the bytes. Raises WireError."""
    schema = header(headers, "schema")
    if schema != CHUNK_SCHEMA:
        raise WireError(f"header schema is {schema!r}, this worker reads {CHUNK_SCHEMA}")
    if digest(value) != header(headers, "digest"):
        raise WireError(f"header digest: the value ({len(value)} bytes) is not the one that was sent")
    try:
        chunk = chunks.decode(value)
    except ChunkUnreadable as error:
        raise WireError(f"value: {error}") from error
    for name, inside in (("chunk_id", chunk.header.chunk_id), ("revision_id", chunk.header.revision_id), ("plan_id", chunk.header.plan_id)):
        if header(headers, name) != inside:
            raise WireError(f"header {name} is {header(headers, name)!r}, the chunk says {inside!r}")
    expected = chunks.FAULT_FIELDS if chunk.header.kind is ChunkKind.FAULTS else chunks.RAW_FIELDS
    for place, field in enumerate(expected):
        if place >= chunk.rows.num_columns or not chunk.rows.schema.field(place).equals(field):
            raise WireError(f"column {field.name}: missing, or not {field.type}")
    return chunk


def header(headers: Headers | None, name: str) -> str:
    """One header as text. Raises WireError where it is missing or not UTF-8."""
    for key, value in headers or ():
        if key == name:
            try:
                return value.decode()
            except (UnicodeDecodeError, AttributeError) as error:
                raise WireError(f"header {name} is not text") from error
    raise WireError(f"header {name} is missing")


def digest(value: bytes) -> str:
    """BLAKE2b, 128 bits, hexadecimal: what the header `digest` holds."""
    return hashlib.blake2b(value, digest_size=16).hexdigest()


def _span(chunk: Chunk) -> str:
    """`start-end` of a chunk's alleles, 0-based half-open; `0-0` for faults and for no rows."""
    rows = chunk.rows
    if chunk.header.kind is ChunkKind.FAULTS or rows.num_rows == 0:
        return "0-0"
    starts = rows.column("start")
    ends = pc.add(starts, pc.binary_length(rows.column("ref")).cast(pa.int32()))
    return f"{pc.min(starts).as_py()}-{pc.max(ends).as_py()}"
