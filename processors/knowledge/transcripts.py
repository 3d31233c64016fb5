"""The transcript pack: gene models as memory-mapped arrays, sorted by place, with bins for overlap search.

Coordinates are 0-based half-open on the contig. Row numbers of transcripts and genes are what chunks and tables carry; names are
rendered on read. An extent search looks at the bins that a span touches (2^14 bases each), so a long gene costs nothing elsewhere.
"""

from __future__ import annotations

import enum
import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from processors.knowledge.genome import Genome
from processors.knowledge.gff import Gene, GeneModelError, GeneModels, Model, read_gene_models
from processors.knowledge.pack import Pack, PackError, write_pack
from processors.knowledge.strings import StringTable, arrays_of
from schemas.assembly import ContigTable

BIN_BITS = 14
_COMPLEMENT = np.frombuffer(bytes.maketrans(b"ACGT", b"TGCA"), dtype=np.uint8)
LAYOUT = 2
"""Raised when the arrays of the pack change; an older pack is refused with a word to build it again."""


class Tag(enum.IntFlag):
    """What the file says of a transcript; bits of `tags`."""

    MANE_SELECT = 1
    MANE_PLUS_CLINICAL = 2
    CANONICAL = 4
    CCDS = 8
    CDS_START_NF = 16
    CDS_END_NF = 32
    BASIC = 64


_TAGS = {
    "MANE_Select": Tag.MANE_SELECT,
    "MANE_Plus_Clinical": Tag.MANE_PLUS_CLINICAL,
    "Ensembl_canonical": Tag.CANONICAL,
    "RefSeq_Select": Tag.CANONICAL,
    "CCDS": Tag.CCDS,
    "cds_start_NF": Tag.CDS_START_NF,
    "cds_end_NF": Tag.CDS_END_NF,
    "basic": Tag.BASIC,
    "gencode_basic": Tag.BASIC,
}
_APPRIS = {
    "appris_principal_1": 1, "appris_principal_2": 2, "appris_principal_3": 3, "appris_principal_4": 4, "appris_principal_5": 5,
    "appris_alternative_1": 6, "appris_alternative_2": 7,
}  # fmt: skip


class Status(enum.IntFlag):
    """What is unusual about a transcript; bits of `status`. A consequence of such a transcript may not be sure, and says so."""

    START_INCOMPLETE = 1  # the file says that the coding sequence begins before the transcript does, or its phase is not 0
    END_INCOMPLETE = 2  # no stop codon at the end, or a length that is not a multiple of three
    START_NOT_ATG = 4  # complete, and begins with another codon
    STOP_INSIDE = 8  # a stop codon before the end that is no selenocysteine
    UNKNOWN_BASES = 16  # N within the spliced sequence of a coding transcript
    CODING_GAPPED = 32  # the file's CDS parts leave out exonic bases between them (ribosomal slippage, or a broken model)
    DIFFERS_FROM_GENOME = 64  # its own sequence has other bases than the genome
    PHASE_BROKEN = 128  # phases of the CDS parts contradict their lengths


