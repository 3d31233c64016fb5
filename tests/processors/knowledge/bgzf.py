"""Writes BGZF with blocks of any size."""

from __future__ import annotations

import zlib
from pathlib import Path

MARKER = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def block(text: bytes) -> bytes:
    """One BGZF block."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    body = packer.compress(text) + packer.flush()
    head = bytes.fromhex("1f8b08040000000000ff060042430200") + (len(body) + 25).to_bytes(2, "little")
    return head + body + zlib.crc32(text).to_bytes(4, "little") + len(text).to_bytes(4, "little")


def write_bgzf(path: Path, text: bytes, size: int = 4096) -> Path:
    """The text in blocks of `size` bytes."""
    pieces = [block(text[start : start + size]) for start in range(0, len(text), size)]
    path.write_bytes(b"".join(pieces) + MARKER)
    return path
