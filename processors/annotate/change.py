"""What an event does to a transcript, as text in Ensembl VEP's spelling: codons, amino acids, positions, exon and intron numbers.

Rows are pairs of an allele and a transcript. A row without the matter, outside of the transcript say, reads empty. Positions are 1-based
and closed; an end that lies outside reads `?`, both `-`; behind the `/` stands what there is in all. Of an insertion both neighbours are
named. Codons are in small letters but for the bases that change; a stretch without a codon reads `-`.
"""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from processors.annotate.sequence import (
    cdna_span,
    changed_base,
    coding_base,
    coding_length,
    coding_span,
    codon_span,
    protein_length,
)
from processors.annotate.splice import exon_near
from processors.annotate.stretch import known_bases, residue_after, residue_before, stretch
from processors.annotate.text import column, put_byte, put_number
from processors.annotate.within import exons_met, introns_met
from processors.knowledge.layout import Layout
from processors.knowledge.strings import writable

_DASH, _SLASH, _ASK, _SMALL = 45, 47, 63, 32
_PLACES = 48
"""Bytes that any positions, or the parts of a codon beside the changed bases, take at most."""


class Matter(enum.IntEnum):
    """What a column is of."""

    EXON = 0
    INTRON = 1
    CDNA_POSITION = 2
    CDS_POSITION = 3
    PROTEIN_POSITION = 4
    AMINO_ACIDS = 5
    CODONS = 6


_EXON, _INTRON, _CDNA, _CDS, _PROTEIN, _AMINO_ACIDS = (int(matter) for matter in list(Matter)[:6])


@njit(cache=True, nogil=True)
def _put_range(out, at, first, last):  # type: ignore[no-untyped-def]
    """A 1-based closed range, either end -1 where it is not known; one that ends before it starts is turned round."""
    if first < 0 and last < 0:
        return put_byte(out, at, _DASH)
    if first >= 0 and first == last:
        return put_number(out, at, first)
    low, high = (last, first) if first > last >= 0 else (first, last)
    at = put_number(out, at, low) if low >= 0 else put_byte(out, at, _ASK)
    at = put_byte(out, at, _DASH)
    return put_number(out, at, high) if high >= 0 else put_byte(out, at, _ASK)


@njit(cache=True, nogil=True)
def _put_total(out, at, total):  # type: ignore[no-untyped-def]
    if total <= 0:
        return at
    at = put_byte(out, at, _SLASH)
    return put_number(out, at, total)


@njit(cache=True, nogil=True)
def _put_parts(out, at, t, row, s, e, introns):  # type: ignore[no-untyped-def]
    """Numbers of the exons or introns touched, in transcript order, of all that there are."""
    low, total = t.exon_offsets[row], t.exon_offsets[row + 1] - t.exon_offsets[row] - (1 if introns else 0)
    first, last = introns_met(t, row, s, e) if introns else exons_met(t, row, s, e)
    if first >= last:
        return at
    if t.strand[row] > 0:
        at = _put_range(out, at, first - low + 1, last - low)
    else:
        at = _put_range(out, at, total - (last - 1 - low), total - (first - low))
    return _put_total(out, at, total)


@njit(cache=True, nogil=True)
def _put_positions(out, at, t, row, matter, a, b, c, d):  # type: ignore[no-untyped-def]
    """One of the three positions of a cDNA span and its coding span."""
    if matter == _CDNA:
        at = _put_range(out, at, a + 1 if a >= 0 else a, b)
        return _put_total(out, at, t.length[row])
    if matter == _CDS:
        at = _put_range(out, at, c + 1 if c >= 0 else c, d)
        return _put_total(out, at, coding_length(t, row))
    k0, k1 = codon_span(c, d)
    at = _put_range(out, at, k0 + 1 if c >= 0 else c, k1 if d >= 0 else d)
    return _put_total(out, at, protein_length(t, row))


@njit(cache=True, nogil=True)
def _put_amino_acids(out, at, t, row, x):  # type: ignore[no-untyped-def]
    """Residues of a stretch before and after, once where they are the same."""
    same = x.ref_count == x.alt_count
    if x.ref_count == 0:
        at = put_byte(out, at, _DASH)
    for i in range(x.ref_count):
        before = residue_before(t, row, x, i)
        same = same and before == residue_after(t, row, x, i)
        at = put_byte(out, at, before)
    if same:
        return at
    at = put_byte(out, at, _SLASH)
    if x.alt_count == 0:
        at = put_byte(out, at, _DASH)
    for i in range(x.alt_count):
        at = put_byte(out, at, residue_after(t, row, x, i))
    return at


