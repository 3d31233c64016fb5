"""The wire: what goes in comes out, for every event and every chunk; any other bytes are refused by name, never by a crash."""

from __future__ import annotations

import dataclasses
import io
import json
import struct
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import chunks, events, identity
from schemas.chunks import Chunk, ChunkHeader, ChunkKind
from schemas.events import registry
from streams import wire
from streams.wire import MessageTooLarge, WireError

EVENTS = [getattr(events, record) for record in registry.newest(registry.load())]

_texts = st.text(max_size=12)
_longs = st.integers(-(2**63), 2**63 - 1)
_doubles = st.floats(allow_nan=False)


def _values(type_: type[Any]) -> st.SearchStrategy[Any]:
    fields = {}
    for field in dataclasses.fields(type_):
        known: dict[str, st.SearchStrategy[Any]] = {
            "hash_sum": st.integers(0, 2**64 - 1),
            "lane": st.sampled_from(events.Lane),
            "file": st.deferred(lambda: _values(events.SourceFile)),
            "components": st.deferred(lambda: st.lists(_values(events.PlanComponent), max_size=2).map(tuple)),
            "chunks": st.deferred(lambda: st.lists(_values(events.ChunkCount), max_size=2).map(tuple)),
            "stages": st.deferred(lambda: st.lists(_values(events.StageProgress), max_size=2).map(tuple)),
        }
        by_text: dict[str, st.SearchStrategy[Any]] = {
            "str": _texts, "int": _longs, "float": _doubles, "bool": st.booleans(), "float | None": st.none() | _doubles,
            "tuple[str, ...]": st.lists(_texts, max_size=3).map(tuple), "dict[str, str]": st.dictionaries(_texts, _texts, max_size=2),
            "dict[str, int]": st.dictionaries(_texts, _longs, max_size=2),
            "dict[str, float]": st.dictionaries(_texts, _doubles, max_size=2),
            "tuple[SampleCount, ...]": st.deferred(lambda: st.lists(_values(events.SampleCount), max_size=2).map(tuple)),
            "tuple[SampleName, ...]": st.deferred(lambda: st.lists(_values(events.SampleName), max_size=2).map(tuple)),
            "tuple[SourceChange, ...]": st.deferred(lambda: st.lists(_values(events.SourceChange), max_size=2).map(tuple)),
        }  # fmt: skip
        fields[field.name] = known[field.name] if field.name in known else by_text[str(field.type)]
    return st.builds(type_, **fields)


ANY_EVENT = st.one_of([_values(type_) for type_ in EVENTS])


def _manifest(hash_sum: int = 2**64 - 1) -> events.SampleManifest:
    chunk = events.ChunkCount(0, "c" * 32, "alleles", "21", 3, 4, hash_sum)
    sample = events.SampleCount("a" * 32, 5, 4, {"symbolic": 1}, hash_sum, {"ti_tv": 2.1})
    return events.SampleManifest("s" * 32, "r" * 32, "p" * 32, "d" * 64, 5, 0, 0, (chunk,), (sample,))


@given(ANY_EVENT)
def test_an_event_survives_the_wire(event: Any) -> None:
    assert wire.decode(wire.encode(event)) == event


def test_a_64_bit_sum_travels_as_twos_complement() -> None:
    raw = wire.encode(_manifest())
    plain: Any = fastavro.schemaless_reader(io.BytesIO(raw[5:]), registry.newest(registry.load())["SampleManifest"].schema, None)
    assert plain["chunks"][0]["hash_sum"] == -1
    assert wire.decode(raw, events.SampleManifest).chunks[0].hash_sum == 2**64 - 1


def test_a_sum_given_as_twos_complement_is_the_same_sum() -> None:
    assert wire.encode(_manifest(-1)) == wire.encode(_manifest(2**64 - 1))


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 12), st.binary(max_size=200))
def test_bytes_under_any_id_are_an_event_or_a_wire_error(number: int, body: bytes) -> None:
    try:
        event = wire.decode(struct.pack(">bI", 0, number) + body)
    except WireError:
        return
    assert type(event) in EVENTS


@settings(max_examples=200)
@given(ANY_EVENT, st.data())
def test_a_cut_event_names_its_record_and_field(event: Any, data: st.DataObject) -> None:
    raw = wire.encode(event)
    cut = data.draw(st.integers(5, len(raw) - 1))
    with pytest.raises(WireError, match=rf"{type(event).__name__}: field \w+"):
        wire.decode(raw[:cut])


@settings(max_examples=300)
@given(ANY_EVENT, st.data())
def test_a_flipped_bit_is_an_event_or_a_wire_error(event: Any, data: st.DataObject) -> None:
    raw = bytearray(wire.encode(event))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        wire.decode(bytes(raw))
    except WireError:
        return


def test_the_field_that_breaks_is_named() -> None:
    raw = wire.encode(events.Command("i", 1, "cancel", "s", "someone"))
    end = raw.index(b"someone")
    broken = raw[: end - 1] + b"\xff\xff\xff\xff\x0f" + raw[end:]  # the length of `actor`
    with pytest.raises(WireError, match="Command: field actor is unreadable"):
        wire.decode(broken)


@pytest.mark.parametrize("raw", [b"", b"\x00", b"\x00\x00\x00\x00", b"{}", b"\x01\x00\x00\x00\x01"])
def test_unframed_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(WireError, match="not framed Avro"):
        wire.decode(raw)


def test_an_unknown_schema_id_is_named() -> None:
    with pytest.raises(WireError, match="schema id 4711"):
        wire.decode(struct.pack(">bI", 0, 4711) + b"x")