class Layout(NamedTuple):
    """The arrays that kernels read; all of them are plain, contiguous and read-only.

    *cDNA* positions count the bases of the spliced transcript from its 5' end, 0-based. The *coding region* is [coding_start,
    coding_end) in cDNA; a CDS that begins inside a codon is read as if `pad` unknown bases came before it.
    """

    contig: npt.NDArray[np.int32]
    start: npt.NDArray[np.int32]
    end: npt.NDArray[np.int32]
    strand: npt.NDArray[np.int8]
    gene: npt.NDArray[np.uint32]
    cds_start: npt.NDArray[np.int32]  # -1: no CDS
    cds_end: npt.NDArray[np.int32]
    phase: npt.NDArray[np.uint8]
    decay: npt.NDArray[np.uint8]  # 1: nonsense_mediated_decay
    exon_offsets: npt.NDArray[np.int64]  # n + 1, into the two below
    exon_starts: npt.NDArray[np.int32]  # ascending within a transcript
    exon_ends: npt.NDArray[np.int32]
    exon_cdna: npt.NDArray[np.int32]  # cDNA position of the 5'-most base of each exon
    length: npt.NDArray[np.int32]  # bases of the spliced transcript
    coding_start: npt.NDArray[np.int32]  # cDNA; -1: no CDS
    coding_end: npt.NDArray[np.int32]  # cDNA, behind the last coding base (a stop codon is part of the coding region)
    pad: npt.NDArray[np.uint8]  # 0 to 2 unknown bases before the coding region: (3 - phase) % 3
    code: npt.NDArray[np.uint8]  # genetic code: row of `annotate.codons.CODES`
    status: npt.NDArray[np.uint16]  # Status bits
    base_offsets: npt.NDArray[np.int64]  # n + 1, into `bases`; no bases are kept of a transcript without CDS
    bases: npt.NDArray[np.uint8]  # spliced sequence on the transcript's strand, ASCII, N unknown
    sec_offsets: npt.NDArray[np.int64]  # n + 1, into `sec`
    sec: npt.NDArray[np.int32]  # 0-based residue numbers (pad counted) that are read as selenocysteine
    mature_offsets: npt.NDArray[np.int64]  # n + 1, into the two below
    mature_starts: npt.NDArray[np.int32]  # mature miRNA on the contig, 0-based half-open
    mature_ends: npt.NDArray[np.int32]
    bin_base: npt.NDArray[np.int64]  # of each contig, into bin_offsets; n_contigs + 1
    bin_offsets: npt.NDArray[np.int64]
    bin_rows: npt.NDArray[np.uint32]  # transcript rows, ascending within a bin


@dataclass(frozen=True)
class Transcripts:
    """A loaded pack. Rows are sorted by (contig, start, end, name)."""

    pack: Pack

    def __post_init__(self) -> None:
        if self.pack.kind != "transcripts":
            raise PackError(f"{self.pack.path}: kind `{self.pack.kind}`, not `transcripts`")
        if self.pack.extra.get("layout") != LAYOUT:
            raise PackError(
                f"{self.pack.path}: transcript layout {self.pack.extra.get('layout')}, this version reads {LAYOUT}; build it again"
            )

    def _array(self, name: str) -> npt.NDArray[Any]:
        return np.asarray(self.pack.array(name))

    @cached_property
    def layout(self) -> Layout:
        return Layout(*(self._array(name) for name in Layout._fields))

    def _table(self, name: str) -> StringTable:
        return StringTable(self._array(f"{name}_offsets"), self._array(f"{name}_data"))

    @cached_property
    def name(self) -> StringTable:
        """Transcript name, with its version where the file has one."""
        return self._table("name")

    @cached_property
    def gene_id(self) -> StringTable:
        return self._table("gene_id")

    @cached_property
    def gene_symbol(self) -> StringTable:
        return self._table("gene_symbol")

    @cached_property
    def biotypes(self) -> tuple[str, ...]:
        """Biotype names; `biotype` holds numbers of these."""
        return tuple(self.pack.extra["biotypes"])

    @cached_property
    def biotype(self) -> npt.NDArray[np.uint16]:
        return self._array("biotype")

    @cached_property
    def tags(self) -> npt.NDArray[np.uint16]:
        """`Tag` bits."""
        return self._array("tags")

    @cached_property
    def support(self) -> npt.NDArray[np.uint8]:
        """Transcript support level 1 to 5, 0 where the file gives none."""
        return self._array("support")

    @cached_property
    def appris(self) -> npt.NDArray[np.uint8]:
        """APPRIS, 1 (principal 1) to 7 (alternative 2), 0 where the file gives none."""
        return self._array("appris")

    @property
    def length(self) -> npt.NDArray[np.int32]:
        """Bases of the spliced transcript."""
        return self.layout.length

    @cached_property
    def protein(self) -> StringTable:
        """Protein name with its version; empty where there is none."""
        return self._table("protein")

    @cached_property
    def cds_length(self) -> npt.NDArray[np.int32]:
        return self._array("cds_length")

    @property
    def exon_count(self) -> npt.NDArray[np.int64]:
        return np.diff(self.layout.exon_offsets)

    def coding_spans(self, contig: int) -> npt.NDArray[np.int64]:
        """int64[m, 2]: merged, sorted, 0-based half-open spans of the coding transcripts of a contig; a chunk is not cut inside one."""
        layout = self.layout
        chosen = (layout.contig == contig) & (layout.cds_start >= 0)
        starts, ends = layout.start[chosen].astype(np.int64), np.maximum.accumulate(layout.end[chosen].astype(np.int64))
        if len(starts) == 0:
            return np.empty((0, 2), dtype=np.int64)
        opens = np.ones(len(starts), dtype=np.bool_)
        opens[1:] = starts[1:] > ends[:-1]
        first = np.flatnonzero(opens)
        return np.stack([starts[first], ends[np.append(first[1:] - 1, len(ends) - 1)]], axis=1)

    def __len__(self) -> int:
        return self.pack.rows


