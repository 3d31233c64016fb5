"""bcftools csq as a second opinion on compounds: phased pairs made on real transcripts, its answers and ours laid side by side."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from processors.annotate import terms
from processors.annotate.compound.stage import call_compounds
from processors.annotate.project import contig_of
from processors.ingest import ingest, read_header
from processors.knowledge.transcripts import Status
from processors.resources import Resources
from schemas.chunks import ChunkKind
from schemas.compounds import CompoundFlag, CompoundKind
from schemas.plan import CuttingRule, Plan

KINDS = ("codon", "split", "rescue", "three", "inframe")
_UNUSUAL = Status.START_INCOMPLETE | Status.END_INCOMPLETE | Status.START_NOT_ATG | Status.STOP_INSIDE | Status.UNKNOWN_BASES


_TERMS = {name: name for name in ("stop_gained", "stop_lost", "start_lost", "inframe_insertion", "inframe_deletion")} | {
    "inframe_altering": "protein_altering_variant",
    "stop_retained": "stop_retained_variant",
}


@dataclass(frozen=True)
class Answer:
    """What one tool says of a compound: terms, first residue from 1, residues before and after (to the first stop)."""

    terms: frozenset[str]
    residue: int
    before: str
    after: str


Key = tuple[int, int, str, frozenset[int]]
"""(sample, haplotype, transcript without version, positions of the records, 1-based)."""


def our_answers(vcf: Path, resources: Resources, *, called: bool = True) -> dict[Key, tuple[CompoundKind, CompoundFlag, Answer]]:
    """Compounds of a file, by haplotype. `called`: without those that are only linked."""
    positions = [int(line.split("\t")[1]) for line in vcf.read_text().splitlines() if not line.startswith("#")]
    found = {}
    for row in compounds(vcf, resources).to_pylist():
        key = frozenset(positions[part["record"]] for part in row["parts"])
        name = resources.transcripts.name[row["transcript"]].split(".")[0]
        if called and row["terms"] == 0:
            continue
        answer = Answer(frozenset(terms.names_of(row["terms"])), row["residue"], row["ref_aa"], row["alt_aa"])
        for haplotype in range(8):
            if row["haplotypes"] >> haplotype & 1:
                found[row["sample"], haplotype, name, key] = (CompoundKind(row["kind"]), CompoundFlag(row["flags"]), answer)
    return found


def compounds(vcf: Path, resources: Resources, cutting: CuttingRule | None = None) -> pa.Table:
    """Every compound of a file, through ingest and its chunks, in an order that does not depend on them."""
    build = resources.plan.build
    people = [(name, name) for name in read_header(vcf).samples]
    with ingest(
        vcf, genome=resources.genome, build=build, samples=people, submission_id="s", revision_id="r",
        plan=Plan(build, (), cutting=cutting or CuttingRule()), lane="routine", epoch=0, options={}, boundaries=resources.boundaries,
        coding_exons=resources.coding_exons,
    ) as reading:  # fmt: skip
        chunks = [emitted.chunk for emitted in reading]
    batches = [call_compounds(chunk, resources) for chunk in chunks if chunk.header.kind is ChunkKind.ALLELES]
    order = [(name, "ascending") for name in ("transcript", "sample", "start", "end", "haplotypes", "phase_set", "kind")]
    return pa.Table.from_batches(batches).sort_by(order)


def csq_answers(vcf: Path, fasta: Path, models: Path, folder: Path) -> dict[Key, Answer]:
    """What `bcftools csq -p a` says of haplotypes with two records and more."""
    out = folder / f"{vcf.name}.csq.vcf"
    subprocess.run(["bcftools", "csq", "-p", "a", "-n", "256", "-f", fasta, "-g", models, vcf, "-o", out], check=True, capture_output=True)
    listing = subprocess.run(["bcftools", "query", "-f", "[%SAMPLE\t%TBCSQ\n]", out], check=True, capture_output=True, text=True).stdout
    number = {name: place for place, name in enumerate(read_header(vcf).samples)}
    found: dict[Key, Answer] = {}
    for line in listing.splitlines():
        sample, *haplotypes = line.split("\t")
        for haplotype, texts in enumerate(haplotypes):
            for text in texts.split(","):
                parsed = _parse(text)
                if parsed is not None:
                    name, positions, answer = parsed
                    found[number[sample], haplotype, name, positions] = answer
    return found


def _parse(text: str) -> tuple[str, frozenset[int], Answer] | None:
    fields = text.split("|")
    if len(fields) < 7 or "+" not in fields[6]:
        return None
    positions = frozenset(int("".join(c for c in part.split(">")[0] if c.isdigit())) for part in fields[6].split("+"))
    before, _, after = fields[5].partition(">")
    residue = int("".join(c for c in before if c.isdigit()))
    letters = ["".join(c for c in side if not c.isdigit()) for side in (before, after or before)]
    named = frozenset(_TERMS.get(name, f"{name}_variant") for name in fields[0].split("&"))
    return fields[2], positions, Answer(named, residue, letters[0], letters[1])


def write_pairs(resources: Resources, out: Path, *, samples: int, seed: int) -> dict[int, str]:
    """A VCF of one made compound a sample, of each of KINDS in turn, on complete transcripts of the pack; sample number → kind."""
    rng = random.Random(seed)
    layout = resources.transcripts.layout
    good = np.flatnonzero(
        (layout.coding_start >= 0) & ((layout.status & int(_UNUSUAL)) == 0) & (layout.coding_end - layout.coding_start > 90)
    )
    made: dict[int, str] = {}
    lines: list[tuple[int, int, str, str, int, int]] = []
    while len(made) < samples:
        kind = KINDS[len(made) % len(KINDS)]
        edits = _edits(layout, int(rng.choice(good)), kind, rng)
        records = _records(resources, *edits) if edits else []
        if records:
            haplotype = rng.randrange(3)  # 2: homozygous
            lines += [(*record, len(made), haplotype) for record in records]
            made[len(made)] = kind
    names = [f"s{number}" for number in range(samples)]
    contigs = resources.genome.table.contigs
    text = ["##fileformat=VCFv4.2", '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
    text += [f"##contig=<ID={contig.name},length={contig.length}>" for contig in contigs]
    text.append("\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *names]))
    for contig, position, ref, alt, sample, haplotype in sorted(lines):
        calls = ["0|0"] * samples
        calls[sample] = ("1|0", "0|1", "1|1")[haplotype]
        text.append("\t".join([contigs[contig].name, str(position), ".", ref, alt, ".", "PASS", ".", "GT", *calls]))
    out.write_text("\n".join(text) + "\n")
    return made


def _edits(layout, row: int, kind: str, rng: random.Random):  # type: ignore[no-untyped-def]
    """(row, [(cDNA position, bases deleted, bases inserted)]) of one made compound; None where the transcript has no place for it."""
    first, behind = int(layout.coding_start[row]), int(layout.coding_end[row])
    codons = (behind - first) // 3
    if kind == "split":
        borders = [int(at) for at in layout.exon_cdna[layout.exon_offsets[row] : layout.exon_offsets[row + 1]]]
        borders = [at for at in borders if first + 3 < at < behind - 3 and (at - first) % 3]
        if not borders:
            return None
        at = rng.choice(borders)
        return row, [(at - 1, 1, 1), (at, 1, 1)]
    start = first + 3 * rng.randrange(0, codons - 25)
    if kind == "codon":
        one, two = sorted(rng.sample(range(3), 2))
        return row, [(start + one, 1, 1), (start + two, 1, 1)]
    if kind == "three":
        return row, [(start, 1, 1), (start + 1, 1, 1), (start + 2, 1, 1)]
    if kind == "inframe":
        return row, [(start + 1, 3, 0), (start + 5, 1, 1)] if rng.random() < 0.5 else [(start, 1, 1), (start + 2, 0, 3)]
    size = rng.choice([1, 2, 4])
    later = start + rng.randrange(3, 45)
    return row, [(start, 0, size), (later, size, 0)] if rng.random() < 0.5 else [(start, size, 0), (later, 0, size)]


def _records(resources: Resources, row: int, edits: list[tuple[int, int, int]]) -> list[tuple[int, int, str, str]]:
    """(contig, 1-based position, REF, ALT) of edits of a transcript; empty where one does not lie within an exon or on known bases."""
    layout, rng = resources.transcripts.layout, random.Random(row * 7 + edits[0][0])
    contig, forward = int(layout.contig[row]), layout.strand[row] > 0
    bases = resources.genome.bases(contig)
    assert bases is not None
    found = []
    for cdna, deleted, inserted in edits:
        places = [int(contig_of(layout, row, cdna + k)) for k in range(-2, max(deleted, 1) + 2)]
        if abs(places[-1] - places[0]) != len(places) - 1 and deleted != 1:
            return []
        low = int(contig_of(layout, row, cdna if forward else cdna + max(deleted, 1) - 1))
        if deleted == 1 and inserted == 1:
            ref = chr(bases[low])
            found.append((contig, low + 1, ref, rng.choice([base for base in "ACGT" if base != ref])))
            continue
        new = "".join(rng.choice("ACGT") for _ in range(inserted))
        anchor = low - 1 if forward or deleted else low
        ref = bases[anchor : anchor + 1 + deleted].tobytes().decode()
        found.append((contig, anchor + 1, ref, ref[0] + new))
    return found if all("N" not in ref for _, _, ref, _ in found) else []


def spelled_proteins(resources: Resources, row: int, records: list[tuple[int, str, str]]) -> tuple[str, str]:
    """Protein of a transcript and of its haplotype with records (1-based position, REF, ALT), each to its first stop: bases of the contig
    are replaced, exons are joined, codons are read, and nothing of the code under test is used.
    """
    layout = resources.transcripts.layout
    forward = layout.strand[row] > 0
    bases = resources.genome.bases(int(layout.contig[row]))
    assert bases is not None
    exons = range(layout.exon_offsets[row], layout.exon_offsets[row + 1])

    def protein(edits: list[tuple[int, str, str]]) -> str:
        joined = bytearray()
        for k in exons:
            low, high = int(layout.exon_starts[k]), int(layout.exon_ends[k])
            low, high = (max(low, int(layout.cds_start[row])), high) if forward else (low, min(high, int(layout.cds_end[row])))
            at = low
            for first, behind, alt in sorted(_bare(*edit) for edit in edits):
                if low <= first < high:
                    joined += bases[at:first].tobytes() + alt.encode()
                    at = behind
            joined += bases[at:high].tobytes()
        text = bytes(joined) if forward else bytes(joined).translate(bytes.maketrans(b"ACGT", b"TGCA"))[::-1]
        text = b"N" * int(layout.pad[row]) + text
        codons = (text[at : at + 3].decode() for at in range(0, len(text) - 2, 3))
        residues = "".join("X" if "N" in codon else _CODE[codon] for codon in codons)
        return residues[: residues.find("*") + 1] or residues

    return protein([]), protein(records)


def _bare(position: int, ref: str, alt: str) -> tuple[int, int, str]:
    """0-based [first, behind) and the bases put there, without the base that an indel of a VCF shares with its ALT."""
    if ref[0] == alt[0]:
        return position, position - 1 + len(ref), alt[1:]
    return position - 1, position - 1 + len(ref), alt


_CODE = {
    first + second + third: "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"[16 * a + 4 * b + c]
    for a, first in enumerate("TCAG") for b, second in enumerate("TCAG") for c, third in enumerate("TCAG")
}  # fmt: skip
"""The standard genetic code, NCBI table 1."""

CAUSES = ("same", "decay", "word", "window", "numbering", "start", "stop_first", "border", "unlinked", "other")
"""How two answers may lie to each other; each but the first and the last is explained in DIFFERENCES-compound.md."""


def causes(
    ours: dict[Key, Answer], theirs: dict[Key, Answer], begun: frozenset[str]
) -> Iterator[tuple[str, Key, Answer | None, Answer | None]]:
    """(cause, key, ours, csq's) of every haplotype that either tool calls. `begun`: transcripts that begin inside a codon."""
    for key in sorted(ours.keys() | theirs.keys(), key=repr):
        one, two = ours.get(key), theirs.get(key)
        yield _cause(one, two, key[2] in begun), key, one, two


def _cause(one: Answer | None, two: Answer | None, begun: bool) -> str:
    if one is None:
        assert two is not None
        return "stop_first" if {"frameshift_variant", "stop_gained"} <= two.terms else "border" if _in_frame(two.terms) else "other"
    if two is None:
        if one.residue == 1:
            return "start"
        return "unlinked" if _in_frame(one.terms) else "other"
    mine, other = _core(one), _core(two)
    if mine[1:] != other[1:]:
        return "other"
    if mine[0] != other[0]:
        return "numbering" if begun and 0 <= mine[0] - other[0] <= 1 else "other"
    exact = (one.residue, one.before, one.after) == (two.residue, two.before, two.after)
    if one.terms - {"NMD_transcript_variant"} == two.terms:
        return ("same" if one.terms == two.terms else "decay") if exact else "window"
    return "word"


def _in_frame(terms_: frozenset[str]) -> bool:
    return bool(terms_ & {"inframe_insertion", "inframe_deletion", "protein_altering_variant"}) or "stop_gained" in terms_


def _core(answer: Answer) -> tuple[int, str, str]:
    """First residue that changes, and the residues before and after without what both ends share; up to the first stop."""
    before, after = answer.before, answer.after
    stop = after.find("*")
    if stop >= 0:
        after = after[: stop + 1]
    same = 0
    while same < min(len(before), len(after)) and before[same] == after[same]:
        same += 1
    first, before, after = answer.residue + same, before[same:], after[same:]
    if stop >= 0:
        return first, before[:1], after
    while before and after and before[-1] == after[-1]:
        before, after = before[:-1], after[:-1]
    return first, before, after
