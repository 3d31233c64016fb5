"""Which kinds of knowledge there are, what file each wants and who publishes it: the text of `knowledge build --help`."""

from __future__ import annotations

from processors.knowledge.kinds import KINDS, Kind, kind_of
from streams.cli.failures import WrongUse

FILES = {
    "clinvar": "clinvar.vcf.gz of NCBI, and variant_summary.txt.gz beside it for conditions",
    "frequency": "any VCF of sites with a frequency in INFO; options field, floor, covered (BED)",
    "gnomad_exomes": "gnomad.exomes.*.sites VCF of v2.1, v3 or v4, one or one a contig; options populations, covered, floor",
    "gnomad_genomes": "gnomad.genomes.*.sites VCF, as for the exomes",
    "gnomad_joint": "gnomad.joint.*.sites VCF of v4.1, as for the exomes",
    "thousand_genomes": "sites VCF of phase 3 or of the 30x panel (IGSR); options covered, floor",
    "dbsnp": "dbSNP's VCF of a build: rs numbers",
    "dbnsfp": "dbNSFP*_variant.chr* tables, 3.x to 5.x",
    "revel": "revel_with_transcript_ids",
    "cadd": "tables of CADD v1.3 to v1.7: an exome, a gene panel or one contig (`tabix` cuts them), and indels",
    "alphamissense": "AlphaMissense_hg38.tsv.gz, AlphaMissense_hg19.tsv.gz",
    "spliceai": "spliceai_scores.raw or .masked VCF, SNVs and indels",
    "constraint": "gnomAD's lof_metrics.by_gene (v2.1.1) or constraint_metrics (v4); gene by gene, for any build",
    "dosage": "ClinGen_gene_curation_list, or its BED track; gene by gene, for any build",
    "validity": "Clingen-Gene-Disease-Summary CSV; gene by gene, for any build",
    "hpo_genes": "genes_to_phenotype.txt or phenotype_to_genes.txt of HPO; gene by gene, for any build",
}
"""Kind → what to give. `user.NAME` is a table of one's own."""

USER = "a VCF, BED or TSV of your own with a small TOML that says what its columns are: option mapping=FILE.toml"


def known_kind(name: str) -> Kind:
    """The kind of that name. Raises WrongUse that lists all."""
    found = kind_of(name)
    if found is None:
        raise WrongUse(f"{name!r} is no kind of knowledge; there are {', '.join(KINDS)} and user.NAME")
    return found


def kinds_help() -> str:
    """One line a kind: name, what it is, the file it wants, its licence where that limits its use."""
    width = max(map(len, KINDS))
    lines = [
        f"  {name:<{width}}  {kind.title}: {FILES[name]}"
        + ("" if kind.licence.value in ("open", "unknown") else f" ({kind.licence.value})")
        for name, kind in KINDS.items()
    ]
    return "\n\n".join(["Kinds:", *lines, f"  {'user.NAME':<{width}}  {USER}"])
