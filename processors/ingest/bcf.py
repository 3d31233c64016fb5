"""BCF as VCF text: htslib reads the records, which then take the one way that VCF text takes.

htslib reads a private copy, made while the file is hashed: what it reads is what was hashed, whatever happens to the file meanwhile.
"""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import Any

from processors.ingest.errors import SourceCorrupt

_PIECE = 1024 * 1024


class BcfText:
    """Text of a BCF: header, then one line a record."""

    def __init__(self, file: io.RawIOBase, path: Path) -> None:
        from cyvcf2 import VCF

        self._path = path
        self._records = 0
        self._given = 0
        with tempfile.TemporaryFile(prefix="riverseq-bcf-") as copy:
            buffer = bytearray(_PIECE)
            while count := file.readinto(buffer):
                copy.write(memoryview(buffer)[:count])
            copy.flush()
            copy.seek(0)
            self._size = max(os.fstat(copy.fileno()).st_size, 1)
            # shares its file offset with the descriptor that htslib reads, so that it tells how far htslib has come
            self._place = os.dup(copy.fileno())
            try:
                self._reader: Any = VCF(os.dup(copy.fileno()), strict_gt=False)
                self._rest = memoryview(self._reader.raw_header.encode())
            except Exception as error:
                os.close(self._place)
                self._place = -1
                raise SourceCorrupt(path, f"htslib cannot read its BCF header ({error}); copy it again", offset=0) from error

    @property
    def fraction(self) -> float:
        """Share of the file that htslib has read, 0 to 1."""
        return 1.0 if self._place < 0 else min(1.0, os.lseek(self._place, 0, os.SEEK_CUR) / self._size)

    def readinto(self, buffer: memoryview, /) -> int:
        """As io.RawIOBase.readinto. Raises SourceCorrupt where htslib cannot go on."""
        if not self._rest:
            self._rest = memoryview(self._next_lines(len(buffer)))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self._given += count
        return count

    def _next_lines(self, size: int) -> bytes:
        lines: list[bytes] = []
        gathered = 0
        try:
            for variant in self._reader:
                line = str(variant).encode()
                lines.append(line)
                self._records += 1
                gathered += len(line)
                if gathered >= size:
                    break
        except Exception as error:
            raise SourceCorrupt(
                self._path, f"htslib cannot read on ({error}); copy the file again", offset=self._given + gathered, record=self._records
            ) from error
        return b"".join(lines)

    def close(self) -> None:
        """Free the copy; harmless when done twice."""
        self._reader.close()
        if self._place >= 0:
            os.close(self._place)
            self._place = -1
