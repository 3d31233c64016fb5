"""BCF as VCF text: htslib reads the records, which then take the one way that VCF text takes.

htslib reads from a pipe that a thread feeds, so that the bytes it reads are the bytes that are hashed.
"""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import Any

from processors.ingest.errors import SourceCorrupt

_PIECE = 256 * 1024


class BcfText:
    """Text of a BCF: header, then one line a record."""

    def __init__(self, file: io.RawIOBase, path: Path) -> None:
        from cyvcf2 import VCF

        self._path = path
        self._file = file
        self._stop = threading.Event()
        reading, self._writing = os.pipe()
        self._feeder = threading.Thread(target=self._feed, name="bcf-feed", daemon=True)
        self._feeder.start()
        self._records = 0
        self._given = 0
        try:
            self._reader: Any = VCF(f"/dev/fd/{reading}", strict_gt=False)
            self._rest = memoryview(self._reader.raw_header.encode())
        except Exception as error:
            self._stop.set()
            raise SourceCorrupt(path, f"htslib cannot read its BCF header ({error}); copy it again", offset=0) from error
        finally:
            os.close(reading)

    def _feed(self) -> None:
        buffer = bytearray(_PIECE)
        try:
            while not self._stop.is_set():
                count = self._file.readinto(buffer) or 0
                if not count:
                    break
                view = memoryview(buffer)[:count]
                while view:
                    view = view[os.write(self._writing, view) :]
        except (BrokenPipeError, ValueError, OSError):
            return  # the reader has gone: it says why
        finally:
            os.close(self._writing)

    def readinto(self, buffer: memoryview, /) -> int:
        if not self._rest:
            self._rest = memoryview(self._next_lines(len(buffer)))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self._given += count
        if count == 0:
            self._feeder.join()
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
                self._path, f"htslib cannot read on ({error}); copy the file again", offset=self._given, record=self._records
            ) from error
        return b"".join(lines)

    def close(self) -> None:
        self._stop.set()
        self._reader.close()
        self._feeder.join(timeout=5)
