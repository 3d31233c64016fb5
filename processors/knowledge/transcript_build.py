"""Building a transcript pack: gene models and a genome become the arrays of `transcripts.Layout`, with every oddity counted."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from processors.knowledge.genome import Genome
from processors.knowledge.gff import Gene, GeneModelError, GeneModels, Model, Progress, no_cycles, read_gene_models
from processors.knowledge.mane import ManeTable, read_mane, tag_mane
from processors.knowledge.mrna import OwnSequences, read_mrna
from processors.knowledge.pack import Pack, write_pack
from processors.knowledge.strings import arrays_of, ranks_of
from processors.knowledge.transcript_coding import coding_arrays
from processors.knowledge.transcripts import BIN_BITS, LAYOUT, Tag
from schemas.assembly import BUILD_ALIASES, ContigTable, canonical_build

_TAGS = {
    "MANE_Select": Tag.MANE_SELECT,
    "MANE_Plus_Clinical": Tag.MANE_PLUS_CLINICAL,
    "Ensembl_canonical": Tag.CANONICAL,
    "RefSeq_Select": Tag.CANONICAL,
    "CCDS": Tag.CCDS,
    "cds_start_NF": Tag.CDS_START_NF,
    "cds_end_NF": Tag.CDS_END_NF,
    "mRNA_start_NF": Tag.MRNA_START_NF,
    "mRNA_end_NF": Tag.MRNA_END_NF,
    "basic": Tag.BASIC,
    "gencode_basic": Tag.BASIC,
    "gencode_primary": Tag.PRIMARY,
    "GENCODE_Primary": Tag.PRIMARY,
    "seleno": Tag.SELENO,
}
_APPRIS = {
    "appris_principal_1": 1, "appris_principal_2": 2, "appris_principal_3": 3, "appris_principal_4": 4, "appris_principal_5": 5,
    "appris_principal": 1, "appris_alternative_1": 6, "appris_alternative_2": 7,
}  # fmt: skip
_BUILDS = frozenset(BUILD_ALIASES.values())


def build_transcripts(
    source: Path,
    root: Path,
    table: ContigTable,
    *,
    name: str,
    version: str,
    genome: Genome | None = None,
    mane: Path | None = None,
    mrna: Path | None = None,
    progress: Progress | None = None,
) -> Pack:
    """Compile a GFF3 or GTF file into a pack below `root`; its `extra["warnings"]` counts what was left out or looks wrong.

    Without `genome` every base of the transcripts is unknown, and so is every effect on a protein. `mane`: MANE's summary table;
    `mrna`: FASTA of transcripts' own sequences. `progress` is told bytes of `source`.

    Raises GeneModelError where a file cannot be read, is of another build, or none of its contigs is one of the build's.
    """
    read = read_gene_models(source, progress)
    with source.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    return pack_models(
        read,
        root,
        table,
        name=name,
        version=version,
        source=source.name,
        sha256=digest,
        genome=genome,
        mane=None if mane is None else read_mane(mane),
        own=None if mrna is None else read_mrna(mrna, {model.name for model in read.models}),
    )


def pack_models(
    read: GeneModels,
    root: Path,
    table: ContigTable,
    *,
    name: str,
    version: str,
    source: str,
    sha256: str,
    genome: Genome | None = None,
    mane: ManeTable | None = None,
    own: OwnSequences | None = None,
) -> Pack:
    """The same of models already read (from several files, say)."""
    warnings = Counter(read.warnings)
    with no_cycles():
        placed, unknown, disagree = _place(read, table, source, warnings)
    models = [model for _, model in placed]
    warnings["name_not_unique"] = len(models) - len({model.name for model in models})
    with no_cycles():
        arrays, biotypes, genes = _arrays(placed, len(table.contigs))
    names = [model.name for model in models]
    arrays |= arrays_of("mane_partner", tag_mane(names, arrays["tags"], [model.partner for model in models], table.build, mane, warnings))
    arrays |= coding_arrays(models, arrays, table, genome, own, warnings)
    extra = {
        "layout": LAYOUT,
        "source": source,
        "sha256": sha256,
        "biotypes": biotypes,
        "transcripts": len(placed),
        "genes": genes,
        "contigs_unknown": dict(unknown.most_common(20)),
        "contigs_disagree": disagree,
        "warnings": {key: count for key, count in sorted(warnings.items()) if count},
        **({} if mane is None else {"mane": {"source": mane.source, "sha256": mane.sha256}}),
        **({} if own is None else {"mrna": {"source": own.source, "sha256": own.sha256, "found": len(own.bases)}}),
    }
    return write_pack(root, kind="transcripts", name=name, version=version, build=table.build, arrays=arrays, rows=len(placed), extra=extra)


def _place(
    read: GeneModels, table: ContigTable, source: str, warnings: Counter[str]
) -> tuple[list[tuple[int, Model]], Counter[str], dict[str, list[int]]]:
    """Models with their contig in the pack's order, transcripts on contigs that the build lacks, and contigs whose lengths disagree."""
    assembly = canonical_build(read.assembly.split(".")[0])
    if assembly in _BUILDS and table.build in _BUILDS and assembly != table.build:
        raise GeneModelError(f"{source}: its header says {read.assembly}, not {table.build}; give the gene models of the build")
    known = {name: table.resolve(name) for name in {model.contig for model in read.models} | read.lengths.keys()}
    disagree = {
        name: [length, table.contigs[number].length]
        for name, length in read.lengths.items()
        if (number := known[name]) is not None and table.contigs[number].length != length
    }
    placed: list[tuple[int, Model]] = []
    unknown: Counter[str] = Counter()
    for model in read.models:
        contig = known[model.contig]
        if contig is None:
            warnings["contig_not_of_build"] += 1
            unknown[model.contig] += 1
        elif model.contig in disagree:
            warnings["contig_of_other_length"] += 1
        elif model.exons[0][0] < 0 or model.exons[-1][1] > table.contigs[contig].length:
            warnings["beyond_contig_end"] += 1
        else:
            placed.append((contig, model))
    if not placed:
        names = ", ".join(sorted(unknown.keys() | disagree.keys())[:3]) or "none"
        raise GeneModelError(f"{source}: no transcript lies on a contig of {table.build} (its contigs: {names}); is this the right build?")
    placed.sort(key=lambda item: (item[0], item[1].exons[0][0], item[1].exons[-1][1], item[1].name))
    return placed, unknown, disagree