def build_transcripts(source: Path, root: Path, table: ContigTable, *, name: str, version: str, genome: Genome | None = None) -> Pack:
    """Compile a GFF3 or GTF file into a pack below `root`; its `extra["warnings"]` counts what was left out or looks wrong.

    Without `genome` every base of the transcripts is unknown, and so is every effect on a protein.

    Raises GeneModelError where the file cannot be read or none of its contigs is one of the build's.
    """
    read = read_gene_models(source)
    with source.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    return pack_models(read, root, table, name=name, version=version, source=source.name, sha256=digest, genome=genome)


def pack_models(
    read: GeneModels, root: Path, table: ContigTable, *, name: str, version: str, source: str, sha256: str, genome: Genome | None = None
) -> Pack:
    """The same of models already read (from several files, say)."""
    warnings = Counter(read.warnings)
    placed: list[tuple[int, Model]] = []
    unknown: Counter[str] = Counter()
    for model in read.models:
        contig = table.resolve(model.contig)
        if contig is None:
            warnings["contig_not_of_build"] += 1
            unknown[model.contig] += 1
        elif model.exons[-1][1] > table.contigs[contig].length:
            warnings["beyond_contig_end"] += 1
        else:
            placed.append((contig, model))
    if not placed:
        names = ", ".join(sorted(unknown)[:3]) or "none"
        raise GeneModelError(f"{source}: no transcript lies on a contig of {table.build} (its contigs: {names}); is this the right build?")
    placed.sort(key=lambda item: (item[0], item[1].exons[0][0], item[1].exons[-1][1], item[1].name))
    doubles = Counter(model.name for _, model in placed)
    warnings["name_not_unique"] = sum(count - 1 for count in doubles.values())
    arrays, biotypes, genes = _arrays(placed, len(table.contigs))
    arrays |= _spliced(placed, arrays, genome)
    extra = {
        "layout": LAYOUT,
        "source": source,
        "sha256": sha256,
        "biotypes": biotypes,
        "transcripts": len(placed),
        "genes": genes,
        "contigs_unknown": dict(unknown.most_common(20)),
        "warnings": {key: count for key, count in sorted(warnings.items()) if count},
    }
    return write_pack(root, kind="transcripts", name=name, version=version, build=table.build, arrays=arrays, rows=len(placed), extra=extra)


def _arrays(placed: list[tuple[int, Model]], contigs: int) -> tuple[dict[str, npt.NDArray[Any]], list[str], int]:
    models = [model for _, model in placed]
    genes: dict[tuple[int, Gene], int] = {}
    gene = [genes.setdefault((contig, model.gene), len(genes)) for contig, model in placed]
    biotypes = sorted({model.biotype for model in models})
    number = {name: row for row, name in enumerate(biotypes)}
    exon_offsets = np.zeros(len(models) + 1, dtype=np.int64)
    np.cumsum([len(model.exons) for model in models], out=exon_offsets[1:])
    contig = np.array([contig for contig, _ in placed], dtype=np.int32)
    start = np.array([model.exons[0][0] for model in models], dtype=np.int32)
    end = np.array([model.exons[-1][1] for model in models], dtype=np.int32)
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
        "exon_starts": np.array([exon[0] for model in models for exon in model.exons], dtype=np.int32),
        "exon_ends": np.array([exon[1] for model in models for exon in model.exons], dtype=np.int32),
        "biotype": np.array([number[model.biotype] for model in models], dtype=np.uint16),
        "tags": np.array([_tag_bits(model) for model in models], dtype=np.uint16),
        "support": np.array([model.support for model in models], dtype=np.uint8),
        "appris": np.array([min((_APPRIS[tag] for tag in model.tags if tag in _APPRIS), default=0) for model in models], dtype=np.uint8),
        "length": np.array([sum(b - a for a, b in model.exons) for model in models], dtype=np.int32),
        "cds_length": np.array([sum(b - a for a, b in model.cds) for model in models], dtype=np.int32),
        **_bins(contig, start, end, contigs),
        **arrays_of("name", [model.name for model in models]),
        **arrays_of("protein", [model.protein for model in models]),
        **arrays_of("gene_id", [item.id for _, item in genes]),
        **arrays_of("gene_symbol", [item.symbol for _, item in genes]),
        **arrays_of("gene_biotype", [item.biotype for _, item in genes]),
    }
    return arrays, biotypes, len(genes)


