"""Gene models of GFF3 and GTF files as Ensembl, GENCODE, RefSeq and miRBase write them.

The result is a list of models with 0-based half-open coordinates and counted warnings; what cannot be a transcript is left out and
counted, never repaired by guessing.
"""

from __future__ import annotations

import gc
import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from processors.knowledge.gff_cds import first_phase, incomplete, lies_inside, selenocysteines, with_stop
from processors.knowledge.gff_lines import Feature, GeneModelError, Lines, Parts, Progress, Sheet, read_lines
from processors.knowledge.gff_names import (
    PRECURSORS,
    Gene,
    biotype,
    gene_of,
    kind_of,
    mane_partner,
    of_mirna_gene,
    protein_name,
    transcript_name,
)
from processors.knowledge.transcripts import Status

__all__ = ["Gene", "GeneModelError", "GeneModels", "Model", "Progress", "no_cycles", "read_gene_models"]

_TRANSCRIPT_TYPES = frozenset(
    {"mRNA", "transcript", "ncRNA", "lnc_RNA", "rRNA", "tRNA", "snRNA", "snoRNA", "scRNA", "lincRNA", "NMD_transcript_variant",
     "pseudogenic_transcript", "processed_transcript", "unconfirmed_transcript"}
)  # fmt: skip
_OWN_SEQUENCE = ("transcript or proteomic data", "discrepancy", "rearrangement required", "RNA editing", "mismatches in")


@dataclass(slots=True)
class Model:
    """One transcript: `exons` and `cds` are (start, end), 0-based half-open, ascending; `phase` is that of its first coding part."""

    name: str
    contig: str
    strand: int
    gene: Gene
    biotype: str
    tags: frozenset[str]
    support: int  # TSL 1 to 5, 0: none
    ccds: bool
    exons: list[tuple[int, int]]
    cds: list[tuple[int, int]]  # with the stop codon
    phase: int
    protein: str = ""  # with the version that the file gives; none is made up
    code: int = 0  # NCBI translation table that the file names, 0: none
    status: int = 0  # `transcripts.Status` bits that the file says
    sec: list[int] = field(default_factory=list)  # first base (on the transcript's strand) of each selenocysteine codon, on the contig
    mature: list[tuple[int, int]] = field(default_factory=list)  # mature miRNA
    partner: str = ""  # transcript of the other set with the same sequence (MANE), as the file names it


@dataclass
class GeneModels:
    """What a file holds. `warnings` counts what was left out or looks wrong, by reason; `lengths` and `assembly` are its header's."""

    models: list[Model]
    warnings: Counter[str]
    lengths: dict[str, int] = field(default_factory=dict)
    assembly: str = ""


def read_gene_models(path: Path, progress: Progress | None = None) -> GeneModels:
    """Gene models of a file. Raises GeneModelError where no line is a gene model or a line is malformed."""
    with no_cycles():
        lines = read_lines(path, progress)
        if not any(sheet.parts for sheet in lines.sheets.values()) and not any(
            feature.type in PRECURSORS for sheet in lines.sheets.values() for feature in sheet.features.values()
        ):
            raise GeneModelError(f"{path}: holds no exon or CDS; is this a gene model file?")
        models: list[Model] = []
        for contig in list(lines.sheets):
            models += _models(contig, lines.sheets.pop(contig), lines)
    return GeneModels(models, lines.warnings, lines.lengths, lines.assembly)


