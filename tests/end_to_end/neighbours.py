"""A variant that the small world's ClinVar knows, with a neighbour in its codon: missense each, a stop together."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pysam

from deploy.local.demo.make import DemoFiles

STOPS = ("TAA", "TAG", "TGA")


@dataclass(frozen=True)
class Neighbours:
    """Positions are 1-based; `residue` is the number of their codon in `transcript`; the gene spans [gene_start, gene_end]."""

    contig: str
    position: int
    ref: str
    alt: str
    other: int
    other_ref: str
    other_alt: str
    gene: str
    transcript: str
    residue: int
    gene_start: int
    gene_end: int


def neighbours_of_a_known_variant(world: DemoFiles) -> Neighbours:
    """The first such pair in a codon of one exon on the forward strand."""
    codons = {}
    for transcript, (contig, gene, span, places) in _coding(world.transcripts).items():
        for number in range(len(places) // 3):
            codon = places[3 * number : 3 * number + 3]
            if codon[2] - codon[0] == 2:
                codons.update({(contig, place): (transcript, gene, span, number, codon) for place in codon})
    with pysam.FastaFile(str(world.fasta)) as genome, pysam.VariantFile(str(world.clinvar)) as known:
        for record in known:
            ref, *alts = record.alleles or ("",)
            if "Pathogenic" not in record.info["CLNSIG"] or len(ref) != 1 or len(alts) != 1 or len(alts[0]) != 1:
                continue
            if (record.contig, record.pos) not in codons:
                continue
            transcript, gene, span, number, codon = codons[record.contig, record.pos]
            text = genome.fetch(record.contig, codon[0] - 1, codon[2]).upper()
            for place, base in _second(text, record.pos - codon[0], alts[0]):
                return Neighbours(
                    record.contig, record.pos, ref, alts[0], codon[place], text[place], base, gene, transcript,
                    number + 1, *span,
                )  # fmt: skip
    raise AssertionError("no variant of the small world has such a neighbour")


def _second(text: str, place: int, alt: str) -> Iterator[tuple[int, str]]:
    """(place, base) that make a stop of a codon only together with `alt` at `place`."""

    def changed(codon: str, at: int, base: str) -> str:
        return codon[:at] + base + codon[at + 1 :]

    first = changed(text, place, alt)
    if first in STOPS:
        return
    for at in range(3):
        for base in "ACGT":
            if at != place and base != text[at] and changed(text, at, base) not in STOPS and changed(first, at, base) in STOPS:
                yield at, base


def _coding(path: Path) -> dict[str, tuple[str, str, tuple[int, int], list[int]]]:
    """Transcript with version → (contig, symbol of its gene, span of the gene, 1-based places of its coding bases), forward strand only."""
    genes: dict[str, tuple[str, tuple[int, int]]] = {}
    owners: dict[str, tuple[str, str]] = {}
    places: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            continue
        contig, _, kind, start, end, _, strand, _, text = line.split("\t")
        tags: dict[str, Any] = dict(re.findall(r"([^=;]+)=([^;]*)", text))
        if strand != "+":
            continue
        if kind == "gene":
            genes[tags["ID"]] = (tags.get("Name", tags["ID"]), (int(start), int(end)))
        elif kind == "CDS":
            places[tags["Parent"]].append((contig, int(start), int(end)))
        elif "transcript_id" in tags:
            version = f".{tags['version']}" if "version" in tags else ""
            owners[tags["ID"]] = (tags["transcript_id"] + version, tags["Parent"])
    found = {}
    for key, spans in places.items():
        name, parent = owners[key]
        found[name] = (spans[0][0], *genes[parent], [at for _, low, high in sorted(spans) for at in range(low, high + 1)])
    return found
