"""What the demo's world knows of its variants: a ClinVar-like VCF and a frequency VCF, in the formats of the real ones."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deploy.local.demo.changes import Effect, find_change
from deploy.local.demo.family import Story
from deploy.local.demo.genome import SyntheticGenome
from deploy.local.demo.sites import Sites
from deploy.local.demo.vcf import header, join_lines, numbers

CHROMOSOMES = 20_000  # genotyped in the frequency source
UNSEEN = 0.03  # share of the population's sites that the frequency source lacks
CLINVAR_LINES = (
    '##INFO=<ID=ALLELEID,Number=1,Type=Integer,Description="Allele identifier">',
    '##INFO=<ID=CLNSIG,Number=.,Type=String,Description="Clinical significance">',
    '##INFO=<ID=CLNREVSTAT,Number=.,Type=String,Description="Review status">',
    '##INFO=<ID=GENEINFO,Number=1,Type=String,Description="Gene symbol and number">',
)
FREQUENCY_LINES = (
    '##INFO=<ID=AC,Number=A,Type=Integer,Description="Chromosomes with the ALT">',
    '##INFO=<ID=AN,Number=1,Type=Integer,Description="Chromosomes genotyped">',
    '##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency of the ALT">',
)
_MEANING = {
    Effect.STOP: ("Pathogenic", "Pathogenic", "Likely_pathogenic"),
    Effect.FRAMESHIFT: ("Pathogenic", "Likely_pathogenic"),
    Effect.MISSENSE: ("Uncertain_significance", "Uncertain_significance", "Likely_pathogenic", "Pathogenic", "Likely_benign",
                      "Conflicting_classifications_of_pathogenicity"),
    Effect.SYNONYMOUS: ("Likely_benign", "Benign", "Uncertain_significance"),
}  # fmt: skip
_STATUS = ("criteria_provided,_single_submitter", "criteria_provided,_multiple_submitters,_no_conflicts", "reviewed_by_expert_panel")


def clinvar_vcf(
    rng: np.random.Generator, genome: SyntheticGenome, sites: Sites, stories: Iterable[Story], per_gene: int = 12
) -> Iterable[bytes]:
    """Every story as pathogenic, random changes of every coding gene by their effect, and common sites as benign."""
    names = list(genome.contigs)
    rows: dict[tuple[int, int, str, str], tuple[str, str]] = {}
    for story in stories:
        contig, start, ref, alt = story.site
        rows[names.index(contig), start, ref, alt] = ("Pathogenic", story.gene)
    for gene in genome.genes:
        for k in range(per_gene if gene.biotype == "protein_coding" else 0):
            effect = list(Effect)[k % 4]
            change = find_change(rng, gene, genome.contigs[gene.contig], effect)
            if change is not None:
                meaning = _MEANING[effect]
                rows.setdefault((names.index(gene.contig), *change), (meaning[int(rng.integers(0, len(meaning)))], gene.symbol))
    common = np.nonzero(sites.frequency[:, 0] > 0.05)[0]
    for k in rng.permutation(common)[:3_000].tolist():
        rows.setdefault((int(sites.contig[k]), int(sites.start[k]), sites.ref[k], sites.alt[k]), ("Benign", ""))
    yield header(genome.build, [(n, len(b)) for n, b in genome.contigs.items()], CLINVAR_LINES, [])
    ordered = sorted(rows)
    status = rng.integers(0, len(_STATUS), len(ordered))
    lines = []
    for number, (place, start, ref, alt) in enumerate(ordered):
        significance, symbol = rows[place, start, ref, alt]
        info = f"ALLELEID={15_000 + number};CLNREVSTAT={_STATUS[status[number]]};CLNSIG={significance}"
        info += f";GENEINFO={symbol}:{number + 1}" if symbol else ""
        lines.append(f"{names[place]}\t{start + 1}\t{100_000 + number}\t{ref}\t{alt}\t.\t.\t{info}\n")
    yield "".join(lines).encode()


def frequency_vcf(rng: np.random.Generator, genome: SyntheticGenome, sites: Sites) -> Iterable[bytes]:
    """Allele counts of the population's sites as a panel of 10,000 people would have them; a share of the sites is missing."""
    yield header(genome.build, [(n, len(b)) for n, b in genome.contigs.items()], FREQUENCY_LINES, [])
    rows = np.nonzero((sites.frequency[:, 0] > 0) & (rng.random(len(sites)) >= UNSEEN))[0]
    counts = rng.binomial(CHROMOSOMES, np.minimum(1.0, sites.frequency[rows]))
    take = pa.array(rows)
    second = pa.array(sites.second, type=pa.string()).take(take)
    double = pc.not_equal(second, "")
    alt = pa.array(sites.alt, type=pa.string()).take(take)
    single = _info(numbers(counts[:, 0]), _decimal(counts[:, 0]))
    both = _info(
        pc.binary_join_element_wise(numbers(counts[:, 0]), numbers(counts[:, 1]), ","),
        pc.binary_join_element_wise(_decimal(counts[:, 0]), _decimal(counts[:, 1]), ","),
    )
    yield join_lines(
        [
            pa.array(list(genome.contigs)).take(pa.array(sites.contig[rows])),
            numbers(sites.start[rows] + 1),
            pa.array(["."] * len(rows)),
            pa.array(sites.ref, type=pa.string()).take(take),
            pc.if_else(double, pc.binary_join_element_wise(alt, second, ","), alt),
            pa.array(["."] * len(rows)),
            pa.array(["PASS"] * len(rows)),
            pc.if_else(double, both, single),
        ]
    )


def _decimal(counts: npt.NDArray[np.int64]) -> pa.Array:
    return pa.array(np.round(counts / CHROMOSOMES, 6)).cast(pa.string())


def _info(counts: pa.Array, frequencies: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise("AC=", counts, f";AN={CHROMOSOMES};AF=", frequencies, "")
