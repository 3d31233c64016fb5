"""Opening a call set: VCF (plain, gzip, bgzip) or BCF, as one stream of VCF text, with the SHA-256 of the bytes that were truly read.

The digest covers the file's bytes as they pass through the decompressor, not those of a second reading, so a file rewritten between
announcement and reading cannot slip through.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from isal import igzip

from processors.ingest import bcf
from processors.ingest.errors import (
    DuplicateSample,
    HeaderInvalid,
    SourceCorrupt,
    SourceEmpty,
    SourceError,
    SourceMissing,
    SourceTruncated,
)
from schemas.assembly import canonical_build

if TYPE_CHECKING:
    from typing_extensions import Buffer

_BGZF_EOF = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""Empty last block of every complete BGZF file (SAM/BAM specification, section 4.1.2)."""
_READ_SIZE = 512 * 1024
_PIECE = 128 * 1024
"""Decompressed at a time: what comes before damage is still given."""
_MAX_HEADER = 256 * 1024 * 1024


@dataclass(frozen=True)
class HeaderContig:
    """A `##contig` line: name and length, None where the line states none."""

    name: str
    length: int | None


@dataclass(frozen=True)
class SourceHeader:
    """What the header says. `build_hint` is the build that its `assembly=` or `##reference` names, empty where none is recognised."""

    samples: tuple[str, ...]
    contigs: tuple[HeaderContig, ...]
    build_hint: str
    text: bytes = b""
    """All of its lines, without the last line feed."""


class HashingFile(io.RawIOBase):
    """A file that is read once, front to back, and hashes what is read."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("rb", buffering=0)
            self.size = path.stat().st_size
        except OSError as error:
            raise SourceMissing(path, f"cannot be opened ({error.strerror}); check the path and its permissions") from error
        self.path = path
        self.read_bytes = 0
        self._state = hashlib.sha256()
        self._tail = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        count = self._file.readinto(view) or 0
        if count:
            part = view[:count]
            self._state.update(part)
            self._tail = (self._tail + bytes(part[-len(_BGZF_EOF) :]))[-len(_BGZF_EOF) :]
            self.read_bytes += count
        return count

    def drain(self) -> None:
        """Read to the end, so that the digest covers every byte."""
        buffer = bytearray(_READ_SIZE)
        while self.readinto(buffer):
            pass

    @property
    def ends_with_marker(self) -> bool:
        return self._tail == _BGZF_EOF

    def hexdigest(self) -> str:
        return self._state.hexdigest()

    def close(self) -> None:
        self._file.close()
        super().close()


class TextStream(Protocol):
    """A stream of VCF text."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill as much of `buffer` as there is; 0 at the end."""
        ...

    def close(self) -> None: ...


class Source:
    """One call set being read: `fill` gives its text, `digest` (after the end) the SHA-256 of the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = HashingFile(path)
        self.offset = 0
        """Uncompressed bytes given so far."""
        self.compressed = False
        self._bgzf = False
        self.ended = False
        """True once all of the text was given."""
        self._error: SourceError | None = None
        self._last = b"\n"
        try:
            self._stream = self._open()
        except BaseException:
            self.file.close()
            raise

    def _open(self) -> TextStream:
        if self.file.size == 0:
            raise SourceEmpty(self.path, "is empty; write it again")
        with self.path.open("rb") as handle:
            start = handle.read(18)
        if start[:2] != b"\x1f\x8b":
            if start[:3] == b"BCF":
                return bcf.BcfText(self.file, self.path)
            buffered: TextStream = io.BufferedReader(self.file, _READ_SIZE)
            return buffered
        self.compressed = True
        # FEXTRA with the subfield "BC": blocked gzip, which must end in its marker block
        self._bgzf = len(start) >= 18 and bool(start[3] & 4) and start[12:14] == b"BC"
        try:
            with igzip.IGzipFile(self.path, "rb") as peek:  # type: ignore[no-untyped-call]
                is_bcf = peek.read(3) == b"BCF"
        except (OSError, EOFError, zlib.error) as error:
            raise _gzip_error(self.path, error, 0) from error
        if is_bcf:
            return bcf.BcfText(self.file, self.path)
        stream: TextStream = igzip.IGzipFile(fileobj=io.BufferedReader(self.file, _READ_SIZE), mode="rb")  # type: ignore[no-untyped-call]
        return stream

    @property
    def fraction(self) -> float:
        """Share of the file's bytes read so far, 0 to 1."""
        if isinstance(self._stream, bcf.BcfText):
            return self._stream.fraction
        return min(1.0, self.file.read_bytes / max(self.file.size, 1))

    def fill(self, buffer: memoryview) -> int:
        """Fill `buffer` wholly unless the text ends within it; the number of bytes given.

        Raises SourceError, after giving what text there was before the damage, so that the caller can say at which record it lies.
        """
        filled = 0
        while filled < len(buffer) and not self.ended and not self._error:
            try:
                count = self._stream.readinto(buffer[filled : filled + _PIECE])
            except (OSError, EOFError, zlib.error) as error:
                self._error = _gzip_error(self.path, error, self.offset + filled)
            except SourceError as error:
                self._error = error
            else:
                filled += count
                if count:
                    self._last = bytes(buffer[filled - 1 : filled])
                else:
                    self._error = self._end(self.offset + filled)
                    self.ended = self._error is None
        self.offset += filled
        if self._error and not filled:
            raise self._error
        return filled

    def _end(self, offset: int) -> SourceError | None:
        """What is wrong with the way the source ended."""
        self.file.drain()
        if self._bgzf and not self.file.ends_with_marker:
            return SourceTruncated(self.path, "lacks BGZF's end marker: the file is cut at a block; copy it again", offset=offset)
        if not self.compressed and self._last != b"\n":
            return SourceTruncated(
                self.path, "ends within a line: the file seems cut; if it is whole, end it with a line feed", offset=offset
            )
        return None

    def digest(self) -> str:
        """SHA-256 (hex) of all bytes of the file. Only after the end."""
        if not self.ended:
            raise RuntimeError("the digest is known only after the end of the source")
        return self.file.hexdigest()

    def close(self) -> None:
        self._stream.close()
        self.file.close()