@njit(cache=True, nogil=True)
def _put_codons(out, at, t, row, x, size):  # type: ignore[no-untyped-def]
    """Codons of a stretch before and after; `size` bases are replaced on the contig."""
    first, begin = x.c % 3, 3 * x.k0
    if x.ref_bases == 0:
        at = put_byte(out, at, _DASH)
    for i in range(x.ref_bases):
        base = coding_base(t, row, begin + i)
        at = put_byte(out, at, base if first <= i < first + size else base | _SMALL)
    at = put_byte(out, at, _SLASH)
    if x.alt_bases == 0:
        at = put_byte(out, at, _DASH)
    for i in range(x.alt_bases):
        base = changed_base(t, row, x.c, x.d, x.alt, x.lo, x.hi, begin + i)
        at = put_byte(out, at, base if first <= i < first + x.hi - x.lo else base | _SMALL)
    return at


@njit(cache=True, nogil=True)
def _put(out, at, t, row, matter, s, e, alt, lo, hi):  # type: ignore[no-untyped-def]  # noqa: PLR0911
    """Write one row's text; the place behind it."""
    if e <= t.start[row] or s >= t.end[row]:
        return at
    if matter <= _INTRON:
        return _put_parts(out, at, t, row, s, e, matter == _INTRON)
    near, far = (s, s + 1) if s == e else (s + 1, e)
    if not exon_near(t, row, near, far):
        return at
    a, b = cdna_span(t, row, s, e)
    if matter == _CDNA:
        return _put_positions(out, at, t, row, matter, a, b, np.int64(-1), np.int64(-1))
    if t.coding_start[row] < 0 or far <= t.cds_start[row] or near > t.cds_end[row]:
        return at
    c, d = coding_span(t, row, a, b)
    if matter <= _PROTEIN:
        return _put_positions(out, at, t, row, matter, a, b, c, d)
    if c < 0 or d < 0:
        return at
    known = known_bases(alt, lo, hi)
    x = stretch(t, row, c, d, alt, lo, hi, known)
    if matter == _AMINO_ACIDS:
        return _put_amino_acids(out, at, t, row, x) if known else at
    return _put_codons(out, at, t, row, x, e - s)


@njit(cache=True, nogil=True)
def _room(t, matter, start, end, alt_from, alt_to, allele, transcript):  # type: ignore[no-untyped-def]
    """Bytes that the texts of all rows take at most."""
    total = np.int64(0)
    for r in range(allele.shape[0]):
        i, row = allele[r], np.int64(transcript[r])
        if row >= t.start.shape[0] or end[i] <= t.start[row] or start[i] >= t.end[row]:
            continue
        total += _PLACES
        if matter >= _AMINO_ACIDS and t.coding_start[row] >= 0:
            total += min(end[i] - start[i], coding_length(t, row)) + alt_to[i] - alt_from[i]
    return total


@njit(cache=True, nogil=True)
def _write(t, matter, start, end, alt, alt_from, alt_to, allele, transcript, out, offsets):  # type: ignore[no-untyped-def]
    at = np.int64(0)
    offsets[0] = 0
    for r in range(allele.shape[0]):
        i, row = allele[r], np.int64(transcript[r])
        if row < t.start.shape[0]:
            at = _put(out, at, t, row, matter, np.int64(start[i]), np.int64(end[i]), alt, alt_from[i], alt_to[i])
        offsets[r + 1] = at


def change_column(
    matter: Matter,
    layout: Layout,
    start: npt.NDArray[np.int32],
    end: npt.NDArray[np.int32],
    alt: npt.NDArray[np.uint8],
    alt_from: npt.NDArray[np.int64],
    alt_to: npt.NDArray[np.int64],
    allele: npt.NDArray[Any],
    transcript: npt.NDArray[np.uint32],
) -> pa.Array[Any]:
    """One text a row, large strings; arguments as in `change_texts`."""
    offsets, out = change_texts(matter, layout, start, end, alt, alt_from, alt_to, allele, transcript)
    return column(offsets, out[: offsets[-1]])


def change_texts(
    matter: Matter,
    layout: Layout,
    start: npt.NDArray[np.int32],
    end: npt.NDArray[np.int32],
    alt: npt.NDArray[np.uint8],
    alt_from: npt.NDArray[np.int64],
    alt_to: npt.NDArray[np.int64],
    allele: npt.NDArray[Any],
    transcript: npt.NDArray[np.uint32],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """(n + 1 offsets, bytes) of one text a row. The events are those of the alleles, see `annotate.regions`; `allele` and `transcript` name
    each row's, NONE for no transcript."""
    room: Any = _room(layout, int(matter), start, end, alt_from, alt_to, allele, transcript)
    out = np.empty(int(room), dtype=np.uint8)
    offsets = np.empty(len(allele) + 1, dtype=np.int64)
    _write(layout, int(matter), start, end, writable(alt), alt_from, alt_to, allele, transcript, out, offsets)
    return offsets, out
