"""Which transcript speaks for an allele: VEP's pick order, as one number a row that a kernel can compare.

Each criterion of the order takes some bits of the number, the first the highest, so that the smallest number is the pick. Behind the last
criterion stands the rank of the transcript's name, which decides ties as VEP's output does. What a file does not give counts as worst, so
that a transcript with the information is preferred. All criteria but one are of the transcript; `rank`, the severity of the row's worst
term, has its place in the number and is filled in by the kernel.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from processors.annotate import terms
from processors.knowledge.transcripts import Tag, Transcripts

_NAME_BITS = 20
_LENGTH_BITS = 24
_SEVERITY_BITS = 6
_LENGTH_MAX = (1 << _LENGTH_BITS) - 1
_NONE = np.uint32(0xFFFFFFFF)
_ONE = np.uint64(1)
_WORST_KEY = np.uint64(0xFFFFFFFFFFFFFFFF)
_INTERGENIC = np.uint64(terms.INTERGENIC)


class Criterion(enum.StrEnum):
    """What a pick may be decided by, under VEP's names."""

    MANE_SELECT = "mane_select"
    MANE_PLUS_CLINICAL = "mane_plus_clinical"
    CANONICAL = "canonical"
    APPRIS = "appris"  # principal 1 to 5, then alternative 1 and 2
    TSL = "tsl"  # transcript support level, 1 first
    BIOTYPE = "biotype"  # protein_coding first
    CCDS = "ccds"
    RANK = "rank"  # severity of the row's worst term
    LENGTH = "length"  # of the coding sequence, or of the transcript where there is none; the longest first


VEP_ORDER = tuple(Criterion)
"""VEP's default, and ours."""


class PickOrderRefused(ValueError):
    """A pick order that names something unknown, or something twice."""


def parse_order(text: str) -> tuple[Criterion, ...]:
    """Comma-separated criteria, the most important first; what is not named does not count. Raises PickOrderRefused."""
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    known = {criterion.value: criterion for criterion in Criterion}
    for name in names:
        if name not in known:
            raise PickOrderRefused(f"{name!r} is no criterion; there are {', '.join(known)}")
        if names.count(name) > 1:
            raise PickOrderRefused(f"{name} comes twice")
    if not names:
        raise PickOrderRefused(f"names no criterion; there are {', '.join(known)}")
    return tuple(known[name] for name in names)


@dataclass(frozen=True)
class PickOrder:
    """Number of each transcript with its severity bits left zero, and where these stand; None where severity does not count."""

    keys: npt.NDArray[np.uint64]
    severity_shift: int | None

    @property
    def shift(self) -> np.int64:
        """The severity's place for kernels; -1 for none."""
        return np.int64(-1 if self.severity_shift is None else self.severity_shift)


def pick_order(transcripts: Transcripts, order: Sequence[Criterion] = VEP_ORDER) -> PickOrder:
    """The order over one pack."""
    if len(transcripts) >= 1 << _NAME_BITS:
        raise ValueError(f"{len(transcripts):,} transcripts; the pick order holds {1 << _NAME_BITS:,}")
    keys = np.zeros(len(transcripts), dtype=np.uint64)
    severity_shift: int | None = None
    for criterion in order:
        if criterion is Criterion.RANK:
            severity_shift = 0
            keys <<= np.uint64(_SEVERITY_BITS)
            continue
        values, bits = _values(transcripts, criterion)
        keys = (keys << np.uint64(bits)) | values
        severity_shift = None if severity_shift is None else severity_shift + bits
    keys = (keys << np.uint64(_NAME_BITS)) | transcripts.name_rank
    return PickOrder(keys, None if severity_shift is None else severity_shift + _NAME_BITS)


def _values(transcripts: Transcripts, criterion: Criterion) -> tuple[npt.NDArray[np.uint64], int]:
    """(value of each transcript, the smaller the better; bits it takes)."""
    tag = {
        Criterion.MANE_SELECT: Tag.MANE_SELECT,
        Criterion.MANE_PLUS_CLINICAL: Tag.MANE_PLUS_CLINICAL,
        Criterion.CANONICAL: Tag.CANONICAL,
        Criterion.CCDS: Tag.CCDS,
    }.get(criterion)
    if tag is not None:
        return np.asarray((transcripts.tags.astype(np.uint64) & np.uint64(int(tag))) == 0, dtype=np.uint64), 1
    if criterion is Criterion.APPRIS:
        return np.where(transcripts.appris == 0, 15, transcripts.appris).astype(np.uint64), 4
    if criterion is Criterion.TSL:
        return np.where(transcripts.support == 0, 7, transcripts.support).astype(np.uint64), 3
    if criterion is Criterion.BIOTYPE:
        other = np.array([name != "protein_coding" for name in transcripts.biotypes], dtype=np.uint64)
        return other[transcripts.biotype], 1
    # the coding sequence counts with the unknown bases of a codon that it begins inside of
    coding = transcripts.cds_length.astype(np.int64) + transcripts.layout.pad
    length = np.where(transcripts.cds_length > 0, coding, transcripts.length)
    return (_LENGTH_MAX - np.minimum(length, _LENGTH_MAX)).astype(np.uint64), _LENGTH_BITS


@njit(cache=True, nogil=True)
def key_of(keys, shift, row, bits):  # type: ignore[no-untyped-def]
    """Number of a transcript row with the severity of its terms."""
    key = keys[row]
    if shift >= 0:
        severity = np.uint64(63)
        for bit in range(63):
            if (bits >> np.uint64(bit)) & _ONE:
                severity = np.uint64(bit)
                break
        key |= severity << np.uint64(shift)
    return key


@njit(cache=True, nogil=True)
def pick_alleles(keys, shift, gene, offsets, transcript, bits, pick, pick_gene, pick_terms):  # type: ignore[no-untyped-def]
    """The picked transcript, its gene and its terms for each allele; NONE and intergenic where an allele has no transcript."""
    for i in range(offsets.shape[0] - 1):
        best, chosen = _WORST_KEY, -1
        for j in range(offsets[i], offsets[i + 1]):
            key = key_of(keys, shift, transcript[j], bits[j])
            if key < best:
                best, chosen = key, j
        pick[i] = transcript[chosen] if chosen >= 0 else _NONE
        pick_gene[i] = gene[transcript[chosen]] if chosen >= 0 else _NONE
        pick_terms[i] = bits[chosen] if chosen >= 0 else _INTERGENIC


@njit(cache=True, nogil=True)
def pick_rows(keys, shift, gene, by_gene, offsets, transcript, bits, picked):  # type: ignore[no-untyped-def]
    """Mark the picked rows of each group of rows, or of each gene within it; a row without a transcript (NONE) comes last.

    `offsets` cut the rows into groups, such as the rows of an allele or those of a record. Groups are short: a gene's rows are found by
    looking through the group.
    """
    for i in range(offsets.shape[0] - 1):
        low, high = offsets[i], offsets[i + 1]
        for j in range(low, high):
            picked[j] = False
        for j in range(low, high):
            own = gene[transcript[j]] if transcript[j] != _NONE else _NONE
            best, chosen, earlier = _WORST_KEY, j, False
            for k in range(low, high):
                other = gene[transcript[k]] if transcript[k] != _NONE else _NONE
                if by_gene and other != own:
                    continue
                if k < j:
                    earlier = True
                    break
                if transcript[k] != _NONE:
                    key = key_of(keys, shift, transcript[k], bits[k])
                    if key < best:
                        best, chosen = key, k
            if not earlier:
                picked[chosen] = True
                if not by_gene:
                    break