def test_another_event_than_expected_is_named() -> None:
    raw = wire.encode(events.Command("i", 1, "cancel", "s", "someone"))
    with pytest.raises(WireError, match="a Command, where Job belongs"):
        wire.decode(raw, events.Job)


def test_bytes_behind_the_last_field_are_refused() -> None:
    with pytest.raises(WireError, match="2 bytes after"):
        wire.decode(wire.encode(_manifest()) + b"xx")


def test_a_value_that_does_not_fit_names_its_field() -> None:
    command = events.Command("i", 1, "cancel", "s", None)  # type: ignore[arg-type]
    with pytest.raises(WireError, match="field actor"):
        wire.encode(command)
    with pytest.raises(WireError, match="field time"):
        wire.encode(dataclasses.replace(command, actor="a", time="now"))  # type: ignore[arg-type]
    with pytest.raises(WireError, match="Job"):
        wire.encode(events.Job("ingest", "s", "r", "p", "soon", "b", events.SourceFile("u"), (), 0))  # type: ignore[arg-type]


def test_a_reader_of_any_language_needs_only_the_file() -> None:
    command = events.Command("i", 1, "cancel", "s", "someone", "why")
    raw = wire.encode(command)
    number = struct.unpack_from(">bI", raw)[1]
    name = {version.id: version for version in registry.load()}[number]
    schema = json.loads((registry.FOLDER / "history" / f"{name.record}.{name.version}.avsc").read_text())
    assert fastavro.schemaless_reader(io.BytesIO(raw[5:]), schema, None) == dataclasses.asdict(command)


# --- chunks ----------------------------------------------------------------------------------------------------------


def _chunk(rows: int = 3, kind: ChunkKind = ChunkKind.ALLELES) -> Chunk:
    header = ChunkHeader("c" * 32, "s" * 32, "5" * 32, "p" * 32, "toy", kind, "21", 7, "routine", 0, ("a" * 32,))
    call = {name.name: 1 for name in chunks.CALL} | {"phased": True}
    columns: dict[str, list[Any]] = {
        "record": list(range(rows)), "alt_index": [1] * rows, "allele_id": list(range(rows)), "start": [10 + n for n in range(rows)],
        "ref": ["ACGT"] * rows, "alt": ["T"] * rows, "flags": [0] * rows, "qual": [1.0] * rows, "filter": ["PASS"] * rows,
        "calls": [[call]] * rows, "reason": ["symbolic"] * rows, "detail": [""] * rows, "site": [""] * rows, "samples": [[0]] * rows,
    }  # fmt: skip
    fields = chunks.FAULT_FIELDS if kind is ChunkKind.FAULTS else chunks.RAW_FIELDS
    return Chunk(header, pa.RecordBatch.from_arrays([pa.array(columns[f.name], type=f.type) for f in fields], schema=pa.schema(fields)))


@pytest.mark.parametrize("kind", list(ChunkKind))
def test_a_chunk_message_reads_back(kind: ChunkKind) -> None:
    message = wire.chunk_message(_chunk(kind=kind), origin=1234)
    back = wire.read_chunk(message.value, message.headers)
    assert back.header == _chunk(kind=kind).header
    assert back.rows.equals(_chunk(kind=kind).rows)
    assert message.key == b"c" * 32


def test_the_headers_say_what_a_chunk_is() -> None:
    message = wire.chunk_message(_chunk(), origin=1234)
    headers = {name: value.decode() for name, value in message.headers}
    assert headers["span"] == "10-16"
    assert (headers["ordinal"], headers["contig"], headers["origin"]) == ("7", "21", "1234")
    assert headers["traceparent"] == identity.traceparent("5" * 32)


def test_the_same_chunk_is_the_same_message() -> None:
    assert wire.chunk_message(_chunk(), origin=1) == wire.chunk_message(_chunk(), origin=1)


@given(st.data())
def test_a_damaged_chunk_never_reaches_arrow(data: st.DataObject) -> None:
    message = wire.chunk_message(_chunk(), origin=1)
    value = bytearray(message.value)
    value[data.draw(st.integers(0, len(value) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(WireError, match="header digest"):
        wire.read_chunk(bytes(value), message.headers)


@pytest.mark.parametrize("name", ["schema", "digest", "chunk_id", "revision_id", "plan_id"])
def test_a_missing_header_is_named(name: str) -> None:
    message = wire.chunk_message(_chunk(), origin=1)
    with pytest.raises(WireError, match=f"header {name}"):
        wire.read_chunk(message.value, [pair for pair in message.headers if pair[0] != name])


def test_a_chunk_under_another_chunks_header_is_refused() -> None:
    message = wire.chunk_message(_chunk(), origin=1)
    headers = [(name, b"d" * 32 if name == "chunk_id" else value) for name, value in message.headers]
    with pytest.raises(WireError, match="header chunk_id"):
        wire.read_chunk(message.value, headers)


def test_bytes_with_a_right_digest_that_are_no_chunk_are_refused() -> None:
    value = b"not arrow"
    with pytest.raises(WireError, match="not a chunk"):
        wire.read_chunk(value, [("schema", wire.CHUNK_SCHEMA.encode()), ("digest", wire.digest(value).encode())])


def test_a_chunk_without_a_column_names_it() -> None:
    chunk = _chunk()
    short = dataclasses.replace(chunk, rows=chunk.rows.select(["record", "alt_index", "start", "ref"]))
    message = wire.chunk_message(short, origin=1)
    with pytest.raises(WireError, match="column allele_id"):
        wire.read_chunk(message.value, message.headers)


def test_a_chunk_over_the_limit_is_refused_with_its_size() -> None:
    with pytest.raises(MessageTooLarge, match=r"chunk 7 .* takes \d+ bytes, the limit of a message is 4096"):
        wire.chunk_message(_chunk(1000), origin=1, limit=4096)
