"""Why a record or an ALT is kept as a fault instead of a variant: a closed set, counted by reason, never coerced.

A fault is one (record number, ALT index) that a sample carries. A malformed record cannot say who carries what: it counts once for
every sample of the submission, with ALT index 0.
"""

from __future__ import annotations

import enum

MAX_ALLELE_BASES = 10_000
"""Longest REF or ALT, in bases, that becomes a variant. Beyond it an allele is a structural variant with its own rules of evidence
(Riggs 2020 instead of ACMG's table), and a single row would take a noticeable part of a 4 MiB message."""

MAX_PLOIDY = 8
"""Alleles of one GT at most: a call's haplotypes are the bits of one byte."""


class Fault(enum.IntEnum):
    """Codes as the kernels write them; `reason` is what tables and people see."""

    NONE = 0
    # of an ALT
    STAR_ALLELE = 1
    SYMBOLIC = 2
    BREAKEND = 3
    OVERLONG = 4
    UNKNOWN_BASE = 5  # N in REF or ALT
    INVALID_BASE = 6  # a letter that is not A, C, G, T or N
    ALT_IS_REF = 7
    # of a place
    UNKNOWN_CONTIG = 10
    MITOCHONDRION_NOT_RCRS = 11
    OUTSIDE_CONTIG = 12
    BAD_REF = 13  # contradicts known bases of the reference
    # of a genotype
    PLOIDY_TOO_HIGH = 20
    # of a record: ALT index 0, for every sample
    MISSING_COLUMNS = 30
    SAMPLE_COLUMNS = 31  # more or fewer than the header names
    BAD_POSITION = 32
    EMPTY_ALLELE = 33
    BAD_QUALITY = 34
    NO_GENOTYPE = 35  # FORMAT has no GT
    BAD_GENOTYPE = 36
    GENOTYPE_INDEX = 37  # GT names an ALT that the record does not have
    BAD_NUMBER = 38  # DP, AD, GQ or PS is no number
    TOO_MANY_ALTS = 39

    @property
    def reason(self) -> str:
        return self.name.lower()

    @property
    def malformed(self) -> bool:
        """True where the record as a whole cannot be read."""
        return self >= Fault.MISSING_COLUMNS


DETAIL = {
    Fault.STAR_ALLELE: "ALT `*`: the allele is missing because of an upstream deletion, which has its own record",
    Fault.SYMBOLIC: "symbolic ALT without a sequence",
    Fault.BREAKEND: "breakend ALT",
    Fault.OVERLONG: f"REF or ALT longer than {MAX_ALLELE_BASES:,} bases",
    Fault.UNKNOWN_BASE: "N in REF or ALT",
    Fault.INVALID_BASE: "REF or ALT holds a letter other than A, C, G, T, N",
    Fault.ALT_IS_REF: "ALT equals REF",
    Fault.UNKNOWN_CONTIG: "the build has no contig of this name",
    Fault.MITOCHONDRION_NOT_RCRS: "the header's mitochondrion is not the rCRS of 16,569 bases; its positions are not those of MT",
    Fault.OUTSIDE_CONTIG: "REF does not lie on the contig",
    Fault.BAD_REF: "REF contradicts the reference",
    Fault.PLOIDY_TOO_HIGH: f"GT of more than {MAX_PLOIDY} alleles",
    Fault.MISSING_COLUMNS: "fewer than the nine fixed columns",
    Fault.SAMPLE_COLUMNS: "another number of sample columns than the header names",
    Fault.BAD_POSITION: "POS is no number from 1 to 2^31 - 1",
    Fault.EMPTY_ALLELE: "REF or an ALT is empty or REF is `.`",
    Fault.BAD_QUALITY: "QUAL is no number",
    Fault.NO_GENOTYPE: "FORMAT has no GT",
    Fault.BAD_GENOTYPE: "a GT cannot be read",
    Fault.GENOTYPE_INDEX: "a GT names an ALT that the record does not have",
    Fault.BAD_NUMBER: "DP, AD, GQ or PS is no number",
    Fault.TOO_MANY_ALTS: "more ALTs than can be numbered here",
}
"""What a person reads beside the reason."""
