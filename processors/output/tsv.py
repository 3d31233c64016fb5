"""Tab-separated text: a header line, then one line a row. No quoting, since no value holds a tab."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from processors.annotate.columns import Column
from processors.output.cells import Arena, lines

_PIECE = 4 * 1024 * 1024


class TsvWriter:
    """Writes blocks of columns in the order in which they are given; every block has the same ones."""

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self._columns = columns
        self._handle = path.open("wb")
        self._handle.write(("\t".join(columns) + "\n").encode())
        self._arena = Arena()
        self._buffer = np.empty(_PIECE, dtype=np.uint8)

    def write(self, block: Mapping[str, Column]) -> None:
        cells = self._arena.cells([block[name] for name in self._columns], b"\t")
        row = 0
        while row < len(cells.index):
            row, used = lines(cells, b"\t", self._buffer, row)
            if used:
                self._handle.write(self._buffer[:used].data)
            elif row < len(cells.index):  # one row is longer than the buffer
                self._buffer = np.empty(2 * len(self._buffer), dtype=np.uint8)

    def close(self) -> None:
        self._handle.close()
