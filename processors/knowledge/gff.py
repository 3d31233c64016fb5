"""Reading gene models: GFF3 (Ensembl, GENCODE, RefSeq) and GTF, in any order of lines, plain or gzipped.

The result is a list of models with 0-based half-open coordinates and counted warnings; what cannot be a transcript is left out and
counted, never repaired by guessing.
"""

from __future__ import annotations

import gzip
import itertools
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

TRANSCRIPT_PREFIX = "transcript:"
GENE_PREFIX = "gene:"
_EXON_TYPES = frozenset({"exon", "pseudogenic_exon"})
_SKIPPED_TYPES = frozenset(
    {
        "five_prime_UTR", "three_prime_UTR", "UTR", "start_codon", "Selenocysteine", "biological_region", "chromosome",
        "region", "match", "cDNA_match", "supercontig", "scaffold", "contig", "sequence_feature", "intron",
        "stop_codon_redefined_as_selenocysteine",
    }
)  # fmt: skip


class GeneModelError(ValueError):
    """The file is no usable gene model file; the message names file and line and what to do."""


@dataclass(frozen=True)
class Gene:
    id: str
    symbol: str
    biotype: str


@dataclass
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
    cds: list[tuple[int, int]]
    phase: int
    protein: str = ""
    code: int = 0  # NCBI translation table that the file names, 0: none
    status: int = 0  # `transcripts.Status` bits that the file says
    sec: list[int] = field(default_factory=list)  # first base (on the transcript's strand) of each selenocysteine codon, on the contig
    mature: list[tuple[int, int]] = field(default_factory=list)  # mature miRNA


@dataclass
class _Node:
    type: str
    contig: str
    start: int
    end: int
    strand: str
    attributes: dict[str, str]
    parent: str


@dataclass
class _Parts:
    exons: list[tuple[int, int]] = field(default_factory=list)
    cds: list[tuple[int, int, int]] = field(default_factory=list)
    places: set[tuple[str, str]] = field(default_factory=set)  # (contig, strand)
    protein: str = ""


@dataclass
class GeneModels:
    """What a file holds. `warnings` counts what was left out or looks wrong, by reason."""

    models: list[Model]
    warnings: Counter[str]


def read_gene_models(path: Path) -> GeneModels:
    """Gene models of a file. Raises GeneModelError where no line is a gene model or a line is malformed."""
    nodes: dict[str, _Node] = {}
    parts: dict[str, _Parts] = {}
    warnings: Counter[str] = Counter()
    gtf: bool | None = None
    try:
        for number, line in enumerate(_lines(path), 1):
            if line.startswith("#") or not line.strip():
                if line.startswith("##FASTA"):
                    break
                continue
            columns = line.rstrip("\n").split("\t")
            if len(columns) != 9:
                raise GeneModelError(f"{path}:{number}: {len(columns)} columns instead of 9; is this a GFF3 or GTF file?")
            contig, _, kind, start, end, _, strand, phase, text = columns
            if kind in _SKIPPED_TYPES:
                continue
            if gtf is None:
                gtf = "=" not in text.split('"', 1)[0]
            attributes = _gtf(text, warnings) if gtf else _gff3(text)
            try:
                span = (int(start) - 1, int(end))
            except ValueError as error:
                raise GeneModelError(f"{path}:{number}: start or end is no number ({start!r}, {end!r})") from error
            if gtf:
                _add_gtf(nodes, parts, kind, contig, span, strand, phase, attributes)
            else:
                _add_gff3(nodes, parts, kind, contig, span, strand, phase, attributes)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise GeneModelError(f"{path}: cannot be read ({error})") from error
    if not parts:
        raise GeneModelError(f"{path}: holds no exon or CDS; is this a gene model file?")
    models = [model for key, part in parts.items() if (model := _model(key, part, nodes, warnings)) is not None]
    return GeneModels(models, warnings)


def _lines(path: Path) -> Iterator[str]:
    with path.open("rb") as probe:
        compressed = probe.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rt", encoding="utf-8") if compressed else path.open(encoding="utf-8") as handle:
        yield from handle


def _gff3(text: str) -> dict[str, str]:
    pairs = (item.partition("=") for item in text.strip().split(";") if item)
    return {key.strip(): urllib.parse.unquote(value) if "%" in value else value for key, _, value in pairs}


def _gtf(text: str, warnings: Counter[str]) -> dict[str, str]:
    result: dict[str, str] = {}
    for item in text.strip().split(";"):
        key, _, value = item.strip().partition(" ")
        if not key:
            continue
        value = value.strip().strip('"')
        # GTF repeats a key for each of its values (`tag "basic"; tag "CCDS"`)
        result[key] = f"{result[key]},{value}" if key in result and key == "tag" else value
    if "gene_id" not in result:
        warnings["no_gene_id"] += 1
    return result


def _add_gff3(
    nodes: dict[str, _Node],
    parts: dict[str, _Parts],
    kind: str,
    contig: str,
    span: tuple[int, int],
    strand: str,
    phase: str,
    attributes: dict[str, str],
) -> None:
    if kind in _EXON_TYPES or kind == "CDS":
        for parent in attributes.get("Parent", "").split(","):
            if parent:
                part = parts.setdefault(parent, _Parts())
                _add_part(part, kind, contig, span, strand, phase)
                part.protein = part.protein or _protein_name(attributes)
    elif "ID" in attributes:
        nodes[attributes["ID"]] = _Node(kind, contig, *span, strand, attributes, attributes.get("Parent", "").split(",")[0])


