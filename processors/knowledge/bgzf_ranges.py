"""Cutting a BGZF file into ranges that processes read on their own, every line of it in exactly one.

BGZF is gzip in blocks of at most 64 KiB, each of which names its length (SAM/BAM specification, section 4.1). A range begins at a block. It
owns the lines that start behind its first line feed, up to and with the first one that starts behind its end; the first range of a file
owns its first line too. So no two ranges need to speak. Cuts depend on the file alone, never on who reads it.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from isal import isal_zlib
from isal.igzip_lib import IsalError

from processors.ingest.errors import SourceCorrupt, SourceTruncated

LEAST, MOST = 2 << 20, 256 << 20
"""Compressed bytes of a range: small enough that a killed build loses little, large enough to be worth a process."""
_MARKER = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_MAGIC = bytes.fromhex("1f8b0804")
_EXTRA = bytes.fromhex("060042430200")
_HEAD = 18
_LONGEST = 1 << 16


@dataclass(frozen=True)
class Range:
    """Compressed bytes [start, end) of a file; `start` is the beginning of a block."""

    start: int
    end: int


def cut(path: Path) -> list[Range]:
    """Ranges of a BGZF file, in order; none for a file that is not BGZF, or is BCF, or too small to be cut.

    Raises ingest.errors.SourceTruncated for a BGZF file without its end marker.
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        head = handle.read(_HEAD)
        if _length(head) == 0:
            return []
        handle.seek(max(0, size - len(_MARKER)))
        if handle.read() != _MARKER:
            raise SourceTruncated(path, "lacks BGZF's end marker: the file is cut at a block; copy it again")
        handle.seek(0)
        if _block(handle, path, 0)[:3] == b"BCF":
            return []
        step = min(max(size // 16, LEAST), MOST)
        starts = [0]
        for wanted in range(step, size - step // 2, step):
            found = _next_block(handle, wanted)
            if found > starts[-1]:
                starts.append(found)
    return [Range(start, end) for start, end in zip(starts, [*starts[1:], size], strict=True)] if len(starts) > 1 else []


class RangeSource:
    """The lines of one range as a stream, in the manner of `ingest.source.Source`."""

    def __init__(self, path: Path, span: Range) -> None:
        self.path = path
        self._span = span
        self._at = span.start
        self._pieces = self._read()
        self._rest = memoryview(b"")

    @property
    def fraction(self) -> float:
        """Share of the range read so far."""
        return min(1.0, (self._at - self._span.start) / max(self._span.end - self._span.start, 1))

    def fill(self, buffer: memoryview) -> int:
        """Fill `buffer` wholly unless the range ends within it; the number of bytes given. Raises SourceError."""
        filled = 0
        while filled < len(buffer):
            if not self._rest:
                piece = next(self._pieces, b"")
                if not piece:
                    break
                self._rest = memoryview(piece)
            count = min(len(self._rest), len(buffer) - filled)
            buffer[filled : filled + count] = self._rest[:count]
            self._rest = self._rest[count:]
            filled += count
        return filled

    def digest(self) -> str:
        """Empty: a range does not know its file's digest."""
        return ""

    def close(self) -> None:
        self._pieces.close()

    def _read(self) -> Generator[bytes]:
        inside = self._span.start == 0
        with self.path.open("rb") as handle:
            handle.seek(self._span.start)
            while True:
                offset = handle.tell()
                text = _block(handle, self.path, offset)
                self._at = handle.tell()
                if self._at == offset:
                    return
                if offset >= self._span.end:
                    if not inside:
                        return
                    end = text.find(b"\n") + 1
                    if end:
                        yield text[:end]
                        return
                elif not inside:
                    start = text.find(b"\n") + 1
                    inside = start > 0
                    text = text[start:] if inside else b""
                if text:
                    yield text


def _length(head: bytes) -> int:
    """Bytes of the block whose first bytes these are, 0 where they begin none."""
    if len(head) < _HEAD or head[:4] != _MAGIC or head[10:16] != _EXTRA:
        return 0
    return int.from_bytes(head[16:18], "little") + 1


def _block(handle: BinaryIO, path: Path, offset: int) -> bytes:
    """Text of the block at the handle's place; empty at the end of the file."""
    head = handle.read(_HEAD)
    if not head:
        return b""
    length = _length(head)
    if length == 0:
        raise SourceCorrupt(path, f"there is no BGZF block at byte {offset:,}; copy it again")
    raw = head + handle.read(length - _HEAD)
    if len(raw) < length:
        raise SourceTruncated(path, f"ends within the compressed block at byte {offset:,}; copy it again")
    try:
        return isal_zlib.decompress(raw, wbits=31)
    except (IsalError, zlib.error, EOFError) as error:  # type: ignore[misc]  # its stub does not say that it is an exception
        raise SourceCorrupt(path, f"the compressed block at byte {offset:,} is damaged ({error}); copy it again") from error


def _next_block(handle: BinaryIO, place: int) -> int:
    """Offset of the first block at or behind a place: its header, and behind it another one or the end."""
    handle.seek(place)
    window = handle.read(2 * _LONGEST)
    size = handle.seek(0, 2)
    at = window.find(_MAGIC)
    while at >= 0:
        length = _length(window[at : at + _HEAD])
        behind = place + at + length
        if length and behind <= size:
            handle.seek(behind)
            if behind == size or _length(handle.read(_HEAD)):
                return place + at
        at = window.find(_MAGIC, at + 1)
    return -1
