"""Input of the consequence benchmark: real gene models of chromosome 21, its sequence with the unknown bases filled in, drawn variants.

The shared sequence knows the exons and a few windows; every other base is drawn from a seed, so that all tools see a whole chromosome
and real coding sequences. Repeats are therefore rarer in introns than in a real genome, for every tool alike.
"""

from __future__ import annotations

import gzip
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from deploy.local.demo.vcf import header, join_lines, numbers, write_bgzf
from processors.knowledge.gff import Model, read_gene_models

SEED = 11
CONTIG = "21"
FIRST = 5_010_000
"""Where chromosome 21's sequence begins; before it lies a gap and the short arm, without transcripts."""
SNV = 0.84
"""Share of single-base variants: 54,777 of 65,370 in the shared Platinum calls of this chromosome."""
MEAN_INDEL = 3.0  # bases, geometric
FLANK = 50
"""Bases around an exon that belong to an exome's targets."""
TODAY = 2.4
"""Transcripts of Ensembl 115 for each one of these models: GENCODE 49 lists 211,446 coding, 21,949 NMD, 191,079 long non-coding
transcripts and about 24,000 small RNAs and pseudogenes, 145 a megabase of the genome; the models here hold 60 a megabase of sequence."""


@dataclass(frozen=True)
class ConsequenceFiles:
    """FASTA, gene models as they are and as many as today, and VCFs of `genome`, `exome` and `one` variant."""

    fasta: Path
    genes: Path
    today: Path
    genome: Path
    exome: Path
    one: Path
    counts: dict[str, int]


def make_consequence_data(folder: Path, source: Path, genome: int, exome: int) -> ConsequenceFiles:
    """Write the files; `source` is the shared `chr21_GRCh38`, `genome` and `exome` are numbers of variants. Same seed, same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    files = ConsequenceFiles(
        folder / "chr21.fa",
        folder / "genes.gff3",
        folder / "genes_today.gff3",
        folder / "genome.vcf.gz",
        folder / "exome.vcf.gz",
        folder / "one.vcf.gz",
        {"genome": genome, "exome": exome, "one": 1},
    )
    bases = _filled(rng, source / "chr21.GRCh38.known.fa.gz")
    _write_fasta(files.fasta, bases)
    with gzip.open(source / "chr21.GRCh38.ensembl.gff3.gz", "rt") as handle:
        lines = [line for line in handle if "\tbiological_region\t" not in line]
    files.genes.write_text("".join(lines))
    files.today.write_text("".join(_multiplied(lines)))
    targets = exome_targets(read_gene_models(files.genes).models)
    everywhere = np.array([[FIRST, len(bases) - 10_000]], dtype=np.int64)
    for path, spans, number in ((files.genome, everywhere, genome), (files.exome, targets, exome), (files.one, targets, 1)):
        _write_variants(rng, path, bases, spans, number)
    return files


def exome_targets(models: list[Model]) -> npt.NDArray[np.int64]:
    """int64[m, 2]: exons of coding transcripts with FLANK bases on each side, merged, 0-based half-open."""
    spans = np.array(sorted((a - FLANK, b + FLANK) for model in models if model.cds for a, b in model.exons), dtype=np.int64)
    ends = np.maximum.accumulate(spans[:, 1])
    opens = np.ones(len(spans), dtype=np.bool_)
    opens[1:] = spans[1:, 0] > ends[:-1]
    first = np.flatnonzero(opens)
    return np.stack([spans[first, 0], ends[np.append(first[1:] - 1, len(spans) - 1)]], axis=1)


def _filled(rng: np.random.Generator, path: Path) -> npt.NDArray[np.uint8]:
    with gzip.open(path, "rb") as handle:
        raw = handle.read()
    bases = np.frombuffer(raw[raw.index(b"\n") :].replace(b"\n", b""), dtype=np.uint8).copy()
    unknown = ~np.isin(bases, np.frombuffer(b"ACGT", dtype=np.uint8))
    bases[unknown] = np.frombuffer(b"ACGT", dtype=np.uint8)[rng.integers(0, 4, int(unknown.sum()))]
    return bases


def _write_fasta(path: Path, bases: npt.NDArray[np.uint8]) -> None:
    width = 60
    whole = bases[: len(bases) // width * width].reshape(-1, width)
    lines = np.concatenate([whole, np.full((len(whole), 1), 10, dtype=np.uint8)], axis=1)
    with path.open("wb") as handle:
        handle.write(f">{CONTIG}\n".encode() + lines.tobytes() + bases[whole.size :].tobytes() + b"\n")
    path.with_name(f"{path.name}.fai").unlink(missing_ok=True)


def _multiplied(lines: list[str]) -> list[str]:
    """TODAY times as many transcripts: each once more, and a share of them a third time, under names of their own."""
    copies: dict[str, int] = {}
    children: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        if found := re.search(r"Parent=transcript:(\w+)", line):
            children[found[1]].append(line)
        elif found := re.search(r"ID=transcript:(\w+)", line):
            number = len(copies)
            copies[found[1]] = int((number + 1) * (TODAY - 1)) - int(number * (TODAY - 1))
            children[found[1]].insert(0, line)
    more = [
        line.replace(name, f"{name}{copy}") for name, count in copies.items() for copy in range(1, count + 1) for line in children[name]
    ]
    return [*lines, *more]


def _write_variants(rng: np.random.Generator, path: Path, bases: npt.NDArray[np.uint8], spans: npt.NDArray[np.int64], count: int) -> None:
    """`count` distinct places within the spans, SNVs and indels as SNV says; an insertion doubles what is before it half of the time."""
    sizes = spans[:, 1] - spans[:, 0]
    before = np.cumsum(sizes) - sizes
    flat = np.sort(rng.choice(int(sizes.sum()), count, replace=False))
    row = np.searchsorted(before, flat, side="right") - 1
    place = spans[row, 0] + flat - before[row]
    kind = rng.random(count)
    length = rng.geometric(1 / MEAN_INDEL, count)
    text = bases.tobytes().decode()
    refs, alts = [], []
    for at, draw, size in zip(place.tolist(), kind.tolist(), length.tolist(), strict=True):
        base = text[at]
        if draw < SNV:
            refs.append(base)
            alts.append("ACGT"[("ACGT".index(base) + 1 + size % 3) % 4])
        elif draw < (1 + SNV) / 2:
            refs.append(text[at : at + 1 + size])
            alts.append(base)
        else:
            refs.append(base)
            alts.append(base + (text[at + 1 - size : at + 1] if size % 2 else text[at - size : at]))
    columns = [
        [CONTIG] * count,
        numbers(place + 1),
        [f"v{k}" for k in range(count)],
        refs,
        alts,
        ["."] * count,
        ["."] * count,
        ["."] * count,
    ]
    write_bgzf(path, [header("GRCh38", [(CONTIG, len(bases))], [], []), join_lines(columns)])