def _spliced(placed: list[tuple[int, Model]], arrays: dict[str, npt.NDArray[Any]], genome: Genome | None) -> dict[str, npt.NDArray[Any]]:
    """The arrays of Layout that speak of spliced coordinates and sequence."""
    exon_cdna = np.zeros(len(arrays["exon_starts"]), dtype=np.int32)
    coding = np.full((len(placed), 2), -1, dtype=np.int32)
    pieces: list[npt.NDArray[np.uint8]] = []
    base_offsets = np.zeros(len(placed) + 1, dtype=np.int64)
    for row, (contig, model) in enumerate(placed):
        spans = np.array(model.exons, dtype=np.int64)
        sizes = (spans[:, 1] - spans[:, 0]) if model.strand > 0 else (spans[:, 1] - spans[:, 0])[::-1]
        before = np.cumsum(sizes) - sizes
        low = int(arrays["exon_offsets"][row])
        exon_cdna[low : low + len(spans)] = before if model.strand > 0 else before[::-1]
        if model.cds:
            ends = [_cdna(spans, exon_cdna[low : low + len(spans)], model.strand, at) for at in (model.cds[0][0], model.cds[-1][1] - 1)]
            coding[row] = min(ends), max(ends) + 1
            bases = _splice(spans, model.strand, None if genome is None else genome.bases(contig))
            pieces.append(bases)
            base_offsets[row + 1] = len(bases)
    nothing = np.zeros(len(placed) + 1, dtype=np.int64)
    return {
        "exon_cdna": exon_cdna,
        "coding_start": np.ascontiguousarray(coding[:, 0]),
        "coding_end": np.ascontiguousarray(coding[:, 1]),
        "pad": ((3 - arrays["phase"]) % 3).astype(np.uint8),
        "code": np.zeros(len(placed), dtype=np.uint8),
        "status": np.zeros(len(placed), dtype=np.uint16),
        "base_offsets": np.cumsum(base_offsets),
        "bases": np.concatenate(pieces) if pieces else np.empty(0, dtype=np.uint8),
        "sec_offsets": nothing,
        "sec": np.empty(0, dtype=np.int32),
        "mature_offsets": nothing,
        "mature_starts": np.empty(0, dtype=np.int32),
        "mature_ends": np.empty(0, dtype=np.int32),
    }


def _cdna(spans: npt.NDArray[np.int64], before: npt.NDArray[np.int32], strand: int, position: int) -> int:
    exon = int(np.searchsorted(spans[:, 1], position, side="right"))
    inside = position - spans[exon, 0] if strand > 0 else spans[exon, 1] - 1 - position
    return int(before[exon] + inside)


def _splice(spans: npt.NDArray[np.int64], strand: int, bases: npt.NDArray[np.uint8] | None) -> npt.NDArray[np.uint8]:
    """Spliced sequence on the transcript's strand; all N without a sequence."""
    if bases is None:
        return np.full(int((spans[:, 1] - spans[:, 0]).sum()), ord("N"), dtype=np.uint8)
    joined = np.concatenate([bases[start:end] for start, end in spans.tolist()])
    return joined if strand > 0 else _COMPLEMENT[joined[::-1]]


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
