"""Features of the tabular model: what the sequence and the gene model say of a single-base change, and nothing else.

No frequency, no ClinVar, nothing that a label was made from, and nothing that names the gene (its length, its exon count). Rows are SNVs
whose picked transcript has them in the coding sequence or the splice region; features are told along the transcript's strand. A row whose
REF or codon the genome does not know has no features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from processors.annotate import terms
from processors.knowledge.layout import Layout
from processors.knowledge.strings import string_buffers
from processors.score.residues import BLOSUM62, CODON_TABLE, HYDROPATHY, LETTERS, POLARITY, STOP, VOLUME, grantham
from schemas import identity
from schemas.chunks import NONE, Region

FEATURE_VERSION = 1
GC_WINDOW = 30  # bases on either side
NEAR = 20  # bases from a splice site beyond which distance no longer counts

NAMES: tuple[str, ...] = (
    *(f"ref_{base}" for base in "ACGT"),
    *(f"alt_{base}" for base in "ACGT"),
    *(f"before_{base}" for base in "ACGT"),
    *(f"after_{base}" for base in "ACGT"),
    "transition", "cpg_transition", "gc",
    "coding", "splice_donor", "splice_acceptor", "splice_donor_5th_base", "splice_donor_region", "splice_region", "polypyrimidine_tract",
    "codon_1", "codon_2", "codon_3",
    "synonymous", "missense", "stop_gained", "stop_lost", "start_lost",
    *(f"residue_{letter}" for letter in LETTERS),
    *(f"to_{letter}" for letter in LETTERS),
    "blosum62", "grantham", "hydropathy", "hydropathy_change", "volume_change", "polarity_change",
    "cds_position", "last_exon", "donor_distance", "acceptor_distance", "intron_depth",
)  # fmt: skip
COUNT = len(NAMES)
SCHEMA_HASH = identity.digest("features", FEATURE_VERSION, *NAMES)
"""What a model card must name to be run on these features."""

_AT = {name: column for column, name in enumerate(NAMES)}
_BEFORE, _AFTER = _AT["before_A"], _AT["after_A"]
_TRANSITION, _CPG, _GC, _CODING = _AT["transition"], _AT["cpg_transition"], _AT["gc"], _AT["coding"]
_CODON, _SYNONYMOUS, _RESIDUE, _TO = _AT["codon_1"], _AT["synonymous"], _AT["residue_A"], _AT["to_A"]
_BLOSUM, _POSITION, _DONOR_DISTANCE = _AT["blosum62"], _AT["cds_position"], _AT["donor_distance"]
_MASKS = np.array(
    [
        terms.CODING_SEQUENCE | terms.PROTEIN_EFFECTS, terms.SPLICE_DONOR, terms.SPLICE_ACCEPTOR, terms.SPLICE_DONOR_5TH_BASE,
        terms.SPLICE_DONOR_REGION, terms.SPLICE_REGION, terms.SPLICE_POLYPYRIMIDINE,
    ],
    dtype=np.uint64,
)  # fmt: skip
_GRANTHAM = grantham()
_ATG = 14
_CODE = np.full(256, 4, dtype=np.uint8)
for _number, _base in enumerate(b"ACGT"):
    _CODE[_base] = _number


@dataclass(frozen=True)
class Features:
    """`matrix` float32[m, COUNT] of the rows `rows` (indexes of the chunk); every other row is outside what the features describe."""

    rows: npt.NDArray[np.int64]
    matrix: npt.NDArray[np.float32]


def features_of(rows: pa.RecordBatch, layout: Layout, bases: npt.NDArray[np.uint8] | None) -> Features:
    """Features of an annotated chunk's rows. `bases` are its contig's, None where the genome has no sequence of it."""
    region = rows.column("region").to_numpy()
    chosen = np.flatnonzero(((region == Region.CODING) | (region == Region.SPLICE)) & (rows.column("pick").to_numpy() != NONE))
    if bases is None or len(chosen) == 0:
        return Features(np.empty(0, dtype=np.int64), np.empty((0, COUNT), dtype=np.float32))
    ref_offsets, ref_bytes = string_buffers(rows.column("ref"))
    alt_offsets, alt_bytes = string_buffers(rows.column("alt"))
    single = (np.diff(ref_offsets)[chosen] == 1) & (np.diff(alt_offsets)[chosen] == 1)
    chosen = chosen[single]
    return snv_features(
        chosen,
        rows.column("start").to_numpy()[chosen],
        ref_bytes[ref_offsets[:-1][chosen]],
        alt_bytes[alt_offsets[:-1][chosen]],
        rows.column("pick").to_numpy()[chosen],
        rows.column("terms").to_numpy()[chosen],
        layout,
        bases,
    )


def snv_features(
    rows: npt.NDArray[np.int64],
    position: npt.NDArray[np.int32],
    ref: npt.NDArray[np.uint8],
    alt: npt.NDArray[np.uint8],
    transcript: npt.NDArray[np.uint32],
    bits: npt.NDArray[np.uint64],
    layout: Layout,
    bases: npt.NDArray[np.uint8],
) -> Features:
    """Features of n SNVs of one contig: 0-based positions, ASCII bases, picked transcripts and their terms."""
    matrix = np.zeros((len(rows), COUNT), dtype=np.float32)
    known = np.zeros(len(rows), dtype=np.bool_)
    tables = (BLOSUM62, _GRANTHAM, HYDROPATHY, VOLUME, POLARITY)
    _fill(layout, bases, _CODE, CODON_TABLE, tables, _MASKS, position, ref, alt, transcript, bits, matrix, known)
    return Features(rows[known], matrix[known])


@njit(cache=True, nogil=True)
def _place(t, row, position):  # type: ignore[no-untyped-def]
    """(exon in genomic order holding a position or -1, CDS offset in transcript order or -1, bases of the CDS)."""
    low, high = t.cds_start[row], t.cds_end[row]
    first, last = t.exon_offsets[row], t.exon_offsets[row + 1]
    exon, before, total, offset = -1, 0, 0, -1
    for k in range(first, last):
        a, b = max(t.exon_starts[k], low), min(t.exon_ends[k], high)
        if t.exon_starts[k] <= position < t.exon_ends[k]:
            exon = k
            if low >= 0 and a <= position < b:
                offset = total + position - a
        if low >= 0 and a < b:
            total += b - a
    before = offset
    if offset >= 0 and t.strand[row] < 0:
        before = total - 1 - offset
    return exon, before, total


@njit(cache=True, nogil=True)
def _position(t, row, offset, total):  # type: ignore[no-untyped-def]
    """Genomic position of a CDS offset."""
    wanted = offset if t.strand[row] > 0 else total - 1 - offset
    for k in range(t.exon_offsets[row], t.exon_offsets[row + 1]):
        a, b = max(t.exon_starts[k], t.cds_start[row]), min(t.exon_ends[k], t.cds_end[row])
        if a < b:
            if wanted < b - a:
                return a + wanted
            wanted -= b - a
    return -1


@njit(cache=True, nogil=True)
def _fill_context(bases, code, p, ref, alt, left, right, out):  # type: ignore[no-untyped-def]
    """Bases and their neighbours along the transcript, kind of change, GC around."""
    out[ref] = 1
    out[4 + alt] = 1
    if left < 4:
        out[_BEFORE + left] = 1
    if right < 4:
        out[_AFTER + right] = 1
    transition = (ref ^ alt) == 2
    out[_TRANSITION] = transition
    out[_CPG] = transition and ((ref == 1 and right == 2) or (ref == 2 and left == 1))
    gc, seen = 0, 0
    for q in range(max(p - GC_WINDOW, 0), min(p + GC_WINDOW + 1, bases.shape[0])):
        c = code[bases[q]]
        seen += c < 4
        gc += c in (1, 2)
    out[_GC] = gc / seen - 0.5


@njit(cache=True, nogil=True)
def _codon(t, bases, code, row, start, total):  # type: ignore[no-untyped-def]
    """Number of the codon that begins at a CDS offset, along the transcript; -1 where a base is unknown or the codon incomplete."""
    if start < 0 or start + 3 > total:
        return -1
    codon = 0
    for j in range(3):
        c = code[bases[_position(t, row, start + j, total)]]
        if c > 3:
            return -1
        codon = codon * 4 + (c if t.strand[row] > 0 else 3 - c)
    return codon


@njit(cache=True, nogil=True)
def _fill_residue(tables, old, new, initiator, out):  # type: ignore[no-untyped-def]
    """What becomes of the amino acid."""
    blosum, distance, hydropathy, volume, polarity = tables
    if initiator:
        kind = 4
    elif old == new:
        kind = 0
    elif new == STOP:
        kind = 2
    else:
        kind = 3 if old == STOP else 1
    out[_SYNONYMOUS + kind] = 1
    if old < STOP:
        out[_RESIDUE + old] = 1
        out[_BLOSUM + 2] = hydropathy[old]
    if new < STOP:
        out[_TO + new] = 1
    if old < STOP and new < STOP:
        out[_BLOSUM] = blosum[old, new]
        out[_BLOSUM + 1] = distance[old, new] / 100
        out[_BLOSUM + 3] = hydropathy[new] - hydropathy[old]
        out[_BLOSUM + 4] = (volume[new] - volume[old]) / 50
        out[_BLOSUM + 5] = polarity[new] - polarity[old]


@njit(cache=True, nogil=True)
def _fill_distance(t, row, p, exon, out):  # type: ignore[no-untyped-def]
    """Nearness to splice sites, 1 at the site, 0 from NEAR bases on."""
    first, last = t.exon_offsets[row], t.exon_offsets[row + 1]
    forward = t.strand[row] > 0
    if exon >= 0:
        out[_POSITION + 1] = exon == (last - 1 if forward else first)
        low, high = p - t.exon_starts[exon], t.exon_ends[exon] - 1 - p
        out[_DONOR_DISTANCE] = max(0.0, 1 - (high if forward else low) / NEAR)
        out[_DONOR_DISTANCE + 1] = max(0.0, 1 - (low if forward else high) / NEAR)
        return
    for k in range(first, last - 1):
        if t.exon_ends[k] <= p < t.exon_starts[k + 1]:
            out[_DONOR_DISTANCE + 2] = max(0.0, 1 - min(p - t.exon_ends[k], t.exon_starts[k + 1] - 1 - p) / NEAR)


@njit(cache=True, nogil=True)
def _fill(t, bases, code, codons, tables, masks, position, ref, alt, transcript, bits, out, known):  # type: ignore[no-untyped-def]
    length = bases.shape[0]
    for i in range(position.shape[0]):
        p, row = position[i], transcript[i]
        r, a = code[ref[i]], code[alt[i]]
        if r > 3 or a > 3 or bases[p] != ref[i]:
            continue
        left = code[bases[p - 1]] if p > 0 else 4
        right = code[bases[p + 1]] if p + 1 < length else 4
        if t.strand[row] < 0:
            r, a = 3 - r, 3 - a
            left, right = (3 - right if right < 4 else 4), (3 - left if left < 4 else 4)
        exon, offset, total = _place(t, row, p)
        if offset >= 0:
            phase = np.int64(t.phase[row])
            within = (offset - phase + 3) % 3
            codon = _codon(t, bases, code, row, offset - within, total)
            if codon < 0:
                continue
            changed = codon + (np.int64(a) - np.int64(r)) * 4 ** (2 - within)
            _fill_residue(tables, codons[codon], codons[changed], offset < 3 and phase == 0 and codon == _ATG, out[i])
            out[i, _CODON + within] = 1
            out[i, _POSITION] = offset / total
        _fill_context(bases, code, p, r, a, left, right, out[i])
        for m in range(masks.shape[0]):
            out[i, _CODING + m] = (bits[i] & masks[m]) != 0
        _fill_distance(t, row, p, exon, out[i])
        known[i] = True
