"""The chunk on the wire: what goes in comes out, equal chunks are equal bytes, anything else is refused by name."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from schemas import chunks
from schemas.chunks import Chunk, ChunkHeader, ChunkKind, ChunkUnreadable


def _chunk(rows: int = 3) -> Chunk:
    header = ChunkHeader("c" * 32, "s" * 32, "r" * 32, "p" * 32, "toy", ChunkKind.ALLELES, "1", 0, "routine", 0, ("a" * 32,))
    call = {name.name: 1 for name in chunks.CALL} | {"phased": True}
    columns = {
        "record": list(range(rows)), "alt_index": [1] * rows, "allele_id": [2**63 + n for n in range(rows)], "start": list(range(rows)),
        "ref": ["A"] * rows, "alt": ["T"] * rows, "flags": [0] * rows, "qual": [float("nan")] * rows, "filter": ["PASS"] * rows,
        "calls": [[call]] * rows,
    }  # fmt: skip
    arrays = [pa.array(columns[field.name], type=field.type) for field in chunks.RAW_FIELDS]
    return Chunk(header, pa.RecordBatch.from_arrays(arrays, schema=pa.schema(chunks.RAW_FIELDS)))


def test_a_chunk_survives_the_wire() -> None:
    chunk = _chunk()
    back = chunks.decode(chunks.encode(chunk))
    assert back.header == chunk.header
    assert back.rows.schema == chunk.rows.schema
    assert back.rows.column("calls").to_pylist() == chunk.rows.column("calls").to_pylist()


def test_equal_chunks_are_equal_bytes() -> None:
    assert chunks.encode(_chunk()) == chunks.encode(_chunk())
    assert chunks.encode(_with_context()) == chunks.encode(_with_context())


def _with_context() -> Chunk:
    chunk = _chunk()
    return replace(chunk, header=replace(chunk.header, window=(10, 99), complete_from=7, late=2), context=_chunk(5).rows)


def test_context_rows_survive_the_wire_beside_the_rows() -> None:
    chunk = _with_context().append(chunks.SCORE_FIELDS, [pa.array([1, 1, 2], pa.uint8()), pa.array([0.5, 0.25, 0.0], pa.float32())])
    back = chunks.decode(chunks.encode(chunk))
    assert back.header == chunk.header
    assert back.rows.num_rows == 3
    assert back.context is not None
    assert back.context.column("calls").to_pylist() == _chunk(5).rows.column("calls").to_pylist()
    assert chunks.decode(chunks.encode(_chunk())).context is None


def test_a_chunk_that_lost_its_context_is_refused() -> None:
    whole, bare = chunks.encode(_with_context()), chunks.encode(replace(_with_context(), context=None))
    assert whole[len(bare) :]
    with pytest.raises(ChunkUnreadable):
        chunks.decode(whole[: len(bare) + 8])


def test_an_appended_column_survives_the_wire() -> None:
    chunk = _chunk().append(chunks.SCORE_FIELDS, [pa.array([1, 1, 2], pa.uint8()), pa.array([0.5, 0.25, 0.0], pa.float32())])
    assert chunks.decode(chunks.encode(chunk)).rows.column("score").to_pylist() == [0.5, 0.25, 0.0]


@pytest.mark.parametrize("raw", [b"", b"no chunk at all", b"\xff" * 64])
def test_bytes_that_are_no_chunk_are_refused(raw: bytes) -> None:
    with pytest.raises(ChunkUnreadable):
        chunks.decode(raw)


def test_a_cut_chunk_is_refused() -> None:
    raw = chunks.encode(_chunk(2000))
    with pytest.raises(ChunkUnreadable):
        chunks.decode(raw[: len(raw) // 2])


def test_a_chunk_of_a_newer_schema_names_both_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = chunks.encode(_chunk())
    monkeypatch.setattr(chunks, "CHUNK_SCHEMA_VERSION", 3)
    with pytest.raises(ChunkUnreadable, match="version 2, this worker reads 3"):
        chunks.decode(raw)
