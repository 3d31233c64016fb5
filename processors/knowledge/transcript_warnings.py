"""What a transcript pack counted while it was built, in words."""

from __future__ import annotations

from collections.abc import Mapping

WORDS = {
    # left out
    "contig_not_of_build": "transcripts left out: their contig is none of the build's",
    "contig_of_other_length": "transcripts left out: the file gives their contig another length than the build has",
    "beyond_contig_end": "transcripts left out: they reach beyond their contig",
    "exons_without_transcript": "sets of exons left out: the file names no transcript for them",
    "transcript_without_exons": "transcripts left out: they have no exon",
    "name_at_two_places": "transcripts left out: the same name stands at two places of one contig",
    "contig_or_strand_mixed": "transcripts left out: their exons lie on both strands, or on none",
    "trans_spliced": "transcripts left out: trans-spliced, their exons are not in the order of the contig",
    "exon_without_bases": "transcripts left out: an exon ends before it begins",
    "exons_overlap": "transcripts left out: their exons overlap",
    "cds_outside_exons": "transcripts left out: their CDS lies outside their exons",
    "part_without_parent": "lines left out: an exon or CDS of no transcript",
    "feature_repeated": "lines left out: the same feature once more",
    # kept, with something to know
    "contig_without_sequence": "transcripts without sequence: the FASTA lacks their contig; no effect on a protein is told",
    "exons_taken_from_cds": "transcripts whose exons are taken from their CDS: the file gives none",
    "no_gene": "transcripts without a gene",
    "no_gene_id": "lines without gene_id",
    "not_utf8": "transcripts whose text is not UTF-8",
    "name_not_unique": "transcripts whose name another one has too (pseudo-autosomal copies, alternative loci)",
    "cds_not_multiple_of_three": "CDS whose length is not a multiple of three",
    "cds_begins_inside_codon": "CDS that begin inside a codon",
    "cds_phase_missing": "CDS without a phase, read from their first base",
    "cds_phases_contradict": "CDS whose phases contradict the lengths of their parts",
    "cds_phases_swapped": "of these, CDS whose phases agree if 1 and 2 are exchanged: the file counts them the other way; make it GFF3's",
    "cds_gapped": "CDS whose parts leave out or repeat exonic bases (ribosomal slippage, or a broken model)",
    "cds_start_incomplete": "CDS that begin before their transcript does",
    "cds_end_incomplete": "CDS without a stop codon at their end",
    "cds_start_not_atg": "complete CDS that do not begin with ATG",
    "stop_inside_cds": "CDS with a stop codon inside that the file does not call selenocysteine",
    "stop_made_by_polyadenylation": "CDS whose stop codon is completed by polyadenylation",
    "selenocysteine_not_at_tga": "places called selenocysteine that are no TGA in frame",
    "residue_read_otherwise": "single residues that the file reads otherwise than the genetic code",
    "genetic_code_not_known": "CDS of a translation table other than 1 and 2, read by the standard one",
    "unknown_bases": "coding transcripts with unknown bases (N)",
    "differs_from_genome": "transcripts whose own sequence differs from the genome",
    "mrna_not_as_genome": "transcripts that take their own bases where the genome has others",
    "mrna_of_other_length": "transcripts whose own sequence has another length than their exons: the genome's bases stay",
    "mane_version_differs": "transcripts in MANE by another version: not tagged",
    "mane_version_unknown": "transcripts in MANE whose version the file does not give: not tagged",
    "mane_not_verified": "transcripts in MANE on GRCh38, sequence not verified on this build: not tagged",
}


def in_words(warnings: Mapping[str, int]) -> list[str]:
    """One line a reason, in the order of WORDS; a reason that this version has no words for is shown as it is."""
    rank = {key: number for number, key in enumerate(WORDS)}
    known = sorted(warnings.items(), key=lambda item: (rank.get(item[0], len(rank)), item[0]))
    return [f"{count:,} {WORDS.get(key, key)}" for key, count in known if count]
