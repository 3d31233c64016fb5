"""Strings as two arrays, offsets and bytes: tables that are memory-mapped like all else in a pack, columns as kernels take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True)
class StringTable:
    """n strings as UTF-8: `offsets` int64 (n + 1), `data` uint8."""

    offsets: npt.NDArray[np.int64]
    data: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> str:
        return self.data[self.offsets[row] : self.offsets[row + 1]].tobytes().decode()

    def arrow(self) -> pa.Array[Any]:
        """The whole table as a large_string array over the same memory."""
        buffers = [None, pa.py_buffer(np.ascontiguousarray(self.offsets)), pa.py_buffer(np.ascontiguousarray(self.data))]
        return pa.LargeStringArray.from_buffers(len(self), buffers[1], buffers[2])

    def take(self, rows: npt.NDArray[Any], missing: str = "") -> pa.Array[Any]:
        """Strings of some rows as a string array; `missing` for a row number beyond the table (such as `schemas.chunks.NONE`)."""
        outside = rows >= len(self)
        if len(self) == 0 or bool(outside.all()):
            return pa.array([missing] * len(rows), type=pa.string())
        taken = self.arrow().take(pa.array(np.where(outside, 0, rows).astype(np.int64))).cast(pa.string())
        if not bool(outside.any()):
            return taken
        return pa.compute.if_else(pa.array(outside), pa.scalar(missing, pa.string()), taken)


def table_of(values: Sequence[str]) -> StringTable:
    """Table of some strings, in their order."""
    encoded = [value.encode() for value in values]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(raw) for raw in encoded], out=offsets[1:])
    return StringTable(offsets, np.frombuffer(b"".join(encoded), dtype=np.uint8))


def arrays_of(name: str, values: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """The two arrays of a table as a pack stores them: `<name>_offsets`, `<name>_data`."""
    table = table_of(values)
    return {f"{name}_offsets": table.offsets, f"{name}_data": table.data}


def ranks_of(values: Sequence[str]) -> npt.NDArray[np.uint32]:
    """Place of each string in the order of all by code point; of equal ones the earlier comes first."""
    ranks = np.empty(len(values), dtype=np.uint32)
    ranks[np.array(sorted(range(len(values)), key=values.__getitem__), dtype=np.int64)] = np.arange(len(values), dtype=np.uint32)
    return ranks


def read_only(array: npt.NDArray[T]) -> npt.NDArray[T]:
    """A contiguous view that nobody can write through: numba compiles a kernel anew for an array that can be written."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def writable(array: npt.NDArray[T]) -> npt.NDArray[T]:
    """The array, or a copy of one that cannot be written: the other kind, where kernels pass on arrays that they made themselves."""
    return array if array.flags.writeable else array.copy()


def string_buffers(array: pa.Array[Any]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """(offsets, bytes) of a string column, sharing its memory, read-only; offsets point into the bytes also where the column is a slice."""
    _, offsets, data = array.buffers()
    places = np.frombuffer(offsets, dtype=np.int32)[array.offset : array.offset + len(array) + 1]
    held = np.frombuffer(data, dtype=np.uint8) if data is not None and data.size else np.zeros(1, dtype=np.uint8)
    return read_only(places), read_only(held)
