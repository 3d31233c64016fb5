"""Gene models of GFF3 and GTF files as Ensembl, GENCODE, RefSeq and miRBase write them.

The result is a list of models with 0-based half-open coordinates and counted warnings; what cannot be a transcript is left out and
counted, never repaired by guessing.
"""

from __future__ import annotations

import gc
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from processors.knowledge.gff_lines import Attributes, Feature, GeneModelError, Lines, Parts, Progress, Sheet, read_lines
from processors.knowledge.transcripts import Status

__all__ = ["Gene", "GeneModelError", "GeneModels", "Model", "Progress", "read_gene_models"]

_PRECURSORS = frozenset({"primary_transcript", "miRNA_primary_transcript", "pre_miRNA", "pre-miRNA", "miRNA_primary"})
_TRANSCRIPT_TYPES = frozenset(
    {"mRNA", "transcript", "ncRNA", "lnc_RNA", "rRNA", "tRNA", "snRNA", "snoRNA", "scRNA", "lincRNA", "NMD_transcript_variant",
     "pseudogenic_transcript", "processed_transcript", "unconfirmed_transcript"}
)  # fmt: skip
_BIOTYPES = {
    "mRNA": "protein_coding", "lnc_RNA": "lncRNA", "transcript": "misc_RNA", "V_gene_segment": "IG_V_gene",
    "D_gene_segment": "IG_D_gene", "J_gene_segment": "IG_J_gene", "C_gene_segment": "IG_C_gene",
}  # fmt: skip
_OWN_SEQUENCE = ("transcript or proteomic data", "discrepancy", "rearrangement required", "RNA editing", "mismatches in")
_FRAMES = {"0": 0, "1": 1, "2": 2}
_SWAPPED = {"0": 0, "1": 2, "2": 1}  # bases of the codon that lie before, as Ensembl's databases have it, in place of those to skip
_TRANSL_EXCEPT = re.compile(r"\(\s*pos:(.*?),\s*aa:(\w+)\s*\)")
_ENSEMBL_GENE = re.compile(r"(ENS[A-Z]*G\d+)(?:\.\d+)?(?:_PAR_Y)?")
_REFSEQ_COPY = re.compile(r"([NX][MR]_\d+\.\d+)(?:_\d+|_dup\d+)")


@dataclass(frozen=True)
class Gene:
    id: str
    symbol: str
    biotype: str


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
    with _no_cycles():
        lines = read_lines(path, progress)
        if not any(sheet.parts for sheet in lines.sheets.values()) and not any(
            feature.type in _PRECURSORS for sheet in lines.sheets.values() for feature in sheet.features.values()
        ):
            raise GeneModelError(f"{path}: holds no exon or CDS; is this a gene model file?")
        models: list[Model] = []
        for contig in list(lines.sheets):
            models += _models(contig, lines.sheets.pop(contig), lines)
    return GeneModels(models, lines.warnings, lines.lengths, lines.assembly)


@contextmanager
def _no_cycles() -> Iterator[None]:
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
        if _kind(feature) in _PRECURSORS:
            of_gene.setdefault(feature.parent, []).append((key, feature))
            if key not in sheet.parts:
                sheet.parts[key] = Parts(exons=[(feature.start, feature.end)], strands={feature.strand})
    found: dict[str, str] = {}
    for key, feature in sheet.features.items() if of_gene else ():
        kind = _kind(feature)
        if kind == "miRNA" or (kind == "ncRNA" and "ncrna_class=miRNA" in feature.text):
            parent = sheet.features.get(feature.parent)
            around = [name for name, one in of_gene.get(feature.parent, ()) if one.start <= feature.start and feature.end <= one.end]
            if parent is not None and parent.type in _PRECURSORS:
                found[key] = feature.parent
            elif around and feature.parent:
                found[key] = around[0]
    return found


