"""A synthetic genome with real gene structure: ATG to stop without a stop between, GT-AG introns, UTRs, both strands, isoforms.

Sequences are uint8 arrays of upper-case ASCII; coordinates are 0-based half-open on the forward strand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

Bases = npt.NDArray[np.uint8]

BASES = np.frombuffer(b"ACGT", dtype=np.uint8)
GC_CONTENT = 0.41  # of the human genome
COMPLEMENT = np.arange(256, dtype=np.uint8)
COMPLEMENT[np.frombuffer(b"ACGT", dtype=np.uint8)] = np.frombuffer(b"TGCA", dtype=np.uint8)
STOPS = (b"TAA", b"TAG", b"TGA")
SENSE = np.array(
    [list(codon) for codon in (bytes((a, b, c)) for a in b"ACGT" for b in b"ACGT" for c in b"ACGT") if codon not in STOPS],
    dtype=np.uint8,
)
"""The 61 sense codons of the standard code, shape (61, 3)."""
LINE = 60  # bases a line of the FASTA


@dataclass(frozen=True)
class Transcript:
    """`exons` in genomic order; `cds` the genomic span from the first coding base to behind the stop codon, None if non-coding."""

    name: str
    exons: tuple[tuple[int, int], ...]
    cds: tuple[int, int] | None


@dataclass(frozen=True)
class Gene:
    """`strand` is 1 or -1. The first transcript is the canonical one."""

    name: str
    symbol: str
    contig: str
    strand: int
    biotype: str
    transcripts: tuple[Transcript, ...]

    @property
    def span(self) -> tuple[int, int]:
        return min(t.exons[0][0] for t in self.transcripts), max(t.exons[-1][1] for t in self.transcripts)

    def coding(self) -> list[tuple[int, int]]:
        """Coding intervals of the canonical transcript, in genomic order."""
        transcript = self.transcripts[0]
        if transcript.cds is None:
            return []
        first, last = transcript.cds
        return [(max(a, first), min(b, last)) for a, b in transcript.exons if a < last and b > first]


@dataclass(frozen=True)
class SyntheticGenome:
    """Contigs in order, name → sequence, and genes in genomic order."""

    build: str
    contigs: dict[str, Bases]
    genes: tuple[Gene, ...]


def make_genome(rng: np.random.Generator, build: str, lengths: Sequence[int], gene_spacing: int = 70_000) -> SyntheticGenome:
    """A genome of contigs `1`, `2`, ... of these lengths; one gene in `gene_spacing` bases on average."""
    contigs: dict[str, Bases] = {}
    genes: list[Gene] = []
    weights = [(1 - GC_CONTENT) / 2, GC_CONTENT / 2, GC_CONTENT / 2, (1 - GC_CONTENT) / 2]
    thresholds = np.cumsum(weights)[:3]
    for number, length in enumerate(lengths, 1):
        draws = rng.random(length, dtype=np.float32)
        sequence = BASES[np.searchsorted(thresholds, draws).astype(np.uint8)]
        contigs[str(number)] = sequence
        cursor = 5_000
        while True:
            cursor += int(rng.exponential(gene_spacing / 2)) + 2_000
            gene, end = _write_gene(rng, sequence, str(number), cursor, len(genes) + 1)
            if gene is None:
                break
            genes.append(gene)
            cursor = end
    return SyntheticGenome(build, contigs, tuple(genes))


def _write_gene(rng: np.random.Generator, sequence: Bases, contig: str, start: int, number: int) -> tuple[Gene | None, int]:
    """Write one gene into `sequence` at `start`; (None, start) where it does not fit."""
    coding = rng.random() < 0.85
    exon_count = 1 + int(rng.geometric(0.18))
    exons = rng.integers(75, 260, exon_count)
    introns = np.maximum(80, rng.lognormal(7.3, 1.0, exon_count - 1).astype(np.int64))
    utr5, utr3 = int(rng.integers(40, 200)), int(rng.integers(120, 700))
    if coding:
        exons[-1] += (-int(exons.sum())) % 3
        exons[0] += utr5
        exons[-1] += utr3
    length = int(exons.sum() + introns.sum())
    if start + length + 5_000 > len(sequence):
        return None, start

    starts = np.concatenate(([0], np.cumsum(exons[:-1] + introns)))
    local = [(int(a), int(a + e)) for a, e in zip(starts, exons, strict=True)]
    strand = 1 if rng.random() < 0.5 else -1
    window = sequence[start : start + length]
    sense = window.copy() if strand == 1 else COMPLEMENT[window[::-1]]
    for (_, left), (right, _) in pairwise(local):
        sense[left : left + 2] = np.frombuffer(b"GT", dtype=np.uint8)
        sense[right - 2 : right] = np.frombuffer(b"AG", dtype=np.uint8)
    places = np.concatenate([np.arange(a, b) for a, b in local])
    if coding:
        cds = places[utr5 : len(places) - utr3]
        codons = SENSE[rng.integers(0, len(SENSE), len(cds) // 3)]
        codons[0] = list(b"ATG")
        codons[-1] = list(STOPS[int(rng.integers(0, 3))])
        sense[cds] = codons.reshape(-1)
    window[:] = sense if strand == 1 else COMPLEMENT[sense[::-1]]

    def to_genome(a: int, b: int) -> tuple[int, int]:
        return (start + a, start + b) if strand == 1 else (start + length - b, start + length - a)

    symbol = f"{'RVS' if coding else 'LNR'}{number}"
    isoforms = [_isoform(f"RVST{number:06d}01", local, (utr5, utr3) if coding else None, to_genome)]
    skipped = _skippable(sense, local, utr5, utr3) if coding else None
    if skipped is not None:
        shorter = [exon for index, exon in enumerate(local) if index != skipped]
        isoforms.append(_isoform(f"RVST{number:06d}02", shorter, (utr5, utr3), to_genome))
    biotype = "protein_coding" if coding else "lncRNA"
    return Gene(f"RVSG{number:06d}", symbol, contig, strand, biotype, tuple(isoforms)), start + length


def _isoform(name: str, local: Sequence[tuple[int, int]], utrs: tuple[int, int] | None, to_genome) -> Transcript:  # type: ignore[no-untyped-def]
    exons = tuple(sorted(to_genome(a, b) for a, b in local))
    if utrs is None:
        return Transcript(name, exons, None)
    return Transcript(name, exons, to_genome(local[0][0] + utrs[0], local[-1][1] - utrs[1]))


def _skippable(sense: Bases, local: Sequence[tuple[int, int]], utr5: int, utr3: int) -> int | None:
    """An inner exon whose loss keeps the frame and makes no stop codon."""
    for index in range(1, len(local) - 1):
        if (local[index][1] - local[index][0]) % 3:
            continue
        rest = [np.arange(a, b) for k, (a, b) in enumerate(local) if k != index]
        spliced = sense[np.concatenate(rest)].tobytes()
        cds = spliced[utr5 : len(spliced) - utr3]
        if not any(cds[k : k + 3] in STOPS for k in range(0, len(cds) - 3, 3)):
            return index
    return None


def write_fasta(genome: SyntheticGenome, path: Path) -> None:
    """FASTA with lines of 60 bases, written as arrays."""
    with path.open("wb") as out:
        for name, sequence in genome.contigs.items():
            out.write(f">{name}\n".encode())
            whole = len(sequence) // LINE * LINE
            lines = np.full((whole // LINE, LINE + 1), ord("\n"), dtype=np.uint8)
            lines[:, :LINE] = sequence[:whole].reshape(-1, LINE)
            out.write(lines.tobytes())
            if whole < len(sequence):
                out.write(sequence[whole:].tobytes() + b"\n")


def write_gff3(genome: SyntheticGenome, path: Path) -> None:
    """GFF3 with Ensembl's attributes: gene, transcript, exon, CDS with phase."""
    lines = ["##gff-version 3", *(f"##sequence-region {name} 1 {len(bases)}" for name, bases in genome.contigs.items())]
    for gene in genome.genes:
        lines.extend(_features(gene))
    path.write_text("\n".join(lines) + "\n")


