"""Names, biotypes and genes of transcripts as Ensembl, GENCODE, RefSeq, NCBI's GTF and miRBase write them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from processors.knowledge.gff_lines import Attributes, Feature, Sheet

PRECURSORS = frozenset({"primary_transcript", "miRNA_primary_transcript", "pre_miRNA", "pre-miRNA", "miRNA_primary"})
_BIOTYPES = {
    "mRNA": "protein_coding", "lnc_RNA": "lncRNA", "transcript": "misc_RNA", "V_gene_segment": "IG_V_gene",
    "D_gene_segment": "IG_D_gene", "J_gene_segment": "IG_J_gene", "C_gene_segment": "IG_C_gene",
}  # fmt: skip
_ENSEMBL_GENE = re.compile(r"(ENS[A-Z]*G\d+)(?:\.\d+)?(?:_PAR_Y)?")
_REFSEQ_COPY = re.compile(r"([NX][MR]_\d+\.\d+)(?:_\d+|_dup\d+)")


@dataclass(frozen=True)
class Gene:
    id: str
    symbol: str
    biotype: str


def kind_of(feature: Feature) -> str:
    """Type of a feature; NCBI's GTF has it as the biotype."""
    if feature.gtf and feature.type == "transcript" and ("primary_transcript" in feature.text or "miRNA" in feature.text):
        return feature.attributes.get("transcript_biotype", "")
    return feature.type


def transcript_name(key: str, attributes: Attributes) -> str:
    name = attributes.get("transcript_id") or attributes.get("Name") or key.removeprefix("transcript:").removeprefix("rna-")
    if name.startswith("unassigned_transcript"):  # NCBI's GTF, of the mitochondrion
        return attributes.get("gene", name)
    if (copy := _REFSEQ_COPY.fullmatch(name)) is not None:
        name = copy[1]
    version = attributes.get("version") or attributes.get("transcript_version")
    return f"{name}.{version}" if version and "." not in name else name


def protein_name(attributes: Attributes) -> str:
    name = attributes.get("protein_id", "")
    version = attributes.get("protein_version") or attributes.get("version", "") if name else ""
    return f"{name}.{version}" if version and "." not in name else name


def mane_partner(attributes: Attributes) -> str:
    """The Ensembl transcript that RefSeq's files name beside a MANE transcript."""
    if "MANE" not in attributes.get("tag", ""):
        return ""
    references = f"{attributes.get('Dbxref', '')},{attributes.get('db_xref', '')}".split(",")
    return next((item.removeprefix("Ensembl:") for item in references if item.startswith("Ensembl:ENST")), "")


def of_mirna_gene(feature: Feature, sheet: Sheet) -> bool:
    gene = sheet.features.get(feature.parent)
    return feature.type == "miRNA_primary_transcript" or (gene is not None and gene.attributes.get("gene_biotype") == "miRNA")


def biotype(feature: Feature, coding: bool) -> str:
    attributes = feature.attributes
    for key in ("biotype", "transcript_biotype", "transcript_type"):
        if key in attributes:
            return _BIOTYPES.get(attributes[key], attributes[key])
    if feature.type not in ("transcript", "primary_transcript", "gene"):
        return attributes.get("ncrna_class") or _BIOTYPES.get(feature.type, feature.type)
    return attributes.get("gene_biotype", "protein_coding" if coding else "misc_RNA")


def gene_of(feature: Feature, sheet: Sheet, genes: dict[str, Gene], warnings: Counter[str]) -> Gene:
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