def _add_gtf(
    nodes: dict[str, _Node],
    parts: dict[str, _Parts],
    kind: str,
    contig: str,
    span: tuple[int, int],
    strand: str,
    phase: str,
    attributes: dict[str, str],
) -> None:
    gene = GENE_PREFIX + attributes.get("gene_id", "")
    if kind == "gene":
        nodes[gene] = _Node(kind, contig, *span, strand, attributes, "")
        return
    if "transcript_id" not in attributes:
        return
    key = TRANSCRIPT_PREFIX + attributes["transcript_id"]
    if kind == "transcript" or key not in nodes:
        nodes[key] = _Node("transcript", contig, *span, strand, attributes, gene)
    if gene not in nodes:
        nodes[gene] = _Node("gene", contig, *span, strand, attributes, "")
    if kind in _EXON_TYPES or kind in ("CDS", "stop_codon"):  # GTF keeps the stop codon out of the CDS
        part = parts.setdefault(key, _Parts())
        _add_part(part, kind, contig, span, strand, phase)
        part.protein = part.protein or _protein_name(attributes)


def _add_part(part: _Parts, kind: str, contig: str, span: tuple[int, int], strand: str, phase: str) -> None:
    part.places.add((contig, strand))
    if kind in ("CDS", "stop_codon"):
        part.cds.append((*span, int(phase) if phase in ("0", "1", "2") else 0))
    else:
        part.exons.append(span)


def _model(key: str, part: _Parts, nodes: dict[str, _Node], warnings: Counter[str]) -> Model | None:
    node = nodes.get(key)
    if node is None:
        warnings["exons_without_transcript"] += 1
        return None
    if len(part.places) != 1 or next(iter(part.places))[1] not in "+-":
        warnings["contig_or_strand_mixed"] += 1
        return None
    exons = sorted(set(part.exons)) or sorted((start, end) for start, end, _ in part.cds)
    if not part.exons:
        warnings["exons_taken_from_cds"] += 1
    if any(left[1] > right[0] for left, right in itertools.pairwise(exons)):
        warnings["exons_overlap"] += 1
        return None
    if any(end <= start for start, end in exons):
        warnings["exon_without_bases"] += 1
        return None
    contig, sign = next(iter(part.places))
    strand = 1 if sign == "+" else -1
    cds = sorted(part.cds)
    phase = 0
    if cds:
        phase = cds[0][2] if strand > 0 else cds[-1][2]
        if (sum(end - start for start, end, _ in cds) - phase) % 3:
            warnings["cds_not_multiple_of_three"] += 1
        if cds[0][0] < exons[0][0] or cds[-1][1] > exons[-1][1]:
            warnings["cds_outside_exons"] += 1
            return None
        if phase:
            warnings["cds_begins_inside_codon"] += 1
    attributes = node.attributes
    tags = frozenset(tag.strip().replace(" ", "_") for tag in attributes.get("tag", "").split(",") if tag)
    support = attributes.get("transcript_support_level", "").split(" ")[0]
    return Model(
        name=_transcript_name(key, attributes),
        contig=contig,
        strand=strand,
        gene=_gene(node, nodes, warnings),
        biotype=_biotype(node, bool(cds)),
        tags=tags,
        support=int(support) if support in ("1", "2", "3", "4", "5") else 0,
        ccds="ccdsid" in attributes or "ccds_id" in attributes or "CCDS" in tags,
        exons=exons,
        cds=[(start, end) for start, end, _ in cds],
        phase=phase,
        protein=part.protein,
    )


def _protein_name(attributes: dict[str, str]) -> str:
    name = attributes.get("protein_id", "")
    version = attributes.get("protein_version") or attributes.get("version", "") if name else ""
    return f"{name}.{version}" if version and "." not in name else name


def _transcript_name(key: str, attributes: dict[str, str]) -> str:
    name = attributes.get("transcript_id") or attributes.get("Name") or key.removeprefix(TRANSCRIPT_PREFIX)
    version = attributes.get("version") or attributes.get("transcript_version")
    return f"{name}.{version}" if version and "." not in name else name


def _biotype(node: _Node, coding: bool) -> str:
    attributes = node.attributes
    for key in ("biotype", "transcript_biotype", "transcript_type"):
        if key in attributes:
            return attributes[key]
    if node.type == "mRNA":
        return "protein_coding"
    if node.type not in ("transcript", "primary_transcript", "gene"):
        return attributes.get("ncrna_class", node.type)
    return attributes.get("gene_biotype", "protein_coding" if coding else "misc_RNA")


def _gene(node: _Node, nodes: dict[str, _Node], warnings: Counter[str]) -> Gene:
    current, seen = node, 0
    while current.parent in nodes and seen < 4:
        current, seen = nodes[current.parent], seen + 1
    attributes = current.attributes
    if current is node and node.type != "gene":
        warnings["no_gene"] += 1
    identity = attributes.get("gene_id") or attributes.get("ID", "").removeprefix(GENE_PREFIX) or attributes.get("Name", "")
    for item in attributes.get("Dbxref", "").split(","):
        if item.startswith("GeneID:") and "gene_id" not in attributes:
            identity = item.removeprefix("GeneID:")
    symbol = attributes.get("gene_name") or attributes.get("gene") or ("" if current is node else attributes.get("Name", ""))
    biotype = attributes.get("gene_biotype") or attributes.get("gene_type") or ("" if current is node else attributes.get("biotype", ""))
    return Gene(identity, symbol, biotype)
