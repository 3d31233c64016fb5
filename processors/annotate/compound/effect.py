"""What a cluster does to the protein of its transcript: terms, codons, residues, names. Exact code for the few, one cluster at a time.

Terms are those of `annotate.coding` for the whole as one change of the spliced sequence, from its first to its last changed base. The
genetic code is the transcript's; selenocysteine is kept where no base is inserted or lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from processors.annotate import terms
from processors.annotate.coding import coding
from processors.annotate.codons import CODES, COMPLEMENT, NUMBER, UNKNOWN
from processors.annotate.compound.clusters import Cluster, Part
from processors.annotate.compound.names import change_name, protein_name, trimmed
from processors.knowledge.layout import Layout
from processors.knowledge.transcripts import Status
from schemas.compounds import NOT_CALLED, CompoundFlag, CompoundKind

_STOP_LOST = terms.mask("stop_lost")
_START_LOST = terms.mask("start_lost")
_INCOMPLETE = terms.mask("incomplete_terminal_codon_variant")
_UNUSUAL = Status.STOP_INSIDE | Status.UNKNOWN_BASES | Status.CODING_GAPPED | Status.DIFFERS_FROM_GENOME | Status.PHASE_BROKEN


@dataclass(frozen=True)
class Reading:
    """The coding sequence of one transcript: `text` from the first base of the first codon to the end of the transcript."""

    layout: Layout
    row: int
    text: bytes
    coding: int  # bases of `text` that are coding, pad included
    pad: int
    unusual: bool
    selenocysteines: frozenset[int]

    @cached_property
    def protein(self) -> str:
        """The whole protein, up to its stop."""
        return self.residues(self.text[: self.coding], 0)

    def translate(self, sequence: bytes) -> str:
        """Residues of whole codons, `X` where a base is unknown."""
        bases = NUMBER[np.frombuffer(sequence[: len(sequence) // 3 * 3], dtype=np.uint8)].reshape(-1, 3).astype(np.int64)
        known = (bases < 4).all(axis=1)
        number = np.where(known, bases[:, 0] * 16 + bases[:, 1] * 4 + bases[:, 2], 0)
        return bytes(np.where(known, CODES[self.layout.code[self.row]][number], np.uint8(UNKNOWN)).astype(np.uint8)).decode()

    def residues(self, sequence: bytes, first: int) -> str:
        """Residues of codons that stand at their own place, from codon `first`: selenocysteines are read as such."""
        plain = self.translate(sequence)
        return "".join("U" if one == "*" and first + k in self.selenocysteines else one for k, one in enumerate(plain))

    def terms(self, parts: tuple[Part, ...]) -> int:
        """Terms of parts by position as one change."""
        low, high = parts[0].start, max(part.end for part in parts)
        low, high, new = trimmed(self.text, low, high, edited(self.text, low, high, parts))
        alt = np.frombuffer(new or b"N", dtype=np.uint8).copy()  # as everywhere that `coding` is called
        if self.layout.strand[self.row] < 0:
            alt = COMPLEMENT[alt[::-1]]
        first = int(self.layout.coding_start[self.row]) - self.pad
        found, _, _ = coding(self.layout, self.row, first + low, first + high, high - low, alt, 0, len(new), True, False)
        return (int(found) or terms.CODING_SEQUENCE) | (terms.NMD if self.layout.decay[self.row] else 0)


def reading_of(layout: Layout, row: int) -> Reading:
    """The coding sequence of a row of the pack."""
    status = Status(int(layout.status[row]))
    first = int(layout.base_offsets[row]) + int(layout.coding_start[row])
    pad = int(layout.pad[row])
    return Reading(
        layout=layout,
        row=row,
        text=b"N" * pad + layout.bases[first : int(layout.base_offsets[row + 1])].tobytes(),
        coding=pad + int(layout.coding_end[row]) - int(layout.coding_start[row]),
        pad=pad,
        unusual=bool(status & _UNUSUAL),
        selenocysteines=frozenset(layout.sec[int(layout.sec_offsets[row]) : int(layout.sec_offsets[row + 1])].tolist()),
    )


@dataclass(frozen=True)
class Effect:
    """What a cluster does. `cluster` holds the parts that are read; `residue` counts from 0; `alone`: terms of each part by itself."""

    cluster: Cluster
    terms: int
    alone: tuple[int, ...]
    flags: CompoundFlag
    residue: int
    ref_codons: str
    alt_codons: str
    ref_aa: str
    alt_aa: str
    change: str
    """What follows `c.` where the whole is named as one change."""
    protein: str
    """What follows `p.`."""


def call(reading: Reading, cluster: Cluster) -> Effect | None:
    """Effect of a cluster; None where fewer than two of its parts are read (the others lie behind the stop of a shifted frame)."""
    flags = cluster.flags | (CompoundFlag.MODEL if reading.unusual else CompoundFlag(0))
    if flags & NOT_CALLED:
        alone = tuple(0 if part.crosses else reading.terms((part,)) for part in cluster.parts)
        return Effect(cluster, 0, alone, flags, cluster.first, "", "", "", "", "", "")
    whole = _Whole.of(reading, cluster)
    if len(whole.cluster.parts) < 2:
        return None
    bits = reading.terms(whole.cluster.parts)
    alone = tuple(reading.terms((part,)) for part in whole.cluster.parts)
    worst = min(_severity(value) for value in alone)
    if _severity(bits) != worst:
        flags |= CompoundFlag.WORSE if _severity(bits) < worst else CompoundFlag.MILDER
    ref_codons, alt_codons = _codons(reading, whole.cluster)
    return Effect(
        whole.cluster, bits, alone, flags, whole.cluster.first, ref_codons, alt_codons, whole.ref_aa, whole.alt_aa,
        change_name(reading.text, reading.pad, whole.cluster.parts), whole.protein(bits),
    )  # fmt: skip


def _severity(bits: int) -> int:
    return (bits & -bits).bit_length()


def edited(text: bytes, low: int, high: int, parts: tuple[Part, ...]) -> bytes:
    """[low, high) of a sequence with the changes of parts that lie in it."""
    pieces = []
    at = low
    for part in parts:
        pieces += [text[at : part.start], part.alt]
        at = part.end
    return b"".join([*pieces, text[at:high]])


@dataclass(frozen=True)
class _Whole:
    """The residues of a cluster before and after. `sequence` is the changed sequence from the first codon to the end of the transcript."""

    reading: Reading
    cluster: Cluster
    shifted: bool
    ref_aa: str
    alt_aa: str
    sequence: bytes

    @classmethod
    def of(cls, reading: Reading, cluster: Cluster) -> _Whole:
        low = 3 * cluster.first
        sequence = edited(reading.text, low, len(reading.text), cluster.parts)
        if cluster.kind is not CompoundKind.CODON:
            stop = reading.translate(sequence).find("*")
            read = _read(cluster.parts, low + 3 * (stop + 1) if stop >= 0 else len(reading.text) + len(sequence))
            if len(read) < len(cluster.parts):
                sequence = edited(reading.text, low, len(reading.text), read)
                last = max(cluster.first, *(part.last for part in read))
                cluster = replace(cluster, kind=CompoundKind.SHIFTED, parts=read, last=last)
        high = min(3 * (cluster.last + 1), reading.coding)
        ref_aa = reading.residues(reading.text[low:high], cluster.first)
        if cluster.kind is CompoundKind.SHIFTED:
            return cls(reading, cluster, True, ref_aa, _to_stop(reading.translate(sequence)), sequence)
        window = sequence[: high - low + sum(part.shift for part in cluster.parts)]
        in_place = all(part.shift == 0 for part in cluster.parts)
        alt_aa = reading.residues(window, cluster.first) if in_place else reading.translate(window)
        return cls(reading, cluster, False, ref_aa, alt_aa, sequence)

    def protein(self, bits: int) -> str:
        """What follows `p.`, given the terms of the whole."""
        if bits & _START_LOST:
            return "Met1?"
        ref, first, last = self.reading.protein, self.cluster.first, self.cluster.last
        if bits & _INCOMPLETE or last >= len(ref):
            return "?"
        early = not self.shifted and "*" in self.alt_aa[:-1] + ("" if self.ref_aa.endswith("*") else self.alt_aa[-1:])
        if self.shifted or bits & _STOP_LOST:
            alt = ref[:first] + _to_stop(self.reading.translate(self.sequence))
        else:
            alt = ref[:first] + (_to_stop(self.alt_aa) if "*" in self.alt_aa else self.alt_aa + ref[last + 1 :])
        return protein_name(ref, alt, first, last, frameshift=self.shifted, early=early)


def _read(parts: tuple[Part, ...], inside: int) -> tuple[Part, ...]:
    """Parts that begin before place `inside` of the changed sequence; the first always does."""
    shift, read = 0, 0
    for part in parts:
        if read and part.start + shift >= inside:
            break
        read += 1
        shift += part.shift
    return parts[:read]


def _to_stop(residues: str) -> str:
    """Residues up to and with the first stop."""
    return residues[: residues.find("*") + 1] or residues


def _codons(reading: Reading, cluster: Cluster) -> tuple[str, str]:
    """Codons before and after, changed bases in upper case, as VEP writes them."""
    low, high = 3 * cluster.first, min(3 * (cluster.last + 1), reading.coding)
    before, after = [], []
    at = low
    for part in cluster.parts:
        same = reading.text[at : part.start].decode().lower()
        before += [same, reading.text[part.start : part.end].decode()]
        after += [same, part.alt.decode()]
        at = part.end
    rest = reading.text[at:high].decode().lower()
    return "".join([*before, rest]), "".join([*after, rest])
