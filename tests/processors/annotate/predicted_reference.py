"""Predicted effects the slow and obvious way: strings are spliced, altered and translated. Nothing here comes from the kernels.

Everything is done on a forward transcript: one of the reverse strand is mirrored, genome, exons, event and all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

_BASES = "TCAG"
_AMINO = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"
_CODON = {a + b + c: _AMINO[16 * i + 4 * j + k] for i, a in enumerate(_BASES) for j, b in enumerate(_BASES) for k, c in enumerate(_BASES)}
_OTHER = str.maketrans("ACGTN", "TGCAN")


def reverse_complement(text: str) -> str:
    return text.translate(_OTHER)[::-1]


@dataclass(frozen=True)
class Event:
    start: int
    end: int
    inserted: str

    @property
    def pure(self) -> bool:
        return (self.start == self.end) != (self.inserted == "")


@dataclass(frozen=True)
class Piece:
    """Forward transcript on a genome: exons ascending; `cds` first and behind the last coding base; `pad` bases of a cut first codon."""

    genome: str
    exons: tuple[tuple[int, int], ...]
    cds: tuple[int, int] | None
    pad: int = 0
    start_known: bool = True
    end_known: bool = True

    def spliced(self) -> str:
        return "".join(self.genome[a:b] for a, b in self.exons)

    def cdna(self, border: int) -> int:
        return sum(max(0, min(b, border) - a) for a, b in self.exons)

    def introns(self) -> list[tuple[int, int]]:
        return [(self.exons[i][1], self.exons[i + 1][0]) for i in range(len(self.exons) - 1)]


def mirrored(genome: str, exons: list[tuple[int, int]], cds: tuple[int, int] | None, event: Event) -> tuple[Piece, Event]:
    """The same on the other strand."""
    n = len(genome)
    piece = Piece(reverse_complement(genome), tuple((n - b, n - a) for a, b in reversed(exons)), (n - cds[1], n - cds[0]) if cds else None)
    return piece, Event(n - event.end, n - event.start, reverse_complement(event.inserted))


def real(intron: tuple[int, int]) -> bool:
    return intron[1] - intron[0] > 13


def meets_pair(event: Event, low: int) -> bool:
    if event.start == event.end:
        return event.start == low + 1
    return event.start < low + 2 and event.end > low


def meets_site(piece: Piece, event: Event) -> bool:
    return any(meets_pair(event, a) or meets_pair(event, b - 2) for a, b in filter(real, piece.introns()))


def edge_bits(piece: Piece, event: Event) -> set[str]:
    found = set()
    for i, (a, b) in enumerate(piece.introns()):
        if not real((a, b)):
            continue
        donor = range(max(a - 3, piece.exons[i][0]), a)
        acceptor = range(b, min(b + 1, piece.exons[i + 1][1]))
        if event.start == event.end:
            if donor.start < event.start <= a or event.start == b:
                found.add("EXON_EDGE")
        else:
            gone = range(event.start, event.end)
            if any(at in gone for at in (*donor, *acceptor)):
                found.add("EXON_EDGE")
            if a - 1 in gone:
                found.add("EXON_LAST_BASE")
    return found


def in_exons(piece: Piece, event: Event) -> bool:
    if event.start == event.end:
        return any(a <= event.start <= b for a, b in piece.exons)
    return any(event.start < b and event.end > a for a, b in piece.exons)


def same_alleles(piece: Piece, event: Event) -> list[Event]:
    """All events that make the same sequence, nearest first; an unknown base is like no other."""
    genome = piece.genome
    altered = genome[: event.start] + event.inserted + genome[event.end :]
    size, length = len(event.inserted), event.end - event.start
    found = []
    for at in range(max(0, event.start - 120), min(len(genome) - length, event.start + 120) + 1):
        inserted = altered[at : at + size]
        unknown = "N" in genome[min(at, event.start) : max(at, event.start) + length]
        if genome[:at] + inserted + genome[at + length :] == altered and not (unknown and at != event.start):
            found.append(Event(at, at + length, inserted))
    return sorted(found, key=lambda other: abs(other.start - event.start))


def protein(text: str, pad: int = 0) -> str:
    """Translation to the first stop or the last whole codon; a cut first codon reads X."""
    text = "N" * pad + text
    out = ""
    for i in range(0, len(text) - 2, 3):
        out += _CODON.get(text[i : i + 3], "X")
        if out[-1] == "*":
            break
    return out


def residues(coding: str, pad: int = 0) -> int:
    """Residues of a coding sequence, its stop and a last codon that is not whole not counted."""
    bases = pad + len(coding)
    whole = bases % 3 == 0 and _CODON.get(coding[-3:]) == "*"
    return bases // 3 - whole


def share(count: int, whole: int) -> int:
    return min(10_000, math.ceil(max(count, 0) * 10_000 / whole)) if whole else 0


class Reading:
    """A transcript altered in [a, b) of its cDNA and read from the reference start."""

    def __init__(self, piece: Piece, a: int, b: int, inserted: str) -> None:
        assert piece.cds is not None
        self.piece = piece
        text = piece.spliced()
        start, end = piece.cdna(piece.cds[0]), piece.cdna(piece.cds[1])
        junctions = [piece.cdna(low) for low, high in piece.introns() if real((low, high))]
        self.altered = text[:a] + inserted + text[b:]
        moved = len(inserted) - (b - a)
        self.junctions = sorted({j if j <= a else j + moved for j in junctions if j <= a or j >= b} - {0, len(self.altered)})
        self.reference = protein(text[start:end], piece.pad)
        self.changed = protein(self.altered[start:], piece.pad)
        self.whole = residues(text[start:end], piece.pad)
        self.start = start
        self.moved = moved
        self.stop = start - piece.pad + 3 * (len(self.changed) - 1) if self.changed.endswith("*") else None
        self.own_stop = self.stop is not None and moved % 3 == 0 and self.stop == end - 3 + moved

    def first_change(self) -> int:
        for i, (x, y) in enumerate(zip(self.reference, self.changed, strict=False)):
            if x != y:
                return i
        return min(len(self.reference), len(self.changed))

    def decay(self) -> set[str]:
        assert self.stop is not None
        reasons = set()
        exon = [0, *self.junctions, len(self.altered)]
        if not self.junctions:
            reasons.add("ESCAPE_SINGLE_EXON")
        elif self.stop >= self.junctions[-1]:
            reasons.add("ESCAPE_LAST_EXON")
        else:
            if self.junctions[-1] - self.stop <= 50:
                reasons.add("ESCAPE_PENULTIMATE_50")
            if any(low <= self.stop < high and high - low > 407 for low, high in pairwise(exon)):
                reasons.add("ESCAPE_LONG_EXON")
        if self.piece.start_known and self.stop - self.start < 100:
            reasons.add("ESCAPE_START_PROXIMAL")
        return reasons | {"NMD_ESCAPE"} if reasons else {"NMD"}

    def effects(self, ask_decay: bool) -> tuple[set[str], int]:
        if self.own_stop:
            return set(), share(-self.moved // 3, self.whole)
        lost = share(self.whole - self.first_change(), self.whole)
        if self.stop is None:
            if self.moved % 3 == 0 and not self.piece.end_known:
                return set(), share(-self.moved // 3, self.whole)
            return {"NONSTOP"}, lost
        return (self.decay() if ask_decay else set()), lost


def start_gone(piece: Piece, after: int) -> tuple[set[str], int]:
    assert piece.cds is not None
    start, end = piece.cdna(piece.cds[0]), piece.cdna(piece.cds[1])
    coding = "N" * piece.pad + piece.spliced()[start:end]
    whole = residues(coding)
    for number in range(1, len(coding) // 3):
        if start - piece.pad + 3 * number >= after and coding[3 * number : 3 * number + 3] == "ATG":
            return {"NEXT_START"}, share(number, whole)
    return set(), 10_000


def on_exons(piece: Piece, event: Event, terms: set[str] | None) -> tuple[set[str], int]:
    """`terms` None: not known."""
    assert piece.cds is not None
    a, b = piece.cdna(event.start), piece.cdna(event.end)
    start, end = piece.cdna(piece.cds[0]), piece.cdna(piece.cds[1])
    if terms is not None and "start_lost" in terms:
        return start_gone(piece, max(b, start + 1))
    if not start <= a < end or (a == b == start):
        return set(), 0
    reading = Reading(piece, a, b, event.inserted)
    if terms is not None and not terms & {"stop_gained", "frameshift_variant", "stop_lost"}:
        return set(), share(-reading.moved // 3, reading.whole)
    return reading.effects(terms is None or bool(terms & {"stop_gained", "frameshift_variant"}))


def without(piece: Piece, a: int, b: int, inserted: str) -> tuple[set[str], int]:
    """Exons cDNA [a, b) left out."""
    assert piece.cds is not None
    start, end = piece.cdna(piece.cds[0]), piece.cdna(piece.cds[1])
    gone = set(range(a, b)) & set(range(start, end))
    if not gone and not (inserted and start < a < end):
        return set(), 0
    stop_gone = piece.end_known and b > end - 3
    bits = {"SPLICE_STOP"} if stop_gone else set()
    if piece.start_known and gone & set(range(start, start + 3)):
        more, lost = start_gone(piece, b)
        return bits | more | {"SPLICE_START"}, lost
    if not piece.start_known and start in gone:
        coding = "N" * piece.pad + piece.spliced()[start:end]
        return bits, share(math.ceil(len(gone) / 3), residues(coding))
    if not stop_gone:
        bits.add("SPLICE_IN_FRAME" if (b - a - len(inserted)) % 3 == 0 else "SPLICE_OUT_OF_FRAME")
    more, lost = Reading(piece, a, b, inserted).effects(True)
    return bits | more, lost


def kinds(piece: Piece, event: Event, touched: list[tuple[int, int]]) -> set[str]:
    found = set()
    for a, b in touched:
        donor, acceptor = piece.genome[a : a + 2], piece.genome[b - 2 : b]
        if "N" in donor + acceptor:
            continue
        if (donor, acceptor) == ("GT", "AG"):
            if event == Event(a + 1, a + 2, "C"):
                found.add("SPLICE_GT_TO_GC")
        else:
            found.add({("GC", "AG"): "SPLICE_GC", ("AT", "AC"): "SPLICE_U12"}.get((donor, acceptor), "SPLICE_NONCANONICAL"))
    if piece.cds and all(piece.cdna(a) <= piece.cdna(piece.cds[0]) or piece.cdna(a) >= piece.cdna(piece.cds[1]) for a, _ in touched):
        found.add("SPLICE_UTR")
    return found


def on_sites(piece: Piece, event: Event) -> tuple[set[str], int]:
    introns = [i for i in piece.introns() if real(i)]
    touched = [i for i in introns if meets_pair(event, i[0]) or meets_pair(event, i[1] - 2)]
    if not touched:
        return edge_bits(piece, event), 0
    bits = kinds(piece, event, touched)
    if event.pure:
        aside = [other for other in same_alleles(piece, event) if not meets_site(piece, other)]
        exonic = [other for other in aside if in_exons(piece, other)]
        if aside and len(exonic) < len(aside):
            return bits | {"SPLICE_UNCHANGED"}, 0
        if exonic:
            clear = [other for other in exonic if not edge_bits(piece, other)]
            chosen = clear[0] if clear else exonic[0]
            bits |= {"SPLICE_UNCHANGED"} | edge_bits(piece, chosen)
            more, lost = on_exons(piece, chosen, None) if piece.cds else (set(), 0)
            return bits | more, lost
    bits |= edge_bits(piece, event)
    if event.end - event.start == len(event.inserted):
        altered = piece.genome[: event.start] + event.inserted + piece.genome[event.end :]
        pairs = [at for a, b in touched for at in (a, b - 2) if meets_pair(event, at)]
        if all(altered[at : at + 2] == piece.genome[at : at + 2] for at in pairs):
            return bits | {"SPLICE_UNCHANGED"}, 0
    if piece.cds is None:
        return bits, 0
    if all(event.start <= a and event.end >= b for a, b in touched):
        more, lost = without(piece, piece.cdna(event.start), piece.cdna(event.end), event.inserted)
        return bits | more, lost
    gone = [i for i, (a, b) in enumerate(piece.exons)
            if any((meets_pair(event, j[0]) and j[0] == b) or (meets_pair(event, j[1] - 2) and j[1] == a) for j in touched)]  # fmt: skip
    more, lost = without(piece, piece.cdna(piece.exons[gone[0]][0]), piece.cdna(piece.exons[gone[-1]][1]), "")
    return bits | more, lost


def predicted(piece: Piece, event: Event, terms: set[str]) -> tuple[set[str], int]:
    """Names of `Effect` bits (but SHIFT_SENSITIVE and MODEL_DOUBTFUL) and the share lost, of an event with these terms."""
    if "transcript_ablation" in terms:
        return set(), 10_000 if piece.cds else 0
    if terms & {"splice_donor_variant", "splice_acceptor_variant"}:
        return on_sites(piece, event)
    bits: set[str] = set()
    lost = 0
    if terms & {"splice_region_variant", "splice_donor_region_variant", "splice_donor_5th_base_variant"}:
        bits |= edge_bits(piece, event)
    read = {
        "stop_gained",
        "frameshift_variant",
        "stop_lost",
        "start_lost",
        "inframe_insertion",
        "inframe_deletion",
        "protein_altering_variant",
    }
    if piece.cds and terms & read:
        more, lost = on_exons(piece, event, terms)
        bits |= more
    return bits, lost
