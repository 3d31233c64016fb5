"""Sequences that are read otherwise: selenocysteine, the mitochondrial code, transcripts that differ from the genome, padded codons."""

from __future__ import annotations

from pathlib import Path

import pytest

from processors.annotate.hgvs.names import Kind
from processors.annotate.hgvs.parse import Allele, ReferenceContradicts
from processors.knowledge.genome import Genome, build_genome
from tests.processors.annotate.hgvs.lab import Lab
from tests.processors.knowledge.toy import BUILD, gff3, toy, turned

C, P = Kind.TRANSCRIPT, Kind.PROTEIN
NAME = "protein_id=NP_1.1"


def lab_of(folder: Path, sequence: str, models: str, contig: str = "A", mrna: str = "") -> Lab:
    transcripts = toy(folder, sequence, models, contig=contig, mrna=mrna)
    genome = Genome(build_genome(folder / "g.fa", folder / "packs", BUILD, "1"))
    return Lab(genome, transcripts, 0)


def test_a_codon_read_as_selenocysteine_is_no_stop(tmp_path: Path) -> None:
    # ATG GCT TGA AAA TGC TAA
    cds = "transl_except=(pos:9..11,aa:Sec);protein_id=NP_1.1"
    lab = lab_of(tmp_path, "CC" + "ATGGCTTGAAAATGCTAA" + "GG", gff3("NM_1.1", ("exon", 1, 22, "."), ("CDS", 3, 20, "0"), cds=cds))
    assert lab.name(P, 10, "A", "C", "NM_1.1", "missense_variant") == "p.Sec3Cys"
    assert lab.name(P, 9, "G", "A", "NM_1.1", "stop_gained") == "p.Sec3Ter"
    assert lab.name(P, 16, "C", "T", "NM_1.1", "synonymous_variant") == "p.Cys5="
    # ATG CTG AAA ATG CTA AGG: the frame is another one, so UGA ... is not met; the first changed residue is Ala2
    assert lab.name(P, 4, "GG", "G", "NM_1.1", "frameshift_variant") == "p.Ala2LeufsTer?"


def test_the_mitochondrial_code_reads_tga_ata_and_aga_its_own_way(tmp_path: Path) -> None:
    # ATG TGA CTA AAA AGA
    sequence = "CC" + "ATGTGACTAAAAAGA" + "GG"
    models = gff3("M1.1", ("exon", 1, 19, "."), ("CDS", 3, 17, "0"), contig="MT", cds=NAME)
    lab = lab_of(tmp_path / "mt", sequence, models, contig="MT")
    assert lab.name(P, 7, "A", "G", "M1.1", "synonymous_variant") == "p.Trp2="
    assert lab.name(P, 8, "C", "A", "M1.1", "missense_variant") == "p.Leu3Met"
    assert lab.name(P, 15, "G", "A", "M1.1", "stop_lost") == "p.Ter5LysextTer?"


def test_a_transcript_that_differs_from_the_genome_quotes_its_own_base(tmp_path: Path) -> None:
    # the genome has GCT (Ala) where the transcript has GTT (Val), on both strands
    genome, own = "CCATGGCTGTAAGTGAATAAGG", "CCATGGTTGAATAAGG"
    model = (("exon", 1, 8, "."), ("exon", 15, 22, "."), ("CDS", 3, 8, "0"), ("CDS", 15, 20, "0"))
    plus = lab_of(tmp_path / "plus", genome, gff3("NM_1.1", *model, cds=NAME), mrna=f">NM_1.1\n{own}\n")
    twin = [(kind, 23 - b, 23 - a, phase) for kind, a, b, phase in model]
    minus = lab_of(tmp_path / "minus", turned(genome), gff3("NM_1.1", *twin, strand="-", cds=NAME), mrna=f">NM_1.1\n{own}\n")
    for lab, at, ref, alts in ((plus, 6, "C", "AT"), (minus, 15, "G", "TA")):
        assert lab.name(C, at, ref, alts[0], "NM_1.1") == "c.5T>A"
        assert lab.name(P, at, ref, alts[0], "NM_1.1", "missense_variant") == "p.Val2Asp"
        assert lab.name(C, at, ref, alts[1], "NM_1.1") == "c.5="
        assert lab.name(P, at, ref, alts[1], "NM_1.1", "synonymous_variant") == "p.Val2="
        assert lab.parser.parse("NM_1.1:c.5T>A") == Allele(0, at, ref, alts[0])
        with pytest.raises(ReferenceContradicts, match="has T"):
            lab.parser.parse("NM_1.1:c.5C>A")
