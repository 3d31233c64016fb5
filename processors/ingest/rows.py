"""Columns on their way to a chunk: landed alleles with their calls, and faults. Numpy arrays until the cut, Arrow behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.ingest.faults import DETAIL, Fault
from schemas.chunks import CALL, FAULT_FIELDS, RAW_FIELDS

Array = npt.NDArray[Any]

ROW_BYTES = 32
"""Uncompressed bytes of an allele's fixed columns, as the cutting rule counts them."""
CALL_BYTES = 32
"""Uncompressed bytes of one call, as the cutting rule counts them."""


@dataclass(frozen=True)
class Ragged:
    """n byte strings or lists back to back: int64 `offsets` [n + 1] from 0, and the values."""

    offsets: npt.NDArray[np.int64]
    values: Array

    def slice(self, a: int, b: int) -> Ragged:
        return Ragged(self.offsets[a : b + 1] - self.offsets[a], self.values[self.offsets[a] : self.offsets[b]])

    def take(self, rows: npt.NDArray[np.int64]) -> Ragged:
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return Ragged(offsets, self.values[np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])])

    @staticmethod
    def concat(parts: Sequence[Ragged]) -> Ragged:
        lengths = np.concatenate([np.diff(part.offsets) for part in parts])
        return Ragged(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), np.concatenate([part.values for part in parts]))

    def strings(self) -> pa.Array[Any]:
        """As an Arrow string column; the bytes must be UTF-8."""
        buffers = [None, pa.py_buffer(self.offsets.astype(np.int32)), pa.py_buffer(np.ascontiguousarray(self.values))]
        return pa.Array.from_buffers(pa.string(), len(self.offsets) - 1, buffers, null_count=0)


@dataclass(frozen=True)
class Alleles:
    """n normalised alleles of one contig in file order. `filter` numbers FILTER texts; `calls` are rows of layout.CALL."""

    record: npt.NDArray[np.uint32]
    alt_index: npt.NDArray[np.uint16]
    allele_id: npt.NDArray[np.uint64]
    start: npt.NDArray[np.int32]
    ref: Ragged
    alt: Ragged
    flags: npt.NDArray[np.uint32]
    qual: npt.NDArray[np.float32]
    filter: npt.NDArray[np.int32]
    calls: Ragged

    def __len__(self) -> int:
        return len(self.record)

    def slice(self, a: int, b: int) -> Alleles:
        parts: list[Any] = [part.slice(a, b) if isinstance(part, Ragged) else part[a:b] for part in self._parts()]
        return Alleles(*parts)

    def take(self, rows: npt.NDArray[np.int64]) -> Alleles:
        """Some rows, copied."""
        parts: list[Any] = [part.take(rows) if isinstance(part, Ragged) else part[rows] for part in self._parts()]
        return Alleles(*parts)

    def _parts(self) -> tuple[Any, ...]:
        return (
            self.record, self.alt_index, self.allele_id, self.start, self.ref, self.alt, self.flags, self.qual, self.filter, self.calls,
        )  # fmt: skip

    @staticmethod
    def concat(parts: Sequence[Alleles]) -> Alleles:
        if len(parts) == 1:
            return parts[0]
        columns = zip(*(part._parts() for part in parts), strict=True)
        joined: list[Any] = [Ragged.concat(c) if isinstance(c[0], Ragged) else np.concatenate(c) for c in columns]
        return Alleles(*joined)

    def sizes(self) -> npt.NDArray[np.int64]:
        """Bytes up to and with each row, as the cutting rule counts them."""
        rows = np.arange(1, len(self) + 1, dtype=np.int64)
        return ROW_BYTES * rows + CALL_BYTES * self.calls.offsets[1:] + self.ref.offsets[1:] + self.alt.offsets[1:]

    def arrow(self, filters: Sequence[str]) -> pa.RecordBatch:
        """The record batch of schemas.chunks.RAW_FIELDS; `filters[i]` is the text of filter number i."""
        used, codes = np.unique(self.filter, return_inverse=True)
        calls = self.calls.values
        columns = []
        for field in CALL:
            values = np.ascontiguousarray(calls[field.name])
            if field.type == pa.bool_():
                bits = pa.py_buffer(np.packbits(values, bitorder="little"))
                columns.append(pa.Array.from_buffers(pa.bool_(), len(values), [None, bits], null_count=0))
            else:
                columns.append(pa.array(values, type=field.type))
        arrays = [
            pa.array(self.record),
            pa.array(self.alt_index),
            pa.array(self.allele_id),
            pa.array(self.start),
            self.ref.strings(),
            self.alt.strings(),
            pa.array(self.flags),
            pa.array(self.qual),
            pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int16)), pa.array([filters[n] for n in used], pa.string())),
            pa.ListArray.from_arrays(pa.array(self.calls.offsets.astype(np.int32)), pa.StructArray.from_arrays(columns, fields=list(CALL))),
        ]
        return pa.RecordBatch.from_arrays(
            [array.cast(field.type) if array.type != field.type else array for array, field in zip(arrays, RAW_FIELDS, strict=True)],
            schema=pa.schema(RAW_FIELDS),
        )


@dataclass(frozen=True)
class Faults:
    """n faults in file order: `code` is a faults.Fault, `site` the record's CHROM to INFO, `samples` who carries it."""

    record: npt.NDArray[np.uint32]
    alt_index: npt.NDArray[np.uint16]
    code: npt.NDArray[np.uint8]
    site: Ragged
    samples: Ragged

    def __len__(self) -> int:
        return len(self.record)

    def slice(self, a: int, b: int) -> Faults:
        return Faults(self.record[a:b], self.alt_index[a:b], self.code[a:b], self.site.slice(a, b), self.samples.slice(a, b))

    @staticmethod
    def concat(parts: Sequence[Faults]) -> Faults:
        if len(parts) == 1:
            return parts[0]
        return Faults(
            np.concatenate([p.record for p in parts]),
            np.concatenate([p.alt_index for p in parts]),
            np.concatenate([p.code for p in parts]),
            Ragged.concat([p.site for p in parts]),
            Ragged.concat([p.samples for p in parts]),
        )

    def sizes(self) -> npt.NDArray[np.int64]:
        """Bytes up to and with each row."""
        rows = np.arange(1, len(self) + 1, dtype=np.int64)
        return ROW_BYTES * rows + self.site.offsets[1:] + 4 * self.samples.offsets[1:]

    def arrow(self) -> pa.RecordBatch:
        """The record batch of schemas.chunks.FAULT_FIELDS."""
        used, codes = np.unique(self.code, return_inverse=True)
        reasons = pa.array([Fault(int(code)).reason for code in used], pa.string())
        details = pa.array([DETAIL[Fault(int(code))] for code in used], pa.string())
        arrays = [
            pa.array(self.record),
            pa.array(self.alt_index),
            pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int16)), reasons),
            details.take(pa.array(codes.astype(np.int32))),
            self.site.strings(),
            pa.ListArray.from_arrays(pa.array(self.samples.offsets.astype(np.int32)), pa.array(self.samples.values, pa.uint32())),
        ]
        return pa.RecordBatch.from_arrays(
            [array.cast(field.type) if array.type != field.type else array for array, field in zip(arrays, FAULT_FIELDS, strict=True)],
            schema=pa.schema(FAULT_FIELDS),
        )