def _gzip_error(path: Path, error: Exception, offset: int) -> SourceTruncated | SourceCorrupt | SourceMissing:
    if isinstance(error, EOFError):
        return SourceTruncated(path, f"ends within a compressed block ({error}); copy it again", offset=offset)
    if isinstance(error, OSError) and error.errno is not None:
        return SourceMissing(path, f"cannot be read ({error.strerror})", offset=offset)
    return SourceCorrupt(path, f"compressed data is damaged ({error}); copy it again", offset=offset)


def read_header(path: Path) -> SourceHeader:
    """The header of a VCF or BCF. Raises SourceError; a file without samples gives an empty tuple."""
    source = Source(path)
    try:
        header, _ = take_header(source)
    finally:
        source.close()
    return header


def take_header(source: Source) -> tuple[SourceHeader, bytes]:
    """Read a source up to the end of its header; the header, and the bytes of records read with it."""
    text = bytearray()
    size = 64 * 1024
    while True:
        piece = bytearray(size)
        count = source.fill(memoryview(piece))
        text += piece[:count]
        if not text.startswith(b"##fileformat=VCF"[: len(text)]):
            raise HeaderInvalid(source.path, "does not begin with ##fileformat=VCF; it is no VCF or BCF", offset=0)
        line = text.find(b"\n#CHROM") + 1
        end = text.find(b"\n", line) if line else -1
        if line and end < 0 and source.ended:
            end = len(text)
        if end >= 0:
            break
        if source.ended or len(text) > _MAX_HEADER:
            raise HeaderInvalid(source.path, "has no #CHROM line; the header is cut or this is no VCF", offset=len(text))
        size *= 2
    header = _parse_header(source.path, bytes(text[:line]), bytes(text[line:end]))
    return replace(header, text=bytes(text[:end])), bytes(text[end + 1 :])


def _parse_header(path: Path, meta: bytes, line: bytes) -> SourceHeader:
    columns = line.decode(errors="replace").rstrip("\r\n").split("\t")
    fixed = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
    if columns[:8] != fixed or columns[8:9] not in ([], ["FORMAT"]):
        raise HeaderInvalid(path, f"its #CHROM line does not name the fixed columns: {columns[:9]}", offset=len(meta))
    samples = columns[9:]
    for again in sorted({name for name in samples if samples.count(name) > 1}) if len(set(samples)) < len(samples) else ():
        raise DuplicateSample(path, f"two columns are named {again!r}; rename one (bcftools reheader)", offset=len(meta))
    contigs: dict[str, HeaderContig] = {}
    hint = ""
    for raw in meta.split(b"\n"):
        if raw.startswith(b"##contig=<"):
            fields = dict(_fields(raw.decode(errors="replace").strip()[10:].rstrip(">")))
            name = fields.get("ID", "")
            length = fields.get("length", "")
            if name:
                contigs.setdefault(name, HeaderContig(name, int(length) if length.isdigit() else None))
            hint = hint or _known_build(fields.get("assembly", ""))
        elif raw.startswith((b"##reference=", b"##assembly=")):
            hint = hint or _known_build(raw.decode(errors="replace").split("=", 1)[1])
    return SourceHeader(tuple(samples), tuple(contigs.values()), hint)


def _fields(text: str) -> Iterator[tuple[str, str]]:
    """key=value pairs of a structured header line; commas within quotes do not part them."""
    pairs, quoted, start = [], False, 0
    for place, letter in enumerate(text):
        if letter == '"':
            quoted = not quoted
        elif letter == "," and not quoted:
            pairs.append(text[start:place])
            start = place + 1
    for pair in [*pairs, text[start:]]:
        key, _, value = pair.partition("=")
        yield key, value.strip('"')


def _known_build(text: str) -> str:
    for word in _words(text):
        build = canonical_build(word)
        if build in ("GRCh37", "GRCh38"):
            return build
    return ""


def _words(text: str) -> Sequence[str]:
    for mark in "/\\._- ":
        text = text.replace(mark, "\n")
    return text.split("\n")
