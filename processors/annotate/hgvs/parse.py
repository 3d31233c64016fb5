"""Back from a name to the allele: g., m., c. and n. as the nomenclature reads them, on the models and the genome of a pack.

A name is never guessed at: what cannot be read, placed or reconciled with the reference raises one of the errors here, which says why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from processors.annotate.hgvs.shift import steps_down
from processors.annotate.project import contig_of, exon_at_or_after
from processors.knowledge.genome import Genome
from processors.knowledge.transcripts import Status, Transcripts


class NameUnusable(ValueError):
    """A name that gives no allele; the message says which name and why."""


class NotReadable(NameUnusable):
    """Not of the grammar of HGVS."""


class NotSupported(NameUnusable):
    """Readable, and of a kind that is no single known allele (uncertain positions, repeats, several changes)."""


class UnknownAccession(NameUnusable):
    """No transcript or contig of this name and version."""


class PositionOutside(NameUnusable):
    """A position that the transcript or contig does not have."""


class ReferenceContradicts(NameUnusable):
    """The name's reference base is not the one that is there."""


class ReferenceUnknown(NameUnusable):
    """The reference is not known there (N), so the name has no REF."""


@dataclass(frozen=True)
class Allele:
    """`start` 0-based; trimmed, left-aligned, and with the base before it where REF or ALT would be empty (as VCF writes it)."""

    contig: int
    start: int
    ref: str
    alt: str


_NAME = re.compile(r"(?P<accession>[A-Za-z0-9_.-]+)(?:\((?P<inner>[A-Za-z0-9_.-]+)\))?:(?P<kind>[cngm])\.(?P<rest>\S+)")
_POSITION = r"(?:\*-?|-)?[0-9]+(?:[+-][0-9]+)?"
_CHANGE = re.compile(
    rf"(?P<first>{_POSITION})(?:_(?P<last>{_POSITION}))?"
    r"(?:(?P<old>[ACGTN])>(?P<new>[ACGT])|(?P<kind>delins|del|dup|ins|inv)(?P<bases>[ACGTN]*)|(?P<same>[ACGTN]*=))"
)
_PLACE = re.compile(r"(?P<sign>\*-?|-)?(?P<number>[0-9]+)(?P<offset>[+-][0-9]+)?")
_SWAP = str.maketrans("ACGTN", "TGCAN")


