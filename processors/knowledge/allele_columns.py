"""Columns of an allele-keyed pack: how values are given to the writer, how they lie on disk, how a reader gets them back.

| dtype | given as (n rows) | on disk | missing |
|---|---|---|---|
| `f4` | float array | float32 | NaN |
| `u1`, `u2`, `u4` | integer array; below 0: missing | unsigned | the greatest number of the type |
| `i4` | integer array | int32 | the least number |
| `flags` | integer array, bit k for `vocabulary[k]` | uint8, uint16 or uint32 | no bit |
| `text` | strings (a sequence, or an Arrow string array) | offsets and UTF-8, see `strings.StringTable` | empty |
| `code` | strings of a small vocabulary | a number a row; the vocabulary once, sorted, in the manifest | empty |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.knowledge.pack import Pack, PackError
from processors.knowledge.strings import StringTable

NUMBERS = {"f4": np.float32, "u1": np.uint8, "u2": np.uint16, "u4": np.uint32, "i4": np.int32}
DTYPES = (*NUMBERS, "flags", "text", "code")
MISSING: Mapping[str, int] = {"u1": (1 << 8) - 1, "u2": (1 << 16) - 1, "u4": (1 << 32) - 1, "i4": -(1 << 31)}
"""What stands for a missing integer, by dtype."""
RESERVED = ("keys", "long_rows", "long_offsets", "long_data", "failed", "covered_starts", "covered_ends")
MOST_CODES = 1 << 16


@dataclass(frozen=True)
class Column:
    """One column. `title` and `unit` are what people read beside its values; `decimals` rounds floats for them (None: as short as the
    float32 allows). `vocabulary`: names of the bits of a `flags` column, at most 32."""

    name: str
    dtype: str
    title: str
    unit: str = ""
    decimals: int | None = None
    vocabulary: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"column {self.name}: dtype {self.dtype!r} is none of {', '.join(DTYPES)}")
        if self.name in RESERVED or not self.name.isidentifier():
            raise ValueError(f"column {self.name!r}: that name cannot be used")
        if (self.dtype == "flags") != bool(self.vocabulary) or len(self.vocabulary) > 32:
            raise ValueError(f"column {self.name}: flags, and flags alone, name 1 to 32 bits")

    def manifest(self) -> dict[str, Any]:
        """What the pack's manifest says of it."""
        said: dict[str, Any] = {"dtype": self.dtype, "title": self.title, "unit": self.unit}
        if self.decimals is not None:
            said["decimals"] = self.decimals
        if self.vocabulary:
            said["vocabulary"] = list(self.vocabulary)
        return said

    def stored(self, values: Any) -> npt.NDArray[Any] | StringTable:
        """Values as a part of a build holds them: an array; for `text` and `code` the strings. Raises PackError for one out of range."""
        if self.dtype in ("text", "code"):
            return strings_of(values)
        array = np.asarray(values)
        if self.dtype == "f4":
            return array.astype(np.float32)
        target = NUMBERS[self.dtype] if self.dtype != "flags" else flags_type(len(self.vocabulary))
        if array.dtype == target:
            return array
        if array.dtype.kind not in "iub":
            raise PackError(f"column {self.name} takes integers, not {array.dtype}")
        if self.dtype.startswith("u"):
            array = np.where(array.astype(np.int64) < 0, MISSING[self.dtype], array)
        limits = np.iinfo(np.dtype(target).name)
        if array.size and (int(array.max()) > limits.max or int(array.min()) < limits.min):
            raise PackError(f"column {self.name}: {int(array.max())} does not fit {self.dtype}")
        return array.astype(target)

    def json(self, value: Any) -> Any:
        """A stored number as a JSON value: None where missing, names for flags."""
        if self.dtype == "flags":
            return [name for bit, name in enumerate(self.vocabulary) if int(value) >> bit & 1]
        if self.dtype != "f4":
            return None if int(value) == MISSING[self.dtype] else int(value)
        if np.isnan(value):
            return None
        short = float(str(np.float32(value)))
        return short if self.decimals is None else round(short, self.decimals)


def column_of(name: str, said: Mapping[str, Any]) -> Column:
    """A column from what a manifest says of it."""
    names = tuple(said.get("vocabulary", ())) if said["dtype"] == "flags" else ()
    return Column(name, said["dtype"], said["title"], said["unit"], said.get("decimals"), names)


def flags_type(bits: int) -> type[np.unsignedinteger[Any]]:
    return np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else np.uint32


def strings_of(values: Any) -> StringTable:
    """A table of strings from a sequence of them, an Arrow string array or a table."""
    if isinstance(values, StringTable):
        return values
    array = values if isinstance(values, pa.Array) else pa.array(list(values), type=pa.large_string())
    array = array.cast(pa.large_string()).fill_null("")
    _, offsets, data = array.buffers()
    places = np.frombuffer(offsets, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    held = np.frombuffer(data, dtype=np.uint8) if data is not None and data.size else np.zeros(0, dtype=np.uint8)
    return StringTable(places - places[0], held[places[0] : places[-1]])


class ColumnReader:
    """One column of a pack on disk, mapped."""

    def __init__(self, pack: Pack, name: str) -> None:
        said = pack.extra["columns"][name]
        self.column = column_of(name, said)
        self.words: list[str] = said.get("vocabulary", [])
        self.table: StringTable | None = None
        self.values: npt.NDArray[Any] = np.zeros(0, dtype=np.uint8)
        if self.column.dtype == "text":
            self.table = StringTable(np.asarray(pack.array(f"{name}_offsets")), np.asarray(pack.array(f"{name}_data")))
        else:
            self.values = np.asarray(pack.array(name))

    def __getitem__(self, row: int) -> Any:
        """The value at a row as JSON."""
        if self.table is not None:
            return self.table[row] or None
        if self.column.dtype == "code":
            return self.words[int(self.values[row])] or None
        return self.column.json(self.values[row])

    def texts(self, rows: npt.NDArray[Any]) -> pa.Array[Any]:
        """Values of some rows as strings; null where missing, flags joined by commas."""
        if self.table is not None:
            return self.table.take(rows)
        values = self.values[rows]
        if self.column.dtype == "code":
            return pa.array(self.words, pa.string()).take(pa.array(values.astype(np.int64)))
        kinds, index = np.unique(values, return_inverse=True)
        said = [self.column.json(kind) for kind in kinds]
        words = [
            ",".join(one) if isinstance(one, list) else None if one is None else f"{one:.6g}" if isinstance(one, float) else str(one)
            for one in said
        ]
        return pa.array(words, pa.string()).take(pa.array(index.reshape(-1)))
