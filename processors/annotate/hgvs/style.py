"""How a laboratory spells its names. The default is Ensembl VEP's spelling (`--hgvs --hgvsg --no_escape`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    """Choices that the HGVS nomenclature leaves open, and the one of following VEP where it departs from the nomenclature."""

    parentheses: bool = False  # p.(Arg12Cys): predicted, not seen in the protein; the nomenclature asks for it
    star: bool = False  # `*` for a stop in p., else `Ter`
    one_letter: bool = False  # R12C, else Arg12Cys
    genomic_accession: bool = False  # NC_000021.9:g., else the contig's plain name
    intronic_accession: bool = False  # NC_000021.9(NM_000484.4):c. where a position lies in an intron
    vep: bool = True
    """Positions as VEP 115 writes them where it departs from the nomenclature:

    - an intron behind the last coding base is `c.*5` (which the nomenclature reads as the fifth base of the 3' UTR), else `c.300+5`;
    - where the coding sequence begins inside a codon, an exonic substitution counts the missing bases and every other change does not; else
      none does.
    """