@dataclass(frozen=True)
class Names:
    """The names of a pack. `vep`: positions are VEP's where its counting differs (`style.Style.vep`): of substitutions in the exons of a
    coding sequence that begins inside a codon. VEP's `c.*5` for an intronic base cannot be told from the UTR and is read as the UTR.
    """

    transcripts: Transcripts
    genome: Genome
    vep: bool = True

    @cached_property
    def _rows(self) -> dict[str, int]:
        table = self.transcripts.name
        return {table[row]: row for row in range(len(table))}

    @cached_property
    def _versions(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self._rows:
            found.setdefault(name.partition(".")[0], []).append(name)
        return found

    def parse(self, name: str) -> Allele:
        """Allele of a g., m., c. or n. name. Raises NameUnusable."""
        text = name.strip()
        whole = _NAME.fullmatch(text)
        if whole is None:
            raise NotReadable(f"{name!r}: not `accession:c.…` (or g., m., n.)")
        change = _CHANGE.fullmatch(whole["rest"])
        if change is None:
            odd = NotSupported if re.search(r"[\[\]?;()]|con|copy", whole["rest"]) else NotReadable
            raise odd(f"{name!r}: {whole['rest']!r} is no single change at known positions")
        accession = whole["accession"]
        if whole["inner"] and (whole["inner"] in self._rows or "." in whole["inner"]):  # NC_(NM_), not NM_(gene)
            accession = whole["inner"]
        if whole["kind"] in "gm":
            return self._on_contig(text, accession, whole["kind"], change)
        return self._on_transcript(text, accession, whole["kind"], change)

    def _on_contig(self, name: str, accession: str, kind: str, change: re.Match[str]) -> Allele:
        contig = self.genome.table.resolve(accession)
        if contig is None:
            raise UnknownAccession(f"{name!r}: {accession} is no contig of {self.genome.table.build}")
        if (kind == "m") != (self.genome.table.contigs[contig].name == "MT"):
            raise NotReadable(f"{name!r}: m. is for the mitochondrion, and g. for all else")
        places = []
        for text in (change["first"], change["last"] or change["first"]):
            if not text.isdigit():
                raise NotReadable(f"{name!r}: {text} is no position of a contig")
            places.append(int(text) - 1)
            if not 0 <= places[-1] < self.genome.lengths[contig]:
                raise PositionOutside(f"{name!r}: {text} lies outside {accession}")
        return self._allele(name, contig, places[0], places[1], True, change)

    def _on_transcript(self, name: str, accession: str, kind: str, change: re.Match[str]) -> Allele:
        row = self._rows.get(accession)
        if row is None:
            others = ", ".join(self._versions.get(accession.partition(".")[0], ())) or "none of its versions"
            raise UnknownAccession(f"{name!r}: no transcript {accession} in this pack (it has {others})")
        t = self.transcripts.layout
        if (kind == "c") != (t.coding_start[row] >= 0):
            raise NotReadable(f"{name!r}: {accession} takes {'n.' if kind == 'c' else 'c.'} names")
        padded = int(t.pad[row]) if self.vep and change["old"] else 0
        first = self._place(name, row, change["first"], padded)
        last = self._place(name, row, change["last"], padded) if change["last"] else first
        forward = bool(t.strand[row] > 0)
        if change["old"] and int(t.status[row]) & Status.DIFFERS_FROM_GENOME and re.fullmatch(r"(\*|-)?[0-9]+", change["first"]):
            own = self._own_base(row, first)
            if own != change["old"]:
                raise ReferenceContradicts(f"{name!r}: {accession} has {own} there")
            return self._finish(name, int(t.contig[row]), first, first + 1, change["new"] if forward else change["new"].translate(_SWAP))
        return self._allele(name, int(t.contig[row]), first, last, forward, change)

    def _own_base(self, row: int, position: int) -> str:
        t = self.transcripts.layout
        exon = int(exon_at_or_after(t, row, position))
        inside = position - int(t.exon_starts[exon]) if t.strand[row] > 0 else int(t.exon_ends[exon]) - 1 - position
        return chr(t.bases[int(t.base_offsets[row]) + int(t.exon_cdna[exon]) + inside])

    def _place(self, name: str, row: int, text: str, padded: int) -> int:
        """Contig position of a transcript's position."""
        t = self.transcripts.layout
        parts = _PLACE.fullmatch(text)
        if parts is None:
            raise NotReadable(f"{name!r}: {text!r} is no position")
        number, offset, sign = int(parts["number"]), int(parts["offset"] or 0), parts["sign"]
        first, behind = int(t.coding_start[row]), int(t.coding_end[row])
        if first < 0:
            if sign:
                raise NotReadable(f"{name!r}: n. positions have no sign")
            cdna = number - 1
        elif sign == "*-":
            cdna, offset = behind - 1, -number
        elif sign == "*":
            cdna = behind + number - 1
        elif sign == "-":
            cdna = first - number
        else:
            cdna = first + number - 1 - (padded if offset == 0 else 0)
            if not first <= cdna < behind:
                raise PositionOutside(f"{name!r}: {text} lies outside the coding sequence")
        at = int(contig_of(t, row, cdna))
        if at < 0 or number == 0:
            raise PositionOutside(f"{name!r}: {text} lies outside the transcript")
        return self._intronic(name, row, text, at, offset) if offset else at

    def _intronic(self, name: str, row: int, text: str, at: int, offset: int) -> int:
        t = self.transcripts.layout
        up = (offset > 0) == bool(t.strand[row] > 0)
        exon = int(exon_at_or_after(t, row, at))
        beside = exon + 1 if up else exon - 1
        at_border = at == (t.exon_ends[exon] - 1 if up else t.exon_starts[exon])
        if not at_border or not t.exon_offsets[row] <= beside < t.exon_offsets[row + 1]:
            raise PositionOutside(f"{name!r}: {text} does not count from an exon's border into an intron")
        at += offset if t.strand[row] > 0 else -offset
        if not (at < t.exon_starts[beside] if up else at >= t.exon_ends[beside]):
            raise PositionOutside(f"{name!r}: {text} lies beyond the intron")
        return at

    def _bases(self, contig: int, start: int, end: int) -> str:
        held = self.genome.bases(contig)
        return "N" * (end - start) if held is None else held[start:end].tobytes().decode()

    def _allele(self, name: str, contig: int, first: int, last: int, forward: bool, change: re.Match[str]) -> Allele:
        start, end = (first, last + 1) if forward else (last, first + 1)
        if start >= end:
            raise NotReadable(f"{name!r}: its first position lies behind its last")
        kind = change["kind"] or ("sub" if change["old"] else "same")
        here = self._bases(contig, start, end)
        given = change["bases"] or ""
        text = (given if kind not in ("sub", "same") else change["old"] or change["same"].rstrip("=")) or ""
        stated = text if forward else text.translate(_SWAP)[::-1]
        if kind in ("sub", "same", "del", "dup", "inv") and stated and stated != here:
            there = here if forward else here.translate(_SWAP)[::-1]
            raise ReferenceContradicts(f"{name!r}: the reference has {there[:40]} there, not {text[:40]}")
        if kind == "sub":
            if end - start != 1:
                raise NotReadable(f"{name!r}: a substitution has one position")
            new = change["new"]
            return self._finish(name, contig, start, end, new if forward else new.translate(_SWAP))
        if kind == "same":
            raise NotSupported(f"{name!r}: the reference itself is no allele")
        if kind in ("ins", "delins"):
            if not given or "N" in given:
                raise NotSupported(f"{name!r}: the inserted bases are not given")
            if kind == "delins":
                return self._finish(name, contig, start, end, stated)
            if end - start != 2:
                raise NotSupported(f"{name!r}: an insertion lies between two bases that are neighbours in the genome")
            return self._finish(name, contig, start + 1, start + 1, stated)
        if kind == "dup":
            return self._finish(name, contig, end, end, here)
        return self._finish(name, contig, start, end, "" if kind == "del" else here.translate(_SWAP)[::-1])

    def _finish(self, name: str, contig: int, start: int, end: int, alt: str) -> Allele:
        """Trimmed, left-aligned, anchored."""
        ref = self._bases(contig, start, end)
        while ref and alt and ref[-1] == alt[-1]:
            ref, alt = ref[:-1], alt[:-1]
        while ref and alt and ref[0] == alt[0]:
            ref, alt, start = ref[1:], alt[1:], start + 1
        if not (ref and alt):
            run = np.frombuffer((ref or alt).encode(), dtype=np.uint8)
            base, length = int(self.genome.sequence_offsets[contig]), int(self.genome.lengths[contig])
            k = int(steps_down(self.genome.sequence, base, length, start, run, 0, len(run)))
            turned = np.roll(run, k).tobytes().decode()
            start -= k
            ref, alt = (turned, "") if ref else ("", turned)
            if start > 0:
                start -= 1
                anchor = self._bases(contig, start, start + 1)
                ref, alt = anchor + ref, anchor + alt
            else:
                anchor = self._bases(contig, len(ref), len(ref) + 1)
                ref, alt = ref + anchor, alt + anchor
        if "N" in ref:
            raise ReferenceUnknown(f"{name!r}: the reference holds N there")
        return Allele(contig, start, ref, alt)
