"""Gene model files of every flavour, and what breaks real ones."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from processors.knowledge.gff import GeneModelError, GeneModels, Model, read_gene_models
from processors.knowledge.transcript_build import pack_models
from processors.knowledge.transcripts import Status, Tag, Transcripts
from schemas.assembly import contig_table

GENCODE = """##gff-version 3
chr1\tHAVANA\tgene\t1\t90\t.\t+\t.\tID=ENSG00000186092.7;gene_id=ENSG00000186092.7;gene_type=protein_coding;gene_name=OR4F5
chr1\tHAVANA\ttranscript\t1\t90\t.\t+\t.\tID=ENST00000641515.2;Parent=ENSG00000186092.7;gene_id=ENSG00000186092.7;\
transcript_id=ENST00000641515.2;transcript_type=protein_coding;transcript_support_level=1 (assigned to previous version 1);\
tag=RNA_Seq_supported_partial,basic,Ensembl_canonical,MANE_Select,appris_principal_1,CCDS;ccdsid=CCDS30547.2;level=2
chr1\tHAVANA\texon\t1\t90\t.\t+\t.\tID=exon:ENST00000641515.2:1;Parent=ENST00000641515.2
chr1\tHAVANA\tCDS\t10\t39\t.\t+\t0\tID=CDS:ENST00000641515.2;Parent=ENST00000641515.2;protein_id=ENSP00000493376.2
"""
ENSEMBL_GTF = (
    '1\thavana\tgene\t1\t90\t.\t+\t.\tgene_id "ENSG00000186092"; gene_version "7"; gene_name "OR4F5"; gene_biotype "protein_coding";\n'
    '1\thavana\ttranscript\t1\t90\t.\t+\t.\tgene_id "ENSG00000186092"; transcript_id "ENST00000641515"; transcript_version "2"; '
    'transcript_biotype "protein_coding"; tag "basic"; tag "Ensembl_canonical"; tag "MANE_Select"; tag "appris_principal_1"; '
    'ccds_id "CCDS30547"; transcript_support_level "1";\n'
    '1\thavana\texon\t1\t90\t.\t+\t.\tgene_id "ENSG00000186092"; transcript_id "ENST00000641515";\n'
    '1\thavana\tCDS\t10\t36\t.\t+\t0\tgene_id "ENSG00000186092"; transcript_id "ENST00000641515"; '
    'protein_id "ENSP00000493376"; protein_version "2";\n'
    '1\thavana\tstop_codon\t37\t39\t.\t+\t0\tgene_id "ENSG00000186092"; transcript_id "ENST00000641515";\n'
)
ENSEMBL_GFF3 = """1\thavana\tgene\t1\t90\t.\t+\t.\tID=gene:ENSG00000186092;Name=OR4F5;\
biotype=protein_coding;gene_id=ENSG00000186092;version=7
1\thavana\tmRNA\t1\t90\t.\t+\t.\tID=transcript:ENST00000641515;Parent=gene:ENSG00000186092;Name=OR4F5-201;biotype=protein_coding;\
ccdsid=CCDS30547.2;tag=basic,Ensembl_canonical,MANE_Select,appris_principal_1;\
transcript_id=ENST00000641515;transcript_support_level=1;version=2
1\thavana\texon\t1\t90\t.\t+\t.\tParent=transcript:ENST00000641515;Name=ENSE00003812156;version=1
1\thavana\tCDS\t10\t39\t.\t+\t0\tID=CDS:ENSP00000493376;Parent=transcript:ENST00000641515;protein_id=ENSP00000493376;version=2
"""
REFSEQ = """##gff-version 3
#!genome-build GRCh38.p14
##sequence-region NC_000001.11 1 248956422
NC_000001.11\tBestRefSeq\tgene\t1\t90\t.\t+\t.\tID=gene-OR4F5;Dbxref=GeneID:79501,HGNC:HGNC:14825;\
Name=OR4F5;gbkey=Gene;gene=OR4F5;gene_biotype=protein_coding
NC_000001.11\tBestRefSeq\tmRNA\t1\t90\t.\t+\t.\tID=rna-NM_001005484.2;Parent=gene-OR4F5;\
Dbxref=Ensembl:ENST00000641515.2,GeneID:79501,Genbank:NM_001005484.2;\
Name=NM_001005484.2;gbkey=mRNA;gene=OR4F5;tag=MANE Select;transcript_id=NM_001005484.2
NC_000001.11\tBestRefSeq\texon\t1\t90\t.\t+\t.\tID=exon-NM_001005484.2-1;Parent=rna-NM_001005484.2;transcript_id=NM_001005484.2
NC_000001.11\tBestRefSeq\tCDS\t10\t39\t.\t+\t0\tID=cds-NP_001005484.2;Parent=rna-NM_001005484.2;Dbxref=CCDS:CCDS30547.2;protein_id=NP_001005484.2
"""


def read(folder: Path, text: str | bytes, name: str = "m.gff3") -> GeneModels:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_gene_models(path)


def only(found: GeneModels) -> Model:
    assert len(found.models) == 1, found.warnings
    return found.models[0]


@pytest.mark.parametrize(("text", "name"), [(GENCODE, "a.gff3"), (ENSEMBL_GTF, "a.gtf"), (ENSEMBL_GFF3, "b.gff3")])
def test_ensembl_and_gencode_give_the_same_names_versions_and_tags(tmp_path: Path, text: str, name: str) -> None:
    found = read(tmp_path, text, name)
    model = only(found)
    assert (model.name, model.protein, model.support, model.ccds) == ("ENST00000641515.2", "ENSP00000493376.2", 1, True)
    assert (model.gene.id, model.gene.symbol, model.biotype) == ("ENSG00000186092", "OR4F5", "protein_coding")
    assert (model.exons, model.cds, model.phase) == ([(0, 90)], [(9, 39)], 0)
    pack = pack_models(found, tmp_path, contig_table("GRCh38"), name="m", version="1", source="s", sha256="")
    packed = Transcripts(pack)
    assert Tag(int(packed.tags[0])) == Tag.MANE_SELECT | Tag.CANONICAL | Tag.BASIC | Tag.CCDS
    assert packed.appris[0] == 1
    assert packed.protein[0] == "ENSP00000493376.2"


def test_refseq_names_its_transcript_protein_gene_and_mane_partner(tmp_path: Path) -> None:
    found = read(tmp_path, REFSEQ)
    model = only(found)
    assert (model.name, model.protein, model.partner) == ("NM_001005484.2", "NP_001005484.2", "ENST00000641515.2")
    assert (model.gene.id, model.gene.symbol, model.biotype, model.ccds) == ("79501", "OR4F5", "protein_coding", True)
    assert "MANE_Select" in model.tags
    assert (found.assembly, found.lengths) == ("GRCh38.p14", {"NC_000001.11": 248_956_422})


def test_a_protein_without_version_gets_none_made_up(tmp_path: Path) -> None:
    assert only(read(tmp_path, ENSEMBL_GFF3.replace("protein_id=ENSP00000493376;version=2", "protein_id=ENSP00000493376"))).protein == (
        "ENSP00000493376"
    )
    assert only(read(tmp_path, ENSEMBL_GFF3.replace(";protein_id=ENSP00000493376;version=2", ""))).protein == ""


def test_mature_mirna_belongs_to_its_precursor(tmp_path: Path) -> None:
    rows = [
        "gene\t1\t90\tID=gene-MIR155;Dbxref=GeneID:406947;gene_biotype=miRNA;gene=MIR155",
        "primary_transcript\t1\t90\tID=rna-NR_030784.1;Parent=gene-MIR155;transcript_id=NR_030784.1;gbkey=precursor_RNA",
        "exon\t1\t90\tParent=rna-NR_030784.1",
        "miRNA\t4\t26\tID=rna-MIR155;Parent=rna-NR_030784.1;product=hsa-miR-155-5p",
        "exon\t4\t26\tParent=rna-MIR155",
        "miRNA\t43\t64\tID=rna-MIR155-2;Parent=rna-NR_030784.1;product=hsa-miR-155-3p",
        "exon\t43\t64\tParent=rna-MIR155-2",
    ]
    text = "".join("NC_000021.9\tR\t{}\t{}\t{}\t.\t+\t.\t{}\n".format(*row.split("\t")) for row in rows)
    model = only(read(tmp_path, text))
    assert (model.name, model.biotype, model.mature) == ("NR_030784.1", "miRNA", [(3, 26), (42, 64)])
    pack = pack_models(read(tmp_path, text), tmp_path, contig_table("GRCh38"), name="m", version="1", source="s", sha256="")
    layout = Transcripts(pack).layout
    assert (layout.mature_offsets.tolist(), layout.mature_starts.tolist(), layout.mature_ends.tolist()) == ([0, 2], [3, 42], [26, 64])


def test_ncbis_gtf_has_precursors_and_mature_mirna_as_biotypes(tmp_path: Path) -> None:
    rows = [
        ("gene", 1, 90, 'transcript_id ""; gene_biotype "miRNA"; gene "MIR155";'),
        ("transcript", 1, 90, 'transcript_id "NR_030784.1"; gbkey "precursor_RNA"; transcript_biotype "primary_transcript";'),
        ("exon", 1, 90, 'transcript_id "NR_030784.1"; transcript_biotype "primary_transcript";'),
        ("transcript", 4, 26, 'transcript_id "unassigned_transcript_9"; gbkey "ncRNA"; transcript_biotype "miRNA";'),
        ("exon", 4, 26, 'transcript_id "unassigned_transcript_9"; transcript_biotype "miRNA";'),
    ]
    text = "".join(f'NC_000021.9\tR\t{kind}\t{a}\t{b}\t.\t+\t.\tgene_id "MIR155"; {more}\n' for kind, a, b, more in rows)
    model = only(read(tmp_path, text, "m.gtf"))
    assert (model.name, model.biotype, model.mature) == ("NR_030784.1", "miRNA", [(3, 26)])


def test_ncbis_gtf_names_a_mitochondrial_transcript_by_its_gene(tmp_path: Path) -> None:
    said = 'gene_id "ND1"; transcript_id "unassigned_transcript_1"; gene "ND1"; protein_id "YP_003024026.1"; transl_table "2"; '
    text = f'NC_012920.1\tR\tCDS\t3307\t4262\t.\t+\t0\t{said}transl_except "(pos:4261..4262,aa:TERM)";\n'
    model = only(read(tmp_path, text, "m.gtf"))
    assert (model.name, model.protein, model.code) == ("ND1", "YP_003024026.1", 2)


def test_mirbase_has_precursors_without_exons(tmp_path: Path) -> None:
    text = (
        "chr1\t.\tmiRNA_primary_transcript\t17369\t17436\t.\t-\t.\tID=MI0022705;Alias=MI0022705;Name=hsa-mir-6859-1\n"
        "chr1\t.\tmiRNA\t17409\t17431\t.\t-\t.\tID=MIMAT0027618;Name=hsa-miR-6859-5p;Derives_from=MI0022705\n"
    )
    model = only(read(tmp_path, text))
    assert (model.name, model.biotype) == ("hsa-mir-6859-1", "miRNA")
    assert (model.exons, model.mature) == ([(17_368, 17_436)], [(17_408, 17_431)])


def test_ensembls_mirna_is_a_transcript_of_its_gene(tmp_path: Path) -> None:
    text = (
        "21\t.\tmiRNA_gene\t1\t90\t.\t+\t.\tID=gene:G;gene_id=G;biotype=miRNA\n"
        "21\t.\tmiRNA\t1\t90\t.\t+\t.\tID=transcript:T;Parent=gene:G;biotype=miRNA;transcript_id=T;version=1\n"
        "21\t.\texon\t1\t90\t.\t+\t.\tParent=transcript:T\n"
    )
    assert only(read(tmp_path, text)).biotype == "miRNA"


def test_a_gtf_stop_codon_cut_by_an_intron_joins_the_cds(tmp_path: Path) -> None:
    line = '1\t.\t{}\t{}\t{}\t.\t{}\t{}\tgene_id "G"; transcript_id "T";\n'
    for strand in "+-":
        rows = [("exon", 1, 30, "."), ("exon", 41, 60, "."), ("CDS", 4, 29, "0"), ("stop_codon", 30, 30, "0"), ("stop_codon", 41, 42, "2")]
        if strand == "-":
            rows = [(kind, 61 - end, 61 - start, phase) for kind, start, end, phase in rows]
        found = read(tmp_path, "".join(line.format(k, a, b, strand, p) for k, a, b, p in rows), "m.gtf")
        assert only(found).cds == ([(3, 30), (40, 42)] if strand == "+" else [(18, 20), (30, 57)])
        assert not found.warnings["cds_outside_exons"]


def test_a_gtf_whose_cds_holds_the_stop_codon_already_is_not_longer_for_it(tmp_path: Path) -> None:
    text = ENSEMBL_GTF.replace("CDS\t10\t36", "CDS\t10\t39")
    assert only(read(tmp_path, text, "m.gtf")).cds == [(9, 39)]


def test_a_gtf_without_gene_and_transcript_lines_is_read(tmp_path: Path) -> None:
    text = "".join(line + "\n" for line in ENSEMBL_GTF.splitlines()[2:])
    model = only(read(tmp_path, text, "m.gtf"))
    assert (model.name, model.gene.id) == ("ENST00000641515", "ENSG00000186092")


def test_semicolons_in_quotes_and_percent_codes_are_text(tmp_path: Path) -> None:
    gtf = ENSEMBL_GTF.replace('gene_name "OR4F5"', 'note "a; gene_name b; \'c\'"; gene_name "OR4;F5"')
    assert only(read(tmp_path, gtf, "m.gtf")).gene.symbol == "OR4;F5"
    gff = ENSEMBL_GFF3.replace("Name=OR4F5;", "Name=OR4%3BF5 %25;").replace("transcript:ENST00000641515", "transcript:T%2C")
    assert only(read(tmp_path, gff)).gene.symbol == "OR4;F5 %"


@pytest.mark.parametrize(
    "made",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: (text + "##FASTA\n>1\nACGT\tACGT\n").encode(),
        lambda text: ("track name=x\n\n" + text + "\n###\n").encode(),
        lambda text: gzip.compress(text[:40].encode()) + gzip.compress(text[40:].encode()),
        lambda text: ("\n".join(reversed(text.splitlines())) + "\n").encode(),
        lambda text: text.rstrip("\n").encode(),
    ],
    ids=["bom", "crlf", "fasta", "track", "gzip-members", "reversed", "no-last-newline"],
)
@pytest.mark.parametrize(("text", "name"), [(ENSEMBL_GFF3, "m.gff3"), (ENSEMBL_GTF, "m.gtf")])
def test_what_editors_and_tools_do_to_files_changes_nothing(tmp_path: Path, text: str, name: str, made) -> None:  # type: ignore[no-untyped-def]
    assert only(read(tmp_path, made(text), "x" + name)) == only(read(tmp_path, text, name))


def test_bytes_that_are_no_utf8_are_counted_not_fatal(tmp_path: Path) -> None:
    found = read(tmp_path, ENSEMBL_GFF3.replace("OR4F5-201", "OR4F5\u00e9").encode("latin-1"))
    assert only(found).name == "ENST00000641515.2"
    assert found.warnings["not_utf8"] == 1


def test_one_name_on_x_and_y_is_two_transcripts(tmp_path: Path) -> None:
    for text, name in ((ENSEMBL_GFF3, "m.gff3"), (ENSEMBL_GTF, "m.gtf")):
        found = read(tmp_path, text.replace("1\thavana", "X\thavana") + text.replace("1\thavana", "Y\thavana"), name)
        assert [(model.contig, model.name) for model in found.models] == [("X", "ENST00000641515.2"), ("Y", "ENST00000641515.2")]
        pack = pack_models(found, tmp_path, contig_table("GRCh38"), name="m", version="1", source="s", sha256="")
        assert pack.extra["warnings"]["name_not_unique"] == 1


def test_refseqs_second_copy_in_gtf_loses_its_counter(tmp_path: Path) -> None:
    text = ENSEMBL_GTF.replace('"ENST00000641515"', '"NM_001184.4_1"').replace('transcript_version "2"; ', "")
    assert only(read(tmp_path, text, "m.gtf")).name == "NM_001184.4"


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ("1\t.\tmRNA\t200\t290\t.\t+\t.\tID=transcript:ENST00000641515\n", "name_at_two_places"),
        ("1\t.\texon\t100\t190\t.\t-\t.\tParent=transcript:ENST00000641515\n", "contig_or_strand_mixed"),
        ("1\t.\texon\t80\t95\t.\t+\t.\tParent=transcript:ENST00000641515\n", "exons_overlap"),
        ("1\t.\texon\t95\t93\t.\t+\t.\tParent=transcript:ENST00000641515\n", "exon_without_bases"),
        ("1\t.\tCDS\t88\t93\t.\t+\t0\tParent=transcript:ENST00000641515\n", "cds_outside_exons"),
        ("1\t.\texon\t100\t190\t.\t+\t.\tParent=transcript:ENST00000641515\n1\t.\tCDS\t95\t97\t.\t+\t0\tParent=transcript:ENST00000641515\n",
         "cds_outside_exons"),
    ],
)  # fmt: skip
def test_a_broken_transcript_is_left_out_and_counted(tmp_path: Path, extra: str, reason: str) -> None:
    found = read(tmp_path, ENSEMBL_GFF3 + extra)
    assert found.models == []
    assert found.warnings[reason] == 1


def test_trans_spliced_transcripts_are_left_out_and_counted(tmp_path: Path) -> None:
    found = read(tmp_path, ENSEMBL_GFF3.replace("transcript_support_level=1", "exception=trans-splicing"))
    assert (found.models, found.warnings["trans_spliced"]) == ([], 1)


def test_the_same_line_twice_is_one(tmp_path: Path) -> None:
    assert only(read(tmp_path, ENSEMBL_GFF3 + ENSEMBL_GFF3)) == only(read(tmp_path, ENSEMBL_GFF3))


def test_lines_and_transcripts_that_hang_in_the_air_are_counted(tmp_path: Path) -> None:
    loose = (
        "1\t.\texon\t1\t9\t.\t+\t.\tName=x\n"
        "1\t.\texon\t1\t9\t.\t+\t.\tParent=transcript:nobody\n"
        "1\t.\tmRNA\t1\t9\t.\t+\t.\tID=transcript:empty;Parent=gene:ENSG00000186092\n"
    )
    found = read(tmp_path, ENSEMBL_GFF3 + loose)
    assert only(found)
    for reason in ("part_without_parent", "exons_without_transcript", "transcript_without_exons"):
        assert found.warnings[reason] == 1, reason


def test_a_cds_without_exon_is_its_own_exon(tmp_path: Path) -> None:
    found = read(tmp_path, "".join(line for line in ENSEMBL_GFF3.splitlines(keepends=True) if "\texon\t" not in line))
    assert only(found).exons == [(9, 39)]
    assert found.warnings["exons_taken_from_cds"] == 1


def test_refseqs_mitochondrial_cds_hangs_on_its_gene(tmp_path: Path) -> None:
    text = (
        "NC_012920.1\tRefSeq\tgene\t3307\t4262\t.\t+\t.\tID=gene-ND1;Dbxref=GeneID:4535;Name=ND1;gene=ND1;gene_biotype=protein_coding\n"
        "NC_012920.1\tRefSeq\tCDS\t3307\t4262\t.\t+\t0\tID=cds-YP_003024026.1;Parent=gene-ND1;protein_id=YP_003024026.1;transl_table=2;"
        "transl_except=(pos:4261..4262%2Caa:TERM)\n"
    )
    found = read(tmp_path, text)
    model = only(found)
    assert (model.name, model.protein, model.code, model.biotype) == ("ND1", "YP_003024026.1", 2, "protein_coding")
    assert (model.gene.id, model.gene.symbol) == ("4535", "ND1")
    assert found.warnings["stop_made_by_polyadenylation"] == 1


@pytest.mark.parametrize("said", [
    "exception=annotated by transcript or proteomic data;Note=The RefSeq transcript has 1 substitution compared to this genomic sequence",
    "exception=unclassified transcription discrepancy",
])  # fmt: skip
def test_an_exception_of_refseq_says_that_the_sequence_differs(tmp_path: Path, said: str) -> None:
    assert only(read(tmp_path, REFSEQ.replace("gbkey=mRNA", f"gbkey=mRNA;{said}"))).status == Status.DIFFERS_FROM_GENOME
    assert only(read(tmp_path, REFSEQ.replace("gbkey=mRNA", "gbkey=mRNA;exception=ribosomal slippage"))).status == 0


@pytest.mark.parametrize(("said", "differs"), [
    ("gap_count=0;num_mismatch=1", True), ("gap_count=1;num_mismatch=0", True),
    ("Gap=M185 I3 M250", True), ("Gap=M185;num_mismatch=0", False),
])  # fmt: skip
def test_an_alignment_with_gaps_or_mismatches_says_so_too(tmp_path: Path, said: str, differs: bool) -> None:
    match = f"NC_000001.11\tRefSeq\tcDNA_match\t1\t90\t.\t+\t.\tID=aln1;Target=NM_001005484.2 1 90 +;{said}\n"
    for text in (REFSEQ + match, match + REFSEQ):
        assert bool(only(read(tmp_path, text)).status & Status.DIFFERS_FROM_GENOME) == differs


def test_another_build_in_the_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GeneModelError, match=r"header says GRCh38\.p14, not GRCh37"):
        pack_models(read(tmp_path, REFSEQ), tmp_path, contig_table("GRCh37"), name="m", version="1", source="s", sha256="")


def test_contigs_that_disagree_in_length_are_left_out_and_listed(tmp_path: Path) -> None:
    text = "##sequence-region chrM 1 16571\n" + ENSEMBL_GFF3.replace("1\thavana", "chrM\thavana") + ENSEMBL_GFF3.replace("641515", "641516")
    found = read(tmp_path, text)
    pack = pack_models(found, tmp_path, contig_table("GRCh38"), name="m", version="1", source="s", sha256="")
    assert (pack.rows, pack.extra["warnings"]["contig_of_other_length"]) == (1, 1)
    assert pack.extra["contigs_disagree"] == {"chrM": [16_571, 16_569]}


def test_a_region_that_is_not_a_whole_contig_is_no_disagreement(tmp_path: Path) -> None:
    assert read(tmp_path, "##sequence-region Y 2781480 56887902\n" + ENSEMBL_GFF3).lengths == {}


@pytest.mark.parametrize("at", [25, 120, -6])
def test_a_damaged_gzip_is_refused_in_one_line(tmp_path: Path, at: int) -> None:
    raw = bytearray(gzip.compress(ENSEMBL_GFF3.encode() * 3))
    raw[at] ^= 0xFF
    with pytest.raises(GeneModelError, match=r"m\.gff3\.gz"):
        read(tmp_path, bytes(raw), "m.gff3.gz")
    with pytest.raises(GeneModelError):
        read(tmp_path, bytes(raw[:60]), "m.gff3.gz")


@pytest.mark.real_data
def test_a_real_refseq_file_names_proteins_and_what_differs_from_the_genome(real_data: Path) -> None:
    found = read_gene_models(real_data / "chr21_GRCh38" / "chr21_25-26Mb.GRCh38.refseq.gff.gz")
    models = {model.name: model for model in found.models}
    assert models["NM_017446.3"].protein == "NP_059142.2"
    assert models["NM_017446.3"].status & Status.DIFFERS_FROM_GENOME
    assert models["NM_000484.3"].protein == "NP_000475.1"
    assert models["NM_000484.3"].status == 0
    precursors = [model for model in found.models if model.biotype == "miRNA"]
    assert [(model.name, len(model.mature)) for model in precursors] == [("NR_030784.1", 2), ("NR_039916.1", 1)]
