"""The genome pack: the bases of every contig of a FASTA, memory-mapped, addressed by the contig table of the build.

Positions are 0-based half-open. Bases are upper-case ASCII; whatever is not A, C, G or T in the FASTA is N, "unknown". A primary contig
without sequence stays in the table, all of it unknown, so that indexes and linear coordinates never depend on what a FASTA holds.
"""

from __future__ import annotations

import enum
import gzip
import mmap
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
from isal import igzip
from isal.igzip_lib import IsalError
from numba import njit

from processors.knowledge.pack import Pack, PackError, write_pack
from schemas.assembly import MITOCHONDRION_LENGTH, ContigTable, canonical_build, contig_table

U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

_BLOCK = 4 * 1024 * 1024
_IUPAC = b"ACGTUWSMKRYBDHVNX*-."
_INVALID = 0x21
_UPPER = bytes(
    (letter if letter in b"ACGT" else ord("N")) if letter in _IUPAC else _INVALID
    for letter in (code - 32 if ord("a") <= code <= ord("z") else code for code in range(256))
)


class GenomeError(Exception):
    """A FASTA that cannot become the genome of a build; the message names the file, the record and what to do."""


class RefCheck(enum.IntEnum):
    """What the genome says of a REF allele."""

    MATCH = 0
    UNKNOWN = 1  # no contradiction, but some base under REF is N, or the contig has no sequence
    MISMATCH = 2
    OUTSIDE = 3  # REF does not lie wholly on the contig


@dataclass(frozen=True)
class _Record:
    """One FASTA record as laid down: its bases are `[offset, offset + length)` of the sequence array."""

    name: str
    length: int
    offset: int


def build_genome(fasta: Path, root: Path, build: str, version: str, name: str = "") -> Pack:
    """Compile a FASTA (plain, gzip or bgzip; an index is not needed) to a genome pack below `root`.

    The bases are streamed through a scratch file, so memory stays at a few MiB whatever the genome. Raises GenomeError where a record
    contradicts the build: a primary contig (by any of its names) of another length, a name twice, a letter that is no base. A
    mitochondrion of another length than rCRS's (hg19's `chrM`) is left out and listed in `extra["left_out"]`, never aliased to MT.
    """
    build = canonical_build(build)
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=root, prefix=".bases-") as scratch:
        records = _copy_bases(fasta, scratch)
        if not any(record.length for record in records):
            raise GenomeError(f"{fasta}: holds no base; give a FASTA with `>name` lines and sequences")
        table, offsets, left_out = _lay_out(fasta, build, records)
        scratch.flush()
        size = sum(record.length for record in records)
        sequence = np.memmap(scratch, dtype=np.uint8, mode="r", shape=(size,))
        primary = len(contig_table(build).contigs)
        return write_pack(
            root,
            kind="genome",
            name=name or fasta.name.split(".fa")[0],
            version=version,
            build=build,
            arrays={"sequence": sequence},
            rows=size,
            extra={
                "contigs": [[c.name, c.length, offsets[number]] for number, c in enumerate(table.contigs)],
                "extra": [[c.name, c.length] for c in table.contigs[primary:]],
                "left_out": left_out,
            },
        )


def _lay_out(fasta: Path, build: str, records: list[_Record]) -> tuple[ContigTable, list[int], list[list[Any]]]:
    """Contig table, each contig's sequence offset (-1: none), and the records that belong to no contig with the reason."""
    standard = contig_table(build)
    table = contig_table(build, [(r.name, r.length) for r in records if standard.resolve(r.name) is None])
    offsets = [-1] * len(table.contigs)
    left_out: list[list[Any]] = []
    for record in records:
        number = table.resolve(record.name)
        if number is None:
            raise GenomeError(f"{fasta}: record {record.name} has no place in {build}; rename or remove it")
        contig = table.contigs[number]
        if record.length != contig.length:
            if contig.name == "MT" and contig.length == MITOCHONDRION_LENGTH:
                left_out.append([record.name, record.length, "not rCRS (NC_012920.1, 16,569 bases)"])
                continue
            raise GenomeError(
                f"{fasta}: {record.name} has {record.length:,} bases, {contig.name} of {build} has {contig.length:,}; "
                f"give the FASTA of {build}, or name the build that this FASTA is"
            )
        if offsets[number] >= 0:
            raise GenomeError(f"{fasta}: {contig.name} comes twice (again as {record.name}); keep one of them")
        offsets[number] = record.offset
    return table, offsets, left_out


def _copy_bases(fasta: Path, target: BinaryIO) -> list[_Record]:
    """Write all bases back to back, and say which record lies where."""
    records: list[_Record] = []
    name, start, written = "", 0, 0
    for header, bases in _pieces(fasta):
        if header is not None:
            if name:
                records.append(_Record(name, written - start, start))
            name, start = header, written
            continue
        clean = bases.translate(_UPPER, b"\r\n \t")
        if not clean:
            continue
        if not name:
            raise GenomeError(f"{fasta}: does not begin with a `>name` line; it is no FASTA")
        if _INVALID in clean:
            wrong = next(letter for letter in bases if _UPPER[letter] == _INVALID and letter not in b"\r\n \t")
            raise GenomeError(f"{fasta}: record {name} holds {chr(wrong)!r}, which is no IUPAC base; the file is damaged or no FASTA")
        target.write(clean)
        written += len(clean)
    if name:
        records.append(_Record(name, written - start, start))
    names = [record.name for record in records]
    for again in {n for n in names if names.count(n) > 1} if len(set(names)) < len(names) else ():
        raise GenomeError(f"{fasta}: record {again} comes twice; keep one of them")
    return records


