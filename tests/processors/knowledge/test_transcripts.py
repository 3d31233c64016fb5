"""Transcript packs from each flavour of gene model file."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from processors.knowledge.gff import GeneModelError
from processors.knowledge.transcript_build import build_transcripts
from processors.knowledge.transcripts import Tag, Transcripts
from schemas.assembly import contig_table

GRCH38 = contig_table("GRCh38")
GFF3 = """##gff-version 3
chr21\t.\tgene\t1001\t2000\t.\t-\t.\tID=gene:G1;Name=ABC%20D;gene_id=G1;biotype=protein_coding
chr21\t.\tmRNA\t1001\t2000\t.\t-\t.\tID=transcript:T1;Parent=gene:G1;biotype=protein_coding;transcript_id=T1;version=3;tag=basic,MANE_Select
chr21\t.\texon\t1001\t1100\t.\t-\t.\tParent=transcript:T1
chr21\t.\texon\t1901\t2000\t.\t-\t.\tParent=transcript:T1
chr21\t.\tCDS\t1051\t1100\t.\t-\t2\tParent=transcript:T1
chr21\t.\tCDS\t1901\t1950\t.\t-\t0\tParent=transcript:T1
"""
GTF = """21\t.\tgene\t1001\t2000\t.\t-\t.\tgene_id "G1"; gene_name "ABC D"; gene_biotype "protein_coding";
21\t.\ttranscript\t1001\t2000\t.\t-\t.\tgene_id "G1"; transcript_id "T1"; transcript_version "3"; tag "basic"; tag "MANE_Select";
21\t.\texon\t1001\t1100\t.\t-\t.\tgene_id "G1"; transcript_id "T1";
21\t.\texon\t1901\t2000\t.\t-\t.\tgene_id "G1"; transcript_id "T1";
21\t.\tCDS\t1054\t1100\t.\t-\t2\tgene_id "G1"; transcript_id "T1";
21\t.\tCDS\t1901\t1950\t.\t-\t0\tgene_id "G1"; transcript_id "T1";
21\t.\tstop_codon\t1051\t1053\t.\t-\t0\tgene_id "G1"; transcript_id "T1";
"""


def built(tmp_path: Path, text: str, name: str = "m.gff3") -> Transcripts:
    source = tmp_path / name
    source.write_text(text)
    return Transcripts(build_transcripts(source, tmp_path / "packs", GRCH38, name="m", version="1"))


@pytest.mark.parametrize(("text", "name"), [(GFF3, "m.gff3"), (GTF, "m.gtf")])
def test_gff3_and_gtf_say_the_same(tmp_path: Path, text: str, name: str) -> None:
    found = built(tmp_path, text, name)
    layout = found.layout
    assert (found.name[0], found.gene_id[0], found.gene_symbol[0]) == ("T1.3", "G1", "ABC D")
    assert (layout.start[0], layout.end[0], layout.strand[0]) == (1_000, 2_000, -1)
    assert (layout.cds_start[0], layout.cds_end[0], layout.phase[0]) == (1_050, 1_950, 0)
    assert found.tags[0] == Tag.MANE_SELECT | Tag.BASIC
    assert GRCH38.contigs[layout.contig[0]].name == "21"


def test_a_pack_holds_the_order_of_its_transcripts_names(tmp_path: Path) -> None:
    more = "".join(GFF3.splitlines(keepends=True)[2:]).replace("T1", "T02")  # sorted before T1 as text
    found = built(tmp_path, GFF3 + more)
    assert [found.name[row] for row in np.argsort(found.name_rank)] == ["T02.3", "T1.3"]


def test_lines_may_come_in_any_order(tmp_path: Path) -> None:
    lines = GFF3.splitlines()
    turned = "\n".join([lines[0], *reversed(lines[1:])]) + "\n"
    assert built(tmp_path, turned, "a.gff3").layout.exon_starts.tolist() == built(tmp_path, GFF3, "b.gff3").layout.exon_starts.tolist()


def test_what_cannot_be_a_transcript_is_counted(tmp_path: Path) -> None:
    bad = (
        GFF3
        + "chrUn_x\t.\tmRNA\t1\t9\t.\t+\t.\tID=transcript:T2;Parent=gene:G1;transcript_id=T2\n"
        + "chrUn_x\t.\texon\t1\t9\t.\t+\t.\tParent=transcript:T2\n"
        + "21\t.\tmRNA\t46709900\t46709999\t.\t+\t.\tID=transcript:T3;transcript_id=T3\n"
        + "21\t.\texon\t46709900\t46709999\t.\t+\t.\tParent=transcript:T3\n"
        + "21\t.\texon\t5\t9\t.\t+\t.\tParent=transcript:T9\n"
        + "21\t.\tmRNA\t1\t90\t.\t+\t.\tID=transcript:T4;Parent=gene:G1;transcript_id=T4\n"
        + "21\t.\texon\t1\t50\t.\t+\t.\tParent=transcript:T4\n21\t.\texon\t40\t90\t.\t+\t.\tParent=transcript:T4\n"
    )
    found = built(tmp_path, bad)
    warnings = found.pack.extra["warnings"]
    assert len(found) == 1
    for reason in ("contig_not_of_build", "beyond_contig_end", "exons_without_transcript", "exons_overlap", "cds_not_multiple_of_three"):
        assert warnings[reason] == 1, reason
    assert found.pack.extra["contigs_unknown"] == {"chrUn_x": 1}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "##gff-version 3\nchrZ\t.\texon\t1\t9\t.\t+\t.\tParent=transcript:T\nchrZ\t.\tmRNA\t1\t9\t.\t+\t.\tID=transcript:T\n",
            "right build",
        ),
        ("##gff-version 3\n", "no exon or CDS"),
        ("1\t2\t3\n", "3 columns instead of 9"),
        ("21\t.\texon\tx\t9\t.\t+\t.\tParent=transcript:T\n", "no number"),
    ],
)
def test_a_file_that_is_no_gene_model_file_is_refused_with_the_reason(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(GeneModelError, match=words):
        built(tmp_path, text)


def test_coding_spans_are_merged_over_transcripts(tmp_path: Path) -> None:
    assert built(tmp_path, GFF3).coding_spans(20).tolist() == [[1_000, 2_000]]
    assert built(tmp_path, GFF3).coding_spans(3).shape == (0, 2)


@pytest.mark.real_data
def test_real_files_of_each_flavour_load_quickly(real_data: Path, tmp_path: Path) -> None:
    for source, table, least in (
        ("chr21_GRCh38/chr21.GRCh38.ensembl.gff3.gz", GRCH38, 2_300),
        ("chr21_GRCh38/chr21_25-26Mb.GRCh38.refseq.gff.gz", GRCH38, 40),
        ("panel/cellbase_genes.GRCh37.gtf.gz", contig_table("GRCh37"), 400),
    ):
        pack = build_transcripts(real_data / source, tmp_path, table, name=source.split("/")[1], version="1")
        before = time.perf_counter()
        found = Transcripts(pack)
        assert np.all(np.diff(found.layout.exon_offsets) > 0)
        assert time.perf_counter() - before < 1
        assert len(found) >= least, source
        assert found.gene_symbol[0]
