"""Reading the sites of a knowledge VCF (plain or gzipped): one row an ALT, normalised exactly as a sample's alleles are.

What cannot be a key is counted by reason and left out. REF is checked against the genome; a file that contradicts it, or none of whose
alleles lies on it, is refused: a source of another build must never answer "absent" for everything.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from isal import igzip
from numba import njit

from processors.ingest.faults import Fault
from processors.ingest.normalise import Normalised, normalise
from processors.knowledge.genome import Genome
from schemas.identity import allele_ids

U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]

_BLOCK = 16 * 1024 * 1024
_COLUMNS = 8
MAX_CONTRADICTION = 0.01
"""Share of checkable REFs that may contradict the genome before the file is taken for one of another build."""
MIN_CONTRADICTIONS = 5
"""Below this many, contradictions are single bad records and are only counted."""


class SourceRefused(ValueError):
    """A knowledge file that must not become a pack; the message names file, cause and what to do."""


@dataclass(frozen=True)
class Sites:
    """n alleles of one block: spans are int32[n, 2] into `text`; `record` counts data lines of the file from 0, `alt` ALTs from 0."""

    text: U8
    record: npt.NDArray[np.int64]
    alt: I32
    alts: I32  # ALTs of the record
    name: I32  # spans of ID
    filter: I32  # spans of FILTER
    info: I32  # spans of INFO
    ids: npt.NDArray[np.uint64]
    alleles: Normalised


@dataclass
class SitesFile:
    """A file being read. After the last block `tally` is complete: `records`, `alleles`, and what was left out by reason."""

    path: Path
    genome: Genome
    header: tuple[str, ...]
    tally: Counter[str]

    def digest(self) -> str:
        """SHA-256 of the file, hex."""
        with self.path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()

    def blocks(self) -> Iterator[Sites]:
        """All alleles that can be keys. Raises SourceRefused for a malformed line or a damaged file."""
        record = 0
        for text in _blocks_of_lines(self.path):
            lines = _lines(text)
            if len(lines) == 0:
                continue
            spans = np.empty((len(lines), _COLUMNS, 2), dtype=np.int32)
            bad = _split(text, lines, spans)
            if bad >= 0:
                raise SourceRefused(f"{self.path}: data record {record + bad + 1} has fewer than 8 columns; is this a VCF?")
            yield self._block(text, spans, record)
            record += len(lines)
        self.tally["records"] = record
        self._judge()

    def _block(self, text: U8, spans: I32, first: int) -> Sites:
        rows = _count_alts(text, spans[:, 4])
        total = int(rows.sum())
        line = np.repeat(np.arange(len(spans), dtype=np.int64), rows)
        alt_spans = np.empty((total, 2), dtype=np.int32)
        positions = np.empty(len(spans), dtype=np.int64)
        _expand(text, spans[:, 1], spans[:, 4], positions, alt_spans)
        ordinal = (np.arange(total) - np.repeat(np.cumsum(rows) - rows, rows)).astype(np.int32)
        contig = self._contigs(text, spans[:, 0])[line]
        faults = np.empty(total, dtype=np.uint8)
        ref_spans = np.ascontiguousarray(spans[line, 3])
        _faults(text, ref_spans, alt_spans, faults)
        faults[contig < 0] = Fault.UNKNOWN_CONTIG
        faults[positions[line] < 1] = Fault.BAD_POSITION
        self._count(faults)
        keep = np.flatnonzero(faults == 0)
        contig = np.ascontiguousarray(contig[keep])
        found = normalise(
            self.genome, text, contig, (positions[line[keep]] - 1).astype(np.int32), ref_spans[keep], np.ascontiguousarray(alt_spans[keep])
        )
        self._count(found.faults)
        self.tally["ref_unknown"] += int((self._unknown(found) & (found.faults == 0)).sum())
        good = np.flatnonzero(found.faults == 0)
        found = select_alleles(found, good)
        keep, contig = keep[good], contig[good]
        offsets = np.array([c.offset for c in self.genome.table.contigs], dtype=np.int64)
        ids = allele_ids(offsets[contig] + found.starts, found.ref_offsets, found.ref_bytes, found.alt_offsets, found.alt_bytes)
        at = line[keep]
        self.tally["alleles"] += len(keep)
        return Sites(text, first + at, ordinal[keep], rows[at].astype(np.int32), spans[at, 2], spans[at, 6], spans[at, 7], ids, found)

    @staticmethod
    def _unknown(found: Normalised) -> npt.NDArray[np.bool_]:
        from schemas.chunks import Flag

        return (found.flags & np.uint32(int(Flag.REF_UNKNOWN))) != 0

    def _contigs(self, text: U8, names: I32) -> I32:
        """Index of each line's contig, -1 where the build has none of that name. Names come in runs."""
        change = np.flatnonzero(_changes(text, names))
        indexes = np.empty(len(change), dtype=np.int32)
        for i, line in enumerate(change):
            found = self.genome.table.resolve(text[names[line, 0] : names[line, 1]].tobytes().decode(errors="replace"))
            indexes[i] = -1 if found is None else found
        lengths = np.diff(np.append(change, len(names)))
        return np.repeat(indexes, lengths)

    def _count(self, faults: U8) -> None:
        codes, counts = np.unique(faults, return_counts=True)
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            if code:
                self.tally[Fault(code).reason] += count

    def _judge(self) -> None:
        tally = self.tally
        build = self.genome.table.build
        if tally["alleles"] == 0:
            left_out = ", ".join(f"{reason} {count:,}" for reason, count in sorted(tally.items()) if reason not in ("records", "alleles"))
            raise SourceRefused(
                f"{self.path}: no allele of it lies on {build} ({tally['records']:,} records; {left_out or 'none left out'})"
            )
        wrong = tally[Fault.BAD_REF.reason]
        checkable = wrong + tally["alleles"] - tally["ref_unknown"]
        if wrong >= MIN_CONTRADICTIONS and wrong > MAX_CONTRADICTION * checkable:
            raise SourceRefused(
                f"{self.path}: REF contradicts {build} in {wrong:,} of {checkable:,} alleles that can be checked; is this file of another build?"
            )