def _arrays(placed: list[tuple[int, Model]], contigs: int) -> tuple[dict[str, npt.NDArray[Any]], list[str], int]:
    models = [model for _, model in placed]
    genes: dict[tuple[int, Gene], int] = {}
    gene = [genes.setdefault((contig, model.gene), len(genes)) for contig, model in placed]
    biotypes = sorted({model.biotype for model in models})
    number = {name: row for row, name in enumerate(biotypes)}
    contig = np.array([contig for contig, _ in placed], dtype=np.int32)
    start = np.array([model.exons[0][0] for model in models], dtype=np.int32)
    end = np.array([model.exons[-1][1] for model in models], dtype=np.int32)
    mature_offsets, mature = _ragged([model.mature for model in models])
    exon_offsets, exons = _ragged([model.exons for model in models])
    arrays: dict[str, npt.NDArray[Any]] = {
        "contig": contig,
        "start": start,
        "end": end,
        "strand": np.array([model.strand for model in models], dtype=np.int8),
        "gene": np.array(gene, dtype=np.uint32),
        "cds_start": np.array([model.cds[0][0] if model.cds else -1 for model in models], dtype=np.int32),
        "cds_end": np.array([model.cds[-1][1] if model.cds else -1 for model in models], dtype=np.int32),
        "phase": np.array([model.phase for model in models], dtype=np.uint8),
        "decay": np.array([model.biotype == "nonsense_mediated_decay" for model in models], dtype=np.uint8),
        "exon_offsets": exon_offsets,
        "exon_starts": np.ascontiguousarray(exons[:, 0]),
        "exon_ends": np.ascontiguousarray(exons[:, 1]),
        "mature_offsets": mature_offsets,
        "mature_starts": np.ascontiguousarray(mature[:, 0]),
        "mature_ends": np.ascontiguousarray(mature[:, 1]),
        "biotype": np.array([number[model.biotype] for model in models], dtype=np.uint16),
        "tags": np.array([_tag_bits(model) for model in models], dtype=np.uint16),
        "support": np.array([model.support for model in models], dtype=np.uint8),
        "appris": np.array([min((_APPRIS[tag] for tag in model.tags if tag in _APPRIS), default=0) for model in models], dtype=np.uint8),
        "cds_length": np.array([sum(b - a for a, b in model.cds) for model in models], dtype=np.int32),
        **_bins(contig, start, end, contigs),
        **arrays_of("name", [model.name for model in models]),
        "name_rank": ranks_of([model.name for model in models]),
        **arrays_of("protein", [model.protein for model in models]),
        **arrays_of("gene_id", [item.id for _, item in genes]),
        **arrays_of("gene_symbol", [item.symbol for _, item in genes]),
        **arrays_of("gene_biotype", [item.biotype for _, item in genes]),
    }
    return arrays, biotypes, len(genes)


def _ragged(spans: list[list[tuple[int, int]]]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Offsets (n + 1) and the spans of all rows, int32[m, 2]."""
    offsets = np.zeros(len(spans) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in spans], out=offsets[1:])
    return offsets, np.array([span for row in spans for span in row], dtype=np.int32).reshape(-1, 2)


def _tag_bits(model: Model) -> int:
    bits = Tag.CCDS if model.ccds else Tag(0)
    for tag in model.tags:
        bits |= _TAGS.get(tag, Tag(0))
    return int(bits)


def _bins(
    contig: npt.NDArray[np.int32], start: npt.NDArray[np.int32], end: npt.NDArray[np.int32], contigs: int
) -> dict[str, npt.NDArray[Any]]:
    """Rows of each bin; only bins up to a contig's last transcript exist."""
    last = np.full(contigs, -1, dtype=np.int64)
    np.maximum.at(last, contig, (end - 1) >> BIN_BITS)
    base = np.zeros(contigs + 1, dtype=np.int64)
    np.cumsum(last + 1, out=base[1:])
    first = base[contig] + (start >> BIN_BITS)
    count = ((end - 1) >> BIN_BITS) - (start >> BIN_BITS) + 1
    row = np.repeat(np.arange(len(start), dtype=np.uint32), count)
    within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    cell = np.repeat(first, count) + within
    order = np.lexsort((row, cell))
    offsets = np.zeros(int(base[-1]) + 1, dtype=np.int64)
    np.cumsum(np.bincount(cell, minlength=int(base[-1])), out=offsets[1:])
    return {"bin_base": base, "bin_offsets": offsets, "bin_rows": row[order]}