def _features(gene: Gene) -> Iterator[str]:
    strand = "+" if gene.strand == 1 else "-"

    def line(kind: str, start: int, end: int, phase: str, attributes: str) -> str:
        return f"{gene.contig}\triverseq\t{kind}\t{start + 1}\t{end}\t.\t{strand}\t{phase}\t{attributes}"

    begin, end = gene.span
    kind = "gene" if gene.biotype == "protein_coding" else "ncRNA_gene"
    yield line(kind, begin, end, ".", f"ID=gene:{gene.name};Name={gene.symbol};biotype={gene.biotype};gene_id={gene.name};version=1")
    for rank, transcript in enumerate(gene.transcripts):
        kind = "mRNA" if transcript.cds else "lnc_RNA"
        tags = "basic,Ensembl_canonical,MANE_Select" if rank == 0 else "basic"
        first, last = transcript.exons[0][0], transcript.exons[-1][1]
        yield line(
            kind,
            first,
            last,
            ".",
            f"ID=transcript:{transcript.name};Parent=gene:{gene.name};Name={gene.symbol}-20{rank + 1};biotype={gene.biotype};"
            f"tag={tags};transcript_id={transcript.name};version=1",
        )
        ordered = transcript.exons if gene.strand == 1 else transcript.exons[::-1]
        done = 0
        for number, (a, b) in enumerate(ordered, 1):
            yield line("exon", a, b, ".", f"Parent=transcript:{transcript.name};exon_id={transcript.name}.{number};rank={number}")
            if transcript.cds is None:
                continue
            low, high = max(a, transcript.cds[0]), min(b, transcript.cds[1])
            if low < high:
                protein = transcript.name.replace("RVST", "RVSP")
                yield line("CDS", low, high, str(-done % 3), f"ID=CDS:{protein};Parent=transcript:{transcript.name};protein_id={protein}")
                done += high - low