def open_sites(path: Path, genome: Genome) -> SitesFile:
    """A knowledge VCF, its header read. Raises SourceRefused where it is no VCF."""
    header: list[str] = []
    try:
        with _open(path) as stream:
            for raw in stream:
                if not raw.startswith(b"#"):
                    break
                header.append(raw.decode(errors="replace").rstrip("\r\n"))
    except (OSError, EOFError) as error:
        raise SourceRefused(f"{path}: cannot be read ({error}); fetch it again") from error
    if not header or not header[0].startswith("##fileformat=VCF"):
        raise SourceRefused(f"{path}: does not begin with `##fileformat=VCF`; give a VCF, plain or gzipped")
    return SitesFile(path, genome, tuple(header), Counter())


def _open(path: Path):  # type: ignore[no-untyped-def]
    with path.open("rb") as probe:
        packed = probe.read(2) == b"\x1f\x8b"
    return igzip.open(path, "rb") if packed else path.open("rb")


def _blocks_of_lines(path: Path) -> Iterator[U8]:
    rest = b""
    try:
        with _open(path) as stream:
            while block := stream.read(_BLOCK):
                end = block.rfind(b"\n") + 1
                if end:
                    yield np.frombuffer(rest + block[:end], dtype=np.uint8)
                    rest = block[end:]
                else:
                    rest += block
    except (OSError, EOFError, igzip.BadGzipFile) as error:
        raise SourceRefused(f"{path}: cannot be read to its end ({error}); fetch it again") from error
    if rest:
        yield np.frombuffer(rest + b"\n", dtype=np.uint8)


def _lines(text: U8) -> npt.NDArray[np.int64]:
    """Starts and ends (int64[n, 2]) of the data lines."""
    ends = np.flatnonzero(text == 10)
    starts = np.concatenate([[0], ends[:-1] + 1])
    data = (text[starts] != 35) & (ends > starts)
    return np.stack([starts[data], ends[data]], axis=1)


def select_alleles(found: Normalised, rows: npt.NDArray[np.int64]) -> Normalised:
    ref_offsets, ref_bytes = _take(found.ref_offsets, found.ref_bytes, rows)
    alt_offsets, alt_bytes = _take(found.alt_offsets, found.alt_bytes, rows)
    return Normalised(found.starts[rows], ref_offsets, ref_bytes, alt_offsets, alt_bytes, found.flags[rows], found.faults[rows])


