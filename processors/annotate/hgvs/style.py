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
    """As VEP 115 writes it also where it departs from the nomenclature. Otherwise, that is:

    - an intron behind the last coding base is `c.300+5`, where VEP has `c.*5` (which names the fifth base of the 3' UTR);
    - where the coding sequence begins inside a codon, every c. counts the bases that are there; VEP counts the missing ones for a
      substitution in an exon, and only for that;
    - distances to a stop in the 3' UTR (`fsTer`, `extTer`) are right on the minus strand also; VEP reads another sequence there when its
      sequence comes from a FASTA file;
    - a frameshift that first changes the stop is an extension (`p.Ter110GlnextTer17`), in VEP `p.Ter110GlnfsTer18`;
    - an indel in the stop that leaves no stop in its place is named for what it does, whatever VEP's `stop_retained_variant` says;
    - a protein's version that the models do not give is not written; VEP takes it for 1;
    - an intronic indel that the 3' rule moves into the coding sequence, and an insertion just before the stop, have a p. name.
    """


NOMENCLATURE = Style(parentheses=True, vep=False)
"""The nomenclature's own spelling: of findings, compounds and queries, which people sign. A protein nobody looked at is `p.(Arg12Cys)`.

Not a setting: names of one installation stay comparable, and a laboratory's own spelling is what `riverseq annotate` writes.
"""
