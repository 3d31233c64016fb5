"""Features of the tabular model: what the sequence and the gene model say of a single-base change, and nothing else.

No frequency, no ClinVar, nothing that a label was made from, and nothing that names the gene (its length, its exon count). Rows are SNVs whose picked transcript has them in the coding sequence or the
splice region; features are told along the transcript's strand. A row whose REF or codon the genome does not know has no features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from processors.annotate import terms
from processors.annotate.stage import string_buffers
from processors.knowledge.transcripts import Layout
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
    args: tuple[Any, ...] = (layout, bases, _CODE, CODON_TABLE, BLOSUM62, _GRANTHAM, HYDROPATHY, VOLUME, POLARITY, _MASKS)
    _fill(*args, position, ref, alt, transcript, bits, matrix, known)
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
def _fill(  # type: ignore[no-untyped-def]
    t, bases, code, codons, blosum, grantham_table, hydropathy, volume, polarity, masks, position, ref, alt, transcript, bits, out, known
):
    length = bases.shape[0]
    for i in range(position.shape[0]):
        p, row = position[i], transcript[i]
        forward = t.strand[row] > 0
        r, a = code[ref[i]], code[alt[i]]
        if r > 3 or a > 3 or bases[p] != ref[i]:
            continue
        left = code[bases[p - 1]] if p > 0 else 4
        right = code[bases[p + 1]] if p + 1 < length else 4
        if not forward:
            r, a = 3 - r, 3 - a
            left, right = (3 - right if right < 4 else 4), (3 - left if left < 4 else 4)
        out[i, r] = 1
        out[i, 4 + a] = 1
        if left < 4:
            out[i, _BEFORE + left] = 1
        if right < 4:
            out[i, _AFTER + right] = 1
        transition = (r ^ a) == 2
        out[i, _TRANSITION] = transition
        out[i, _CPG] = transition and ((r == 1 and right == 2) or (r == 2 and left == 1))
        gc, seen = 0, 0
        for q in range(max(p - GC_WINDOW, 0), min(p + GC_WINDOW + 1, length)):
            c = code[bases[q]]
            if c < 4:
                seen += 1
                gc += c == 1 or c == 2
        out[i, _GC] = gc / seen - 0.5
        for m in range(masks.shape[0]):
            out[i, _CODING + m] = (bits[i] & masks[m]) != 0

        exon, offset, total = _place(t, row, p)
        first, last = t.exon_offsets[row], t.exon_offsets[row + 1]
        if offset >= 0:
            phase = np.int64(t.phase[row])
            within = (offset - phase + 3) % 3
            start = offset - within
            if start < 0 or start + 3 > total:
                continue  # an incomplete codon
            codon = 0
            complete = True
            for j in range(3):
                c = code[bases[_position(t, row, start + j, total)]]
                if c > 3:
                    complete = False
                    break
                codon = codon * 4 + (c if forward else 3 - c)
            if not complete:
                continue
            shift = 4 ** (2 - within)
            changed = codon + (np.int64(a) - np.int64(r)) * shift
            old, new = codons[codon], codons[changed]
            out[i, _CODON + within] = 1
            if start == 0 and phase == 0 and codon == 14:
                out[i, _SYNONYMOUS + 4] = 1
            elif old == new:
                out[i, _SYNONYMOUS] = 1
            elif new == STOP:
                out[i, _SYNONYMOUS + 2] = 1
            elif old == STOP:
                out[i, _SYNONYMOUS + 3] = 1
            else:
                out[i, _SYNONYMOUS + 1] = 1
            if old < STOP:
                out[i, _RESIDUE + old] = 1
                out[i, _BLOSUM + 2] = hydropathy[old]
            if new < STOP:
                out[i, _TO + new] = 1
            if old < STOP and new < STOP:
                out[i, _BLOSUM] = blosum[old, new]
                out[i, _BLOSUM + 1] = grantham_table[old, new] / 100
                out[i, _BLOSUM + 3] = hydropathy[new] - hydropathy[old]
                out[i, _BLOSUM + 4] = (volume[new] - volume[old]) / 50
                out[i, _BLOSUM + 5] = polarity[new] - polarity[old]
            out[i, _POSITION] = offset / total
        if exon >= 0:
            out[i, _POSITION + 1] = exon == (last - 1 if forward else first)
            low, high = p - t.exon_starts[exon], t.exon_ends[exon] - 1 - p
            donor, acceptor = (high, low) if forward else (low, high)
            out[i, _DONOR_DISTANCE] = max(0.0, 1 - donor / NEAR)
            out[i, _DONOR_DISTANCE + 1] = max(0.0, 1 - acceptor / NEAR)
        else:
            for k in range(first, last - 1):
                if t.exon_ends[k] <= p < t.exon_starts[k + 1]:
                    out[i, _DONOR_DISTANCE + 2] = max(0.0, 1 - min(p - t.exon_ends[k], t.exon_starts[k + 1] - 1 - p) / NEAR)
        known[i] = True