def _kind(feature: Feature) -> str:
    """Type of a feature; NCBI's GTF has it as the biotype."""
    if feature.gtf and feature.type == "transcript" and ("primary_transcript" in feature.text or "miRNA" in feature.text):
        return feature.attributes.get("transcript_biotype", "")
    return feature.type


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
    cds = _with_stop([(start, end) for start, end, _ in coded], sorted(set(part.stop)))
    if cds and not _inside(cds, exons):
        warnings["cds_outside_exons"] += 1
        return None
    phase, status = _phase(coded, strand, warnings) if coded else (0, Status(0))
    if (sum(end - start for start, end in cds) - phase) % 3:
        warnings["cds_not_multiple_of_three"] += 1
    attributes = feature.attributes
    if "\ufffd" in feature.text:
        warnings["not_utf8"] += 1
    tags = frozenset(tag.strip().replace(" ", "_") for tag in attributes.get("tag", "").split(",") if tag)
    name = _transcript_name(key, attributes)
    if cds:
        status |= _incomplete(tags, part, strand, cds, exons)
    said = (attributes.get("exception", ""), part.coding.get("exception", ""))
    if name in lines.unlike or any(words in text for text in said for words in _OWN_SEQUENCE):
        status |= Status.DIFFERS_FROM_GENOME
    support = attributes.get("transcript_support_level", "").split(" ")[0]
    table = part.coding.get("transl_table", "")
    return Model(
        name=name,
        contig=contig,
        strand=strand,
        gene=_gene(feature, sheet, genes, warnings),
        biotype="miRNA" if _kind(feature) in _PRECURSORS and (mature or _of_mirna_gene(feature, sheet)) else _biotype(feature, bool(cds)),
        tags=tags,
        support=int(support) if support in ("1", "2", "3", "4", "5") else 0,
        ccds="ccdsid" in attributes or "ccds_id" in attributes or "CCDS" in tags or "CCDS:" in part.coding.get("Dbxref", ""),
        exons=exons,
        cds=cds,
        phase=phase,
        protein=_protein_name(part.coding),
        code=int(table) if table.isdigit() else 0,
        status=int(status),
        sec=_selenocysteines(part, strand, warnings) if cds else [],
        mature=mature,
        partner=_partner(attributes),
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


def _with_stop(cds: list[tuple[int, int]], stop: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """CDS parts with the bases of a stop codon that stands beside them (which may be cut by an intron)."""
    parts = list(cds)
    for start, end in stop if cds else ():
        near = next((at for at, (low, high) in enumerate(parts) if start <= high and low <= end), None)
        if near is None:
            parts.append((start, end))
        else:
            parts[near] = (min(start, parts[near][0]), max(end, parts[near][1]))
    return sorted(parts)


def _inside(cds: list[tuple[int, int]], exons: list[tuple[int, int]]) -> bool:
    """Whether every CDS part lies within one exon."""
    at = 0
    for start, end in cds:
        while at > 0 and exons[at][0] > start:  # parts may overlap (ribosomal slippage)
            at -= 1
        while at < len(exons) and exons[at][1] <= start:
            at += 1
        if at == len(exons) or start < exons[at][0] or end > exons[at][1] or end <= start:
            return False
    return True


def _phase(coded: list[tuple[int, int, str]], strand: int, warnings: Counter[str]) -> tuple[int, Status]:
    """Phase of the first coding part, and PHASE_BROKEN where that of a later part contradicts the lengths before it."""
    parts = coded if strand > 0 else coded[::-1]
    phase = _FRAMES.get(parts[0][2], 0)
    if parts[0][2] not in _FRAMES:
        warnings["cds_phase_missing"] += 1
    if phase:
        warnings["cds_begins_inside_codon"] += 1
    if _follow([(end - start, said) for start, end, said in parts], _FRAMES):
        return phase, Status(0)
    warnings["cds_phases_swapped"] += _follow([(end - start, said) for start, end, said in parts], _SWAPPED)
    return phase, Status.PHASE_BROKEN


def _follow(parts: list[tuple[int, str]], read: dict[str, int]) -> bool:
    """Whether each phase that is given, read in one way, is what the lengths of the parts before it leave."""
    coming = read.get(parts[0][1], 0)
    for length, said in parts:
        if read.get(said, coming) != coming:
            return False
        coming = (coming - length) % 3
    return True


def _incomplete(tags: frozenset[str], part: Parts, strand: int, cds: list[tuple[int, int]], exons: list[tuple[int, int]]) -> Status:
    """What the file says of a CDS that goes on outside: GENCODE's tags, RefSeq's `partial` with the open side of the contig."""
    left, right = "start_range" in part.open, "end_range" in part.open
    if part.coding.get("partial") == "true" and not part.open:  # NCBI's GTF leaves out the side: an end that is also the transcript's
        left, right = cds[0][0] == exons[0][0], cds[-1][1] == exons[-1][1]
    begins, ends = (left, right) if strand > 0 else (right, left)
    status = Status(0)
    if begins or "cds_start_NF" in tags:
        status |= Status.START_INCOMPLETE
    if ends or "cds_end_NF" in tags:
        status |= Status.END_INCOMPLETE
    return status


def _selenocysteines(part: Parts, strand: int, warnings: Counter[str]) -> list[int]:
    """First base of each codon that the file calls selenocysteine; what else it says of single residues is counted."""
    found = {start if strand > 0 else end - 1 for start, end in part.sec}
    for place, residue in _TRANSL_EXCEPT.findall(part.coding.get("transl_except", "")):
        numbers = [int(number) - 1 for number in re.findall(r"\d+", place)]
        if residue == "Sec" and numbers:
            found.add(min(numbers) if strand > 0 else max(numbers))
        elif residue == "TERM":
            warnings["stop_made_by_polyadenylation"] += 1
        elif residue != "Sec":
            warnings["residue_read_otherwise"] += 1
    return sorted(found)


def _transcript_name(key: str, attributes: Attributes) -> str:
    name = attributes.get("transcript_id") or attributes.get("Name") or key.removeprefix("transcript:").removeprefix("rna-")
    if name.startswith("unassigned_transcript"):  # NCBI's GTF, of the mitochondrion
        return attributes.get("gene", name)
    if (copy := _REFSEQ_COPY.fullmatch(name)) is not None:
        name = copy[1]
    version = attributes.get("version") or attributes.get("transcript_version")
    return f"{name}.{version}" if version and "." not in name else name


def _protein_name(attributes: Attributes) -> str:
    name = attributes.get("protein_id", "")
    version = attributes.get("protein_version") or attributes.get("version", "") if name else ""
    return f"{name}.{version}" if version and "." not in name else name


def _partner(attributes: Attributes) -> str:
    """The Ensembl transcript that RefSeq's files name beside a MANE transcript."""
    if "MANE" not in attributes.get("tag", ""):
        return ""
    references = f"{attributes.get('Dbxref', '')},{attributes.get('db_xref', '')}".split(",")
    return next((item.removeprefix("Ensembl:") for item in references if item.startswith("Ensembl:ENST")), "")


def _of_mirna_gene(feature: Feature, sheet: Sheet) -> bool:
    gene = sheet.features.get(feature.parent)
    return feature.type == "miRNA_primary_transcript" or (gene is not None and gene.attributes.get("gene_biotype") == "miRNA")


def _biotype(feature: Feature, coding: bool) -> str:
    attributes = feature.attributes
    for key in ("biotype", "transcript_biotype", "transcript_type"):
        if key in attributes:
            return _BIOTYPES.get(attributes[key], attributes[key])
    if feature.type not in ("transcript", "primary_transcript", "gene"):
        return attributes.get("ncrna_class") or _BIOTYPES.get(feature.type, feature.type)
    return attributes.get("gene_biotype", "protein_coding" if coding else "misc_RNA")


def _gene(feature: Feature, sheet: Sheet, genes: dict[str, Gene], warnings: Counter[str]) -> Gene:
    if feature.parent in genes:
        return genes[feature.parent]
    current, seen = feature, 0
    while current.parent in sheet.features and seen < 4:
        current, seen = sheet.features[current.parent], seen + 1
    attributes = current.attributes
    alone = current is feature
    if alone and feature.type != "gene":
        warnings["no_gene"] += 1
    identity = (
        attributes.get("gene_id") or attributes.get("ID", "").removeprefix("gene:").removeprefix("gene-") or attributes.get("Name", "")
    )
    for item in attributes.get("Dbxref", "").split(","):
        if item.startswith("GeneID:") and "gene_id" not in attributes:
            identity = item.removeprefix("GeneID:")
    if (ensembl := _ENSEMBL_GENE.fullmatch(identity)) is not None:  # GENCODE's version: one gene is one name in every file
        identity = ensembl[1]
    named = feature.type == "gene" or not alone
    symbol = attributes.get("gene_name") or attributes.get("gene") or (attributes.get("Name", "") if named else "")
    biotype = attributes.get("gene_biotype") or attributes.get("gene_type") or ("" if alone else attributes.get("biotype", ""))
    gene = Gene(identity, symbol, biotype)
    if not alone:
        genes[feature.parent] = gene
    return gene
