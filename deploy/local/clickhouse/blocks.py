"""ClickHouse's own compressed blocks, for `compress=1` and `decompress=1`.

A block is a 16-byte checksum (CityHash128 v1.0.2 of the rest), a method byte, the size of method, sizes and data (4 bytes, little-endian),
the size of the plain data (4 bytes), and the data.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import lz4.block
import zstandard

from deploy.local.clickhouse.cityhash import cityhash128
from deploy.local.clickhouse.errors import ClickHouseError, Code

_NONE, _LZ4, _ZSTD = 0x02, 0x82, 0x90
_CHECKSUM_BYTES = 16
_HEADER = struct.Struct("<BII")
_PLAIN_BYTES = 1024 * 1024
"""Plain bytes of a block that we write, as ClickHouse's own max_compress_block_size."""
_MOST_BYTES = 1024 * 1024 * 1024
"""Plain bytes of a block that we read, at most (ClickHouse: 1 GiB)."""


class Packer:
    """Makes compressed blocks of a stream of bytes."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> bytes:
        self._pending += data
        out = []
        while len(self._pending) >= _PLAIN_BYTES:
            out.append(_pack(bytes(self._pending[:_PLAIN_BYTES])))
            del self._pending[:_PLAIN_BYTES]
        return b"".join(out)

    def end(self) -> bytes:
        last, self._pending = bytes(self._pending), bytearray()
        return _pack(last) if last else b""


def _pack(plain: bytes) -> bytes:
    packed: bytes = lz4.block.compress(plain, store_size=False)
    body = _HEADER.pack(_LZ4, len(packed) + _HEADER.size, len(plain)) + packed
    return cityhash128(body) + body


def unpack(parts: Sequence[bytes], most: int) -> list[bytes]:
    """The plain data of a body of blocks. Raises ClickHouseError 40 for a wrong checksum, 271 or 89 for damaged or unknown data, 290."""
    data = memoryview(b"".join(parts))
    out: list[bytes] = []
    at = size = 0
    while at < len(data):
        if len(data) - at < _CHECKSUM_BYTES + _HEADER.size:
            raise ClickHouseError.of(Code.CANNOT_DECOMPRESS, f"the compressed data ends within the header of a block at byte {at}")
        checksum = bytes(data[at : at + _CHECKSUM_BYTES])
        method, packed_size, plain_size = _HEADER.unpack_from(data, at + _CHECKSUM_BYTES)
        end = at + _CHECKSUM_BYTES + packed_size
        if packed_size < _HEADER.size or end > len(data) or plain_size > _MOST_BYTES:
            raise ClickHouseError.of(
                Code.CANNOT_DECOMPRESS, f"the block at byte {at} claims {packed_size} bytes, {plain_size} plain; it is cut short or damaged"
            )
        size += plain_size
        if size > most:
            raise ClickHouseError.of(Code.LIMIT_EXCEEDED, f"the body has more than {most} bytes after decompression; send it in parts")
        body = bytes(data[at + _CHECKSUM_BYTES : end])
        if cityhash128(body) != checksum:
            raise ClickHouseError.of(Code.CHECKSUM_DOESNT_MATCH, f"Checksum doesn't match: corrupted data in the block at byte {at}")
        out.append(_plain(method, body[_HEADER.size :], plain_size, at))
        at = end
    return out


def _plain(method: int, packed: bytes, size: int, at: int) -> bytes:
    plain: bytes
    try:
        if method == _LZ4:
            plain = lz4.block.decompress(packed, uncompressed_size=size)
        elif method == _ZSTD:
            plain = zstandard.ZstdDecompressor().decompress(packed, max_output_size=size)
        elif method == _NONE:
            plain = packed
        else:
            raise ClickHouseError.of(Code.UNKNOWN_COMPRESSION_METHOD, f"Unknown compression method {method:#x} in the block at byte {at}")
    except (lz4.block.LZ4BlockError, zstandard.ZstdError, ValueError) as error:
        raise ClickHouseError.of(Code.CANNOT_DECOMPRESS, f"the block at byte {at} cannot be decompressed: {error}") from None
    if len(plain) != size:
        raise ClickHouseError.of(Code.CANNOT_DECOMPRESS, f"the block at byte {at} has {len(plain)} bytes, not {size}")
    return plain
