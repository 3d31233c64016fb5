"""Parquet: dictionary-encoded strings of the same columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from processors.annotate.columns import Column


class ParquetWriter:
    """Writes blocks of columns as row groups. Readers see plain strings."""

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self._schema = pa.schema([(name, pa.dictionary(pa.int32(), pa.string())) for name in columns])
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd", store_schema=False)

    def write(self, block: Mapping[str, Column]) -> None:
        arrays = [block[name].arrow() for name in self._schema.names]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        self._writer.close()