@contextmanager
def no_cycles() -> Iterator[None]:
    """Millions of small objects without a cycle are made: looking for cycles among them would take a third of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _models(contig: str, sheet: Sheet, lines: Lines) -> list[Model]:
    precursor_of = _precursors(sheet)
    mature: dict[str, list[tuple[int, int]]] = {}
    for key, precursor in precursor_of.items():
        mature.setdefault(precursor, []).append((sheet.features[key].start, sheet.features[key].end))
    genes: dict[str, Gene] = {}
    found = []
    for key, part in sheet.parts.items():
        if key not in precursor_of:
            model = _model(key, contig, part, sheet, genes, sorted(mature.get(key, [])), lines)
            if model is not None:
                found.append(model)
    parents = {feature.parent for feature in sheet.features.values()}
    lines.warnings["transcript_without_exons"] += sum(
        feature.type in _TRANSCRIPT_TYPES and key not in sheet.parts and key not in parents for key, feature in sheet.features.items()
    )
    return found


def _precursors(sheet: Sheet) -> dict[str, str]:
    """Mature miRNA → its precursor: its parent, or (RefSeq's releases up to 108) the one of its gene around it.

    A precursor without exons (miRBase) becomes one exon.
    """
    of_gene: dict[str, list[tuple[str, Feature]]] = {}
    for key, feature in sheet.features.items():
        if kind_of(feature) in PRECURSORS:
            of_gene.setdefault(feature.parent, []).append((key, feature))
            if key not in sheet.parts:
                sheet.parts[key] = Parts(exons=[(feature.start, feature.end)], strands={feature.strand})
    found: dict[str, str] = {}
    for key, feature in sheet.features.items() if of_gene else ():
        kind = kind_of(feature)
        if kind == "miRNA" or (kind == "ncRNA" and "ncrna_class=miRNA" in feature.text):
            parent = sheet.features.get(feature.parent)
            around = [name for name, one in of_gene.get(feature.parent, ()) if one.start <= feature.start and feature.end <= one.end]
            if parent is not None and parent.type in PRECURSORS:
                found[key] = feature.parent
            elif around and feature.parent:
                found[key] = around[0]
    return found


def _model(
    key: str, contig: str, part: Parts, sheet: Sheet, genes: dict[str, Gene], mature: list[tuple[int, int]], lines: Lines
) -> Model | None:
    warnings = lines.warnings
    feature = sheet.features.get(key)
    exons = sorted(set(part.exons)) or sorted({(start, end) for start, end, _ in part.cds} | set(part.stop))
    reason = _refusal(feature, part, exons)
    if feature is None or reason:
        warnings[reason] += 1
        return None
    strand = 1 if "+" in part.strands else -1
    if not part.exons:
        warnings["exons_taken_from_cds"] += 1
    coded = sorted(set(part.cds))
    cds = with_stop([(start, end) for start, end, _ in coded], sorted(set(part.stop)))
    if cds and not lies_inside(cds, exons):
        warnings["cds_outside_exons"] += 1
        return None
    phase, status = first_phase(coded, strand, warnings) if coded else (0, Status(0))
    if (sum(end - start for start, end in cds) - phase) % 3:
        warnings["cds_not_multiple_of_three"] += 1
    attributes = feature.attributes
    if "\ufffd" in feature.text:
        warnings["not_utf8"] += 1
    tags = frozenset(tag.strip().replace(" ", "_") for tag in attributes.get("tag", "").split(",") if tag)
    name = transcript_name(key, attributes)
    if cds:
        status |= incomplete(tags, part, strand, cds, exons)
    said = (attributes.get("exception", ""), part.coding.get("exception", ""))
    if name in lines.unlike or any(words in text for text in said for words in _OWN_SEQUENCE):
        status |= Status.DIFFERS_FROM_GENOME
    support = attributes.get("transcript_support_level", "").split(" ")[0]
    table = part.coding.get("transl_table", "")
    return Model(
        name=name,
        contig=contig,
        strand=strand,
        gene=gene_of(feature, sheet, genes, warnings),
        biotype="miRNA" if kind_of(feature) in PRECURSORS and (mature or of_mirna_gene(feature, sheet)) else biotype(feature, bool(cds)),
        tags=tags,
        support=int(support) if support in ("1", "2", "3", "4", "5") else 0,
        ccds="ccdsid" in attributes or "ccds_id" in attributes or "CCDS" in tags or "CCDS:" in part.coding.get("Dbxref", ""),
        exons=exons,
        cds=cds,
        phase=phase,
        protein=protein_name(part.coding),
        code=int(table) if table.isdigit() else 0,
        status=int(status),
        sec=selenocysteines(part, strand, warnings) if cds else [],
        mature=mature,
        partner=mane_partner(attributes),
    )


def _refusal(feature: Feature | None, part: Parts, exons: list[tuple[int, int]]) -> str:
    """Why this is no transcript; empty where it may be one."""
    if feature is None:
        return "exons_without_transcript"
    reasons = {
        "name_at_two_places": feature.ambiguous,
        "contig_or_strand_mixed": len(part.strands) != 1 or not part.strands <= {"+", "-"},
        "trans_spliced": "trans-splicing" in feature.text,
        "exon_without_bases": any(end <= start for start, end in exons),
        "exons_overlap": any(left[1] > right[0] for left, right in itertools.pairwise(exons)),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")
