"""Blocked gzip (SAM/BAM specification, section 4.1): what `bgzip` writes and `tabix`, htslib and every gzip reader read."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from isal import isal_zlib

BLOCK = 65_280
"""Bytes before compression of a block, as htslib takes them: even data that does not shrink then fits the format's 64 KiB."""
_EOF = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_HEAD = struct.Struct("<4BI2BH2BHH")
_TAIL = struct.Struct("<II")


class BgzfWriter:
    """Writes bytes as BGZF blocks; `close` adds the marker by which a reader knows that nothing is missing."""

    def __init__(self, path: Path) -> None:
        self._handle = path.open("wb")
        self._rest = bytearray()

    def write(self, data: bytes | memoryview) -> None:
        self._rest += data
        whole = len(self._rest) // BLOCK * BLOCK
        view = memoryview(self._rest)
        for at in range(0, whole, BLOCK):
            self._handle.write(_block(view[at : at + BLOCK]))
        view.release()
        del self._rest[:whole]

    def close(self) -> None:
        if self._handle.closed:
            return
        if self._rest:
            self._handle.write(_block(memoryview(self._rest)))
        self._handle.write(_EOF)
        self._handle.close()


def _block(data: memoryview) -> bytes:
    packer = isal_zlib.compressobj(1, isal_zlib.DEFLATED, -15)
    packed = packer.compress(data) + packer.flush()
    if len(packed) > 0xFFFF - _HEAD.size - _TAIL.size:
        stored = zlib.compressobj(0, zlib.DEFLATED, -15)
        packed = stored.compress(data) + stored.flush()
    head = _HEAD.pack(0x1F, 0x8B, 8, 4, 0, 0, 0xFF, 6, ord("B"), ord("C"), 2, len(packed) + _HEAD.size + _TAIL.size - 1)
    return head + packed + _TAIL.pack(isal_zlib.crc32(data), len(data))
