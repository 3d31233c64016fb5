"""Tab-separated text: a header line, then one line a row. No quoting, since no value holds a tab."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from processors.annotate.columns import SLACK, Column
from processors.output.cells import Arena, lines, widths

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
        widest = int(widths(cells).max(initial=0))
        if widest + SLACK > len(self._buffer):
            self._buffer = np.empty(2 * widest + SLACK, dtype=np.uint8)
        row = 0
        while row < cells.index.shape[1]:
            row, used = lines(cells, b"\t", widest, self._buffer, row)
            self._handle.write(self._buffer[:used].data)

    def close(self) -> None:
        self._handle.close()
