"""The vocabulary of consequences: one bit a Sequence Ontology term, in Ensembl VEP's order of severity.

Bit 0 is the worst, so the lowest set bit of a `terms` value is its most severe term. Bits 34 to 39 are reserved. Order and impact:
Ensembl VEP 115, "Calculated variant consequences"; names: Sequence Ontology.
"""

from __future__ import annotations

import enum

import numpy as np
import numpy.typing as npt


class Impact(enum.IntEnum):
    """VEP's impact, worst first."""

    HIGH = 1
    MODERATE = 2
    LOW = 3
    MODIFIER = 4


TERMS: dict[str, tuple[int, Impact]] = {
    "transcript_ablation": (0, Impact.HIGH),
    "splice_acceptor_variant": (1, Impact.HIGH),
    "splice_donor_variant": (2, Impact.HIGH),
    "stop_gained": (3, Impact.HIGH),
    "frameshift_variant": (4, Impact.HIGH),
    "stop_lost": (5, Impact.HIGH),
    "start_lost": (6, Impact.HIGH),
    "transcript_amplification": (7, Impact.HIGH),
    "feature_elongation": (8, Impact.HIGH),
    "feature_truncation": (9, Impact.HIGH),
    "inframe_insertion": (10, Impact.MODERATE),
    "inframe_deletion": (11, Impact.MODERATE),
    "missense_variant": (12, Impact.MODERATE),
    "protein_altering_variant": (13, Impact.MODERATE),
    "splice_donor_5th_base_variant": (14, Impact.LOW),
    "splice_region_variant": (15, Impact.LOW),
    "splice_donor_region_variant": (16, Impact.LOW),
    "splice_polypyrimidine_tract_variant": (17, Impact.LOW),
    "incomplete_terminal_codon_variant": (18, Impact.LOW),
    "start_retained_variant": (19, Impact.LOW),
    "stop_retained_variant": (20, Impact.LOW),
    "synonymous_variant": (21, Impact.LOW),
    "coding_sequence_variant": (22, Impact.MODIFIER),
    "mature_miRNA_variant": (23, Impact.MODIFIER),
    "5_prime_UTR_variant": (24, Impact.MODIFIER),
    "3_prime_UTR_variant": (25, Impact.MODIFIER),
    "non_coding_transcript_exon_variant": (26, Impact.MODIFIER),
    "intron_variant": (27, Impact.MODIFIER),
    "NMD_transcript_variant": (28, Impact.MODIFIER),
    "non_coding_transcript_variant": (29, Impact.MODIFIER),
    "coding_transcript_variant": (30, Impact.MODIFIER),
    "upstream_gene_variant": (31, Impact.MODIFIER),
    "downstream_gene_variant": (32, Impact.MODIFIER),
    "intergenic_variant": (33, Impact.MODIFIER),
}
"""Term → (bit, impact)."""

NAMES: tuple[str, ...] = tuple(sorted(TERMS, key=lambda name: TERMS[name][0]))
"""Term by bit."""


def mask(*names: str) -> int:
    """Bit set of some terms. Raises KeyError for one that is not in the vocabulary."""
    value = 0
    for name in names:
        value |= 1 << TERMS[name][0]
    return value


ABLATION = mask("transcript_ablation")
SPLICE_ACCEPTOR = mask("splice_acceptor_variant")
SPLICE_DONOR = mask("splice_donor_variant")
SPLICE_DONOR_5TH_BASE = mask("splice_donor_5th_base_variant")
SPLICE_REGION = mask("splice_region_variant")
SPLICE_DONOR_REGION = mask("splice_donor_region_variant")
SPLICE_POLYPYRIMIDINE = mask("splice_polypyrimidine_tract_variant")
STOP_GAINED = mask("stop_gained")
FRAMESHIFT = mask("frameshift_variant")
STOP_LOST = mask("stop_lost")
START_LOST = mask("start_lost")
INFRAME_INSERTION = mask("inframe_insertion")
INFRAME_DELETION = mask("inframe_deletion")
MISSENSE = mask("missense_variant")
PROTEIN_ALTERING = mask("protein_altering_variant")
INCOMPLETE_TERMINAL_CODON = mask("incomplete_terminal_codon_variant")
START_RETAINED = mask("start_retained_variant")
STOP_RETAINED = mask("stop_retained_variant")
SYNONYMOUS = mask("synonymous_variant")
CODING_SEQUENCE = mask("coding_sequence_variant")
MATURE_MIRNA = mask("mature_miRNA_variant")
UTR5 = mask("5_prime_UTR_variant")
UTR3 = mask("3_prime_UTR_variant")
NON_CODING_EXON = mask("non_coding_transcript_exon_variant")
INTRON = mask("intron_variant")
NMD = mask("NMD_transcript_variant")
NON_CODING_TRANSCRIPT = mask("non_coding_transcript_variant")
CODING_TRANSCRIPT = mask("coding_transcript_variant")
UPSTREAM = mask("upstream_gene_variant")
DOWNSTREAM = mask("downstream_gene_variant")
INTERGENIC = mask("intergenic_variant")

PROTEIN_EFFECTS = mask(
    "stop_gained", "frameshift_variant", "stop_lost", "start_lost", "inframe_insertion", "inframe_deletion", "missense_variant",
    "protein_altering_variant", "incomplete_terminal_codon_variant", "start_retained_variant", "stop_retained_variant",
    "synonymous_variant",
)  # fmt: skip
"""Terms that say what becomes of the protein."""


def names_of(terms: int) -> list[str]:
    """Terms of a bit set, most severe first."""
    return [name for bit, name in enumerate(NAMES) if terms >> bit & 1]


def impacts(terms: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    """`Impact` of each bit set: that of its worst term; MODIFIER for an empty one."""
    result = np.full(len(terms), Impact.MODIFIER, dtype=np.uint8)
    for level in (Impact.LOW, Impact.MODERATE, Impact.HIGH):
        bits = np.uint64(mask(*(name for name, (_, impact) in TERMS.items() if impact is level)))
        result[(terms & bits) != 0] = level
    return result
