"""HTTP content encodings: bodies decoded within a bound, results encoded piece by piece."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any, Protocol

import lz4.frame
import zstandard

from deploy.local.clickhouse.errors import ClickHouseError, Code

PREFERRED = ("lz4", "zstd", "gzip", "deflate")
"""Encodings of results, the cheapest to make first; the first that the client takes is used."""


class Encoder(Protocol):
    """Makes one encoded stream of many pieces."""

    def feed(self, data: bytes) -> bytes: ...

    def end(self) -> bytes: ...


class _Zlib:
    def __init__(self, window_bits: int) -> None:
        self._state = zlib.compressobj(level=1, wbits=window_bits)

    def feed(self, data: bytes) -> bytes:
        return self._state.compress(data)

    def end(self) -> bytes:
        return self._state.flush()


class _Zstd:
    def __init__(self) -> None:
        self._state = zstandard.ZstdCompressor(level=1).compressobj()

    def feed(self, data: bytes) -> bytes:
        return self._state.compress(data)

    def end(self) -> bytes:
        return self._state.flush()


class _Lz4:
    def __init__(self) -> None:
        self._state = lz4.frame.LZ4FrameCompressor()
        self._begun = False

    def feed(self, data: bytes) -> bytes:
        head = b""
        if not self._begun:
            self._begun = True
            head = self._state.begin()
        return bytes(head + self._state.compress(data))

    def end(self) -> bytes:
        head = b"" if self._begun else self._state.begin()
        return bytes(head + self._state.flush())


def choose(accepted: str) -> str:
    """The encoding of a result for an Accept-Encoding header; empty for none."""
    offered = {}
    for part in accepted.lower().split(","):
        name, _, quality = part.strip().partition(";")
        offered[name.strip()] = quality.replace(" ", "") not in ("q=0", "q=0.0")
    return next((name for name in PREFERRED if offered.get(name)), "")


def encoder(name: str) -> Encoder:
    """An encoder of one of `PREFERRED`."""
    if name == "gzip":
        return _Zlib(31)
    if name == "deflate":
        return _Zlib(15)
    if name == "zstd":
        return _Zstd()
    return _Lz4()


def decode(name: str, parts: Iterable[bytes], most: int) -> list[bytes]:
    """Decode a body. Raises ClickHouseError for an unknown encoding, damaged or truncated data, or more than `most` bytes."""
    name = name.strip().lower()
    if name in ("", "identity"):
        return list(parts)
    try:
        return _decode(name, parts, most)
    except (zlib.error, zstandard.ZstdError, RuntimeError, EOFError, ValueError) as error:
        raise ClickHouseError.of(Code.CANNOT_DECOMPRESS, f"the body is not valid {name}: {error}") from None


def _decode(name: str, parts: Iterable[bytes], most: int) -> list[bytes]:
    out: list[bytes] = []
    size = 0
    state: Any = None
    at_end = True
    for part in parts:
        rest = part
        while rest:
            if state is None:
                state = _decoder(name)
                at_end = False
            if name in ("gzip", "x-gzip", "deflate"):
                piece = state.decompress(rest, _PIECE)
                left = state.unconsumed_tail
                if state.eof:
                    left = state.unused_data
            elif name == "lz4":
                piece = state.decompress(rest, _PIECE)
                left = b""
                while not state.eof and not state.needs_input:
                    out.append(piece)
                    size = _bounded(size + len(piece), most)
                    piece = state.decompress(b"", _PIECE)
                if state.eof:
                    left = state.unused_data or b""
            else:
                piece = state.decompress(rest)
                left = state.unused_data if state.eof else b""
            out.append(piece)
            size = _bounded(size + len(piece), most)
            if state.eof:
                state, at_end = None, True
            rest = left
    if not at_end:
        raise EOFError("it ends early")
    return out


_PIECE = 4 * 1024 * 1024


def _bounded(size: int, most: int) -> int:
    if size > most:
        raise ClickHouseError.of(Code.LIMIT_EXCEEDED, f"the body has more than {most} bytes after decompression; send it in parts")
    return size


def _decoder(name: str) -> Any:
    if name in ("gzip", "x-gzip"):
        return zlib.decompressobj(wbits=31)
    if name == "deflate":
        return zlib.decompressobj(wbits=47)
    if name == "zstd":
        return zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
    if name == "lz4":
        return lz4.frame.LZ4FrameDecompressor()
    raise ClickHouseError.of(Code.UNKNOWN_COMPRESSION_METHOD, f"Content-Encoding {name!r} is not supported; use lz4, zstd, gzip or deflate")