@njit(cache=True, nogil=True)
def _take(offsets, data, rows):  # type: ignore[no-untyped-def]
    out = np.zeros(rows.shape[0] + 1, dtype=np.int32)
    for i in range(rows.shape[0]):
        out[i + 1] = out[i] + offsets[rows[i] + 1] - offsets[rows[i]]
    values = np.empty(out[-1], dtype=np.uint8)
    for i in range(rows.shape[0]):
        values[out[i] : out[i + 1]] = data[offsets[rows[i]] : offsets[rows[i] + 1]]
    return out, values


@njit(cache=True, nogil=True)
def _split(text, lines, spans):  # type: ignore[no-untyped-def]
    """Spans of the first eight columns of each line; the first line with fewer, -1 where there is none."""
    for i in range(lines.shape[0]):
        a, end = lines[i, 0], lines[i, 1]
        if text[end - 1] == 13:
            end -= 1
        column = 0
        at = a
        while at <= end and column < 8:
            if at == end or text[at] == 9:
                spans[i, column, 0] = a
                spans[i, column, 1] = at
                column += 1
                a = at + 1
            at += 1
        if column < 8:
            return i
    return -1


@njit(cache=True, nogil=True)
def _count_alts(text, alts):  # type: ignore[no-untyped-def]
    out = np.ones(alts.shape[0], dtype=np.int64)
    for i in range(alts.shape[0]):
        for at in range(alts[i, 0], alts[i, 1]):
            if text[at] == 44:
                out[i] += 1
    return out


@njit(cache=True, nogil=True)
def _expand(text, position_spans, alts, positions, out):  # type: ignore[no-untyped-def]
    n = 0
    for i in range(alts.shape[0]):
        value = np.int64(0)
        for at in range(position_spans[i, 0], position_spans[i, 1]):
            digit = text[at] - 48
            if digit > 9 or value > 1 << 40:
                value = np.int64(-1)
                break
            value = value * 10 + digit
        positions[i] = value
        a = alts[i, 0]
        for at in range(alts[i, 0], alts[i, 1] + 1):
            if at == alts[i, 1] or text[at] == 44:
                out[n, 0] = a
                out[n, 1] = at
                n += 1
                a = at + 1


@njit(cache=True, nogil=True)
def _changes(text, names):  # type: ignore[no-untyped-def]
    out = np.ones(names.shape[0], dtype=np.bool_)
    for i in range(1, names.shape[0]):
        a, b, c, d = names[i - 1, 0], names[i - 1, 1], names[i, 0], names[i, 1]
        same = b - a == d - c
        j = 0
        while same and j < b - a:
            same = text[a + j] == text[c + j]
            j += 1
        out[i] = not same
    return out


@njit(cache=True, nogil=True)
def _faults(text, refs, alts, out):  # type: ignore[no-untyped-def]
    for i in range(refs.shape[0]):
        r0, r1, a0, a1 = refs[i, 0], refs[i, 1], alts[i, 0], alts[i, 1]
        code = 0
        if r1 == r0 or a1 == a0:
            code = 33
        elif text[a0] == 42 and a1 - a0 == 1:
            code = 1
        elif text[a0] == 60 or (text[a0] == 46 and a1 - a0 == 1):
            code = 2
        else:
            for at in range(a0, a1):
                if text[at] == 91 or text[at] == 93:
                    code = 3
        if code == 0 and (r1 - r0 > 10_000 or a1 - a0 > 10_000):
            code = 4
        if code == 0:
            for span in range(2):
                low, high = (r0, r1) if span == 0 else (a0, a1)
                for at in range(low, high):
                    base = text[at] & 0xDF
                    if base == 78:
                        code = 5
                    elif base != 65 and base != 67 and base != 71 and base != 84:
                        code = 6
                        break
        if code == 0 and r1 - r0 == a1 - a0:
            same = True
            for j in range(r1 - r0):
                if (text[r0 + j] ^ text[a0 + j]) & 0xDF:
                    same = False
                    break
            if same:
                code = 7
        out[i] = code