def _pieces(fasta: Path) -> Iterator[tuple[str | None, bytes]]:
    """(record name, b"") at each header line and (None, bytes of sequence lines) between, in blocks."""
    try:
        with _open(fasta) as stream:
            rest = b""
            begins_line = True
            while block := stream.read(_BLOCK):
                rest += block
                while rest:
                    if begins_line and rest[:1] == b">":
                        end = rest.find(b"\n")
                        if end < 0:
                            break
                        words = rest[1:end].split()
                        if not words:
                            raise GenomeError(f"{fasta}: a `>` line without a name; give every record one")
                        yield words[0].decode(errors="replace"), b""
                        rest = rest[end + 1 :]
                        continue
                    end = rest.find(b"\n>")
                    piece, rest = (rest, b"") if end < 0 else (rest[: end + 1], rest[end + 1 :])
                    begins_line = piece.endswith(b"\n")
                    yield None, piece
            if rest:
                raise GenomeError(f"{fasta}: ends within the header line {rest[:60]!r}; the file is cut")
    except (OSError, EOFError, gzip.BadGzipFile, IsalError) as error:  # type: ignore[misc]
        raise GenomeError(f"{fasta}: cannot be read ({error}); copy it again or check the path") from error


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as handle:
        packed = handle.read(2) == b"\x1f\x8b"
    if not packed:
        return path.open("rb")
    return cast(BinaryIO, igzip.IGzipFile(path, "rb"))  # type: ignore[no-untyped-call]


class Genome:
    """A genome pack in use. Arrays are memory-mapped: opening is instant and processes share the pages."""

    def __init__(self, pack: Pack) -> None:
        if pack.kind != "genome":
            raise PackError(f"{pack.path}: a pack of kind {pack.kind}, not a genome")
        self.pack = pack
        self.table = contig_table(pack.build, [(name, length) for name, length in pack.extra["extra"]])
        rows = pack.extra["contigs"]
        if [(c.name, c.length) for c in self.table.contigs] != [(name, length) for name, length, _ in rows]:
            raise PackError(f"{pack.path}: its contigs are not those of {pack.build} as this version knows it; build it again")
        mapped = pack.array("sequence")
        self._pages: mmap.mmap | None = getattr(mapped, "_mmap", None)
        self._data = int(getattr(mapped, "offset", 0)) % mmap.ALLOCATIONGRANULARITY
        self.sequence: U8 = np.asarray(mapped)
        """All bases, contigs back to back in FASTA order."""
        self.sequence_offsets: I64 = np.array([offset for _, _, offset in rows], dtype=np.int64)
        """Each contig's first base in `sequence`, -1 where it has none."""
        self.lengths: I64 = np.array([c.length for c in self.table.contigs], dtype=np.int64)

    def bases(self, contig: int) -> U8 | None:
        """Bases of a contig by index, `uint8[length]`, ASCII, N unknown; None where the FASTA had no such record."""
        offset = int(self.sequence_offsets[contig])
        return None if offset < 0 else self.sequence[offset : offset + int(self.lengths[contig])]

    def release(self, contig: int) -> None:
        """Give the pages of a contig that is done with back to the system; they are read again when they are touched again.

        Without it a worker's resident memory grows to the whole genome, though none of it is its own.
        """
        offset = int(self.sequence_offsets[contig])
        if self._pages is None or offset < 0:
            return
        first = -(-(self._data + offset) // mmap.PAGESIZE) * mmap.PAGESIZE
        last = (self._data + offset + int(self.lengths[contig])) // mmap.PAGESIZE * mmap.PAGESIZE
        if last > first:
            self._pages.madvise(mmap.MADV_DONTNEED, first, last - first)

    def check_ref(self, contigs: I32, starts: I64, ref_offsets: I64, ref_bytes: U8) -> U8:
        """RefCheck of n alleles: contig indexes, 0-based starts, and REFs as an Arrow binary column (n + 1 offsets, upper-case bytes)."""
        out = np.empty(len(contigs), dtype=np.uint8)
        _check_ref(self.sequence, self.sequence_offsets, self.lengths, contigs, starts, ref_offsets, ref_bytes, out)
        return out


@njit(cache=True, nogil=True)
def ref_state(sequence, base, length, start, ref, first, last):  # type: ignore[no-untyped-def]
    """RefCheck of `ref[first:last]` (upper case) at `start` of a contig whose bases begin at `sequence[base]`, -1 for none."""
    if start < 0 or start + (last - first) > length:
        return 3
    if base < 0:
        return 1
    state = 0
    for i in range(last - first):
        known = sequence[base + start + i]
        if known == 78:
            state = 1
        elif known != ref[first + i]:
            return 2
    return state


@njit(cache=True, nogil=True)
def _check_ref(sequence, bases, lengths, contigs, starts, offsets, ref, out):  # type: ignore[no-untyped-def]
    for i in range(contigs.shape[0]):
        c = contigs[i]
        out[i] = ref_state(sequence, bases[c], lengths[c], starts[i], ref, offsets[i], offsets[i + 1])
