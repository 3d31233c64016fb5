"""What a pack says of a coding sequence: its bases, genetic code, selenocysteines, and what is unusual."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from processors.annotate.codons import MITOCHONDRIAL, STANDARD
from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.transcript_build import build_transcripts
from processors.knowledge.transcripts import Status, Transcripts
from schemas.assembly import MITOCHONDRION_LENGTH, contig_table
from tests.processors.knowledge.toy import gff3, toy, turned

WHOLE = "CC" + "ATGGCT" + "GTAAGT" + "GAATAA" + "GG"
"""Exons 1-8 and 15-22, CDS from base 3 to base 20: Met Ala Glu Ter."""
PARTS = (("exon", 1, 8, "."), ("exon", 15, 22, "."), ("CDS", 3, 8, "0"), ("CDS", 15, 20, "0"))


def status(found: Transcripts, row: int = 0) -> Status:
    return Status(int(found.layout.status[row]))


def one_exon(cds: str) -> tuple[str, tuple[tuple[str, int, int, str], ...]]:
    """A contig whose only exon is `cds` between two bases of UTR on each side."""
    return "CC" + cds + "GG", (("exon", 1, len(cds) + 4, "."), ("CDS", 3, len(cds) + 2, "0"))


def test_bases_are_spliced_on_the_transcripts_strand(tmp_path: Path) -> None:
    forward = toy(tmp_path / "f", WHOLE, gff3("T.1", *PARTS)).layout
    size = len(WHOLE)
    mirrored = [(kind, size + 1 - end, size + 1 - start, phase) for kind, start, end, phase in PARTS]
    backward = toy(tmp_path / "b", turned(WHOLE), gff3("T.1", *mirrored, strand="-")).layout
    for layout in (forward, backward):
        assert layout.bases.tobytes() == b"CCATGGCTGAATAAGG"
        assert (layout.coding_start[0], layout.coding_end[0], layout.length[0]) == (2, 14, 16)
        assert layout.status[0] == 0
    assert forward.exon_cdna.tolist() == [0, 8]
    assert backward.exon_cdna.tolist() == [8, 0]


@pytest.mark.parametrize(
    ("cds", "wanted"),
    [
        ("ATGGCTTAA", Status(0)),
        ("CTGGCTTAA", Status.START_NOT_ATG),
        ("ATGGCTGAA", Status.END_INCOMPLETE),
        ("ATGGCTTAAG", Status.END_INCOMPLETE | Status.STOP_INSIDE),
        ("ATGTAGGCTTAA", Status.STOP_INSIDE),
        ("ATGTGAGCTTAA", Status.STOP_INSIDE),
        ("ATGGCNTAA", Status.UNKNOWN_BASES),
        ("NTGGCTTAN", Status.UNKNOWN_BASES),
    ],
)
def test_each_oddity_of_a_coding_sequence_is_flagged_and_counted(tmp_path: Path, cds: str, wanted: Status) -> None:
    sequence, parts = one_exon(cds)
    found = toy(tmp_path, sequence, gff3("T.1", *parts))
    assert status(found) == wanted
    names = {
        Status.START_NOT_ATG: "cds_start_not_atg",
        Status.END_INCOMPLETE: "cds_end_incomplete",
        Status.STOP_INSIDE: "stop_inside_cds",
        Status.UNKNOWN_BASES: "unknown_bases",
    }
    assert {names[bit]: 1 for bit in wanted}.items() <= found.pack.extra["warnings"].items()


def test_a_cds_that_begins_inside_a_codon_is_padded_and_not_blamed_for_its_first_codon(tmp_path: Path) -> None:
    found = toy(tmp_path, "GGCTGAATAAGG", gff3("T.1", ("exon", 1, 12, "."), ("CDS", 1, 10, "1")))
    assert status(found) == Status.START_INCOMPLETE
    assert found.layout.pad[0] == 2


def test_cds_nf_tags_say_what_the_sequence_cannot(tmp_path: Path) -> None:
    sequence, parts = one_exon("GCTGCTTAA")
    assert status(toy(tmp_path / "a", sequence, gff3("T.1", *parts, attributes="tag=basic,cds_start_NF"))) == Status.START_INCOMPLETE
    assert status(toy(tmp_path / "b", sequence, gff3("T.1", *parts, attributes="tag=cds_end_NF"))) & Status.END_INCOMPLETE


@pytest.mark.parametrize(("strand", "side", "wanted"), [
    ("+", "start_range=.,3", Status.START_INCOMPLETE), ("+", "end_range=11,.", Status.END_INCOMPLETE),
    ("-", "start_range=.,3", Status.END_INCOMPLETE), ("-", "end_range=11,.", Status.START_INCOMPLETE),
])  # fmt: skip
def test_refseqs_open_side_is_turned_with_the_strand(tmp_path: Path, strand: str, side: str, wanted: Status) -> None:
    sequence, parts = one_exon("ATGGCTTAA")
    models = gff3("T.1", *parts, strand=strand, cds=f"partial=true;{side}")
    assert status(toy(tmp_path, sequence if strand == "+" else turned(sequence), models)) == wanted


def test_parts_that_leave_out_exonic_bases_are_flagged(tmp_path: Path) -> None:
    slippage = (("exon", 1, 17, "."), ("CDS", 3, 8, "0"), ("CDS", 10, 15, "0"))
    found = toy(tmp_path, "CCATGGCTGGAATAAGG", gff3("T.1", *slippage))
    assert status(found) & Status.CODING_GAPPED
    assert found.pack.extra["warnings"]["cds_gapped"] == 1


def test_phases_that_contradict_the_lengths_are_flagged(tmp_path: Path) -> None:
    parts = (("exon", 1, 7, "."), ("exon", 14, 22, "."), ("CDS", 3, 7, "0"), ("CDS", 14, 20, "2"))
    models = "CCATGGC" + "GTAAGT" + "TGAATAAGG"
    broken = toy(tmp_path / "a", models, gff3("T.1", *parts))
    assert status(broken) == Status.PHASE_BROKEN
    assert broken.pack.extra["warnings"]["cds_phases_swapped"] == 1, "2 is Ensembl's count of the bases before, GFF3 wants 1"
    right = (*parts[:3], ("CDS", 14, 20, "1"))
    assert status(toy(tmp_path / "b", models, gff3("T.1", *right))) == Status(0)
    silent = (*parts[:3], ("CDS", 14, 20, "."))
    assert status(toy(tmp_path / "c", models, gff3("T.1", *silent))) == Status(0)


SELENO = "CC" + "ATGTGAGCTTGATAA" + "GG"
SELENO_PARTS = (("exon", 1, 19, "."), ("CDS", 3, 17, "0"))


@pytest.mark.parametrize(
    ("attributes", "cds", "residues"),
    [
        ("", "", []),
        ("", "transl_except=(pos:6..8%2Caa:Sec)", [1]),
        ("", "transl_except=(pos:6..8%2Caa:Sec),(pos:12..14%2Caa:Sec)", [1, 3]),
        ("tag=basic,seleno", "", [1, 3]),
        ("tag=seleno", "transl_except=(pos:12..14%2Caa:Sec)", [3]),
    ],
)
def test_a_tga_is_selenocysteine_only_where_the_file_says_so(tmp_path: Path, attributes: str, cds: str, residues: list[int]) -> None:
    found = toy(tmp_path, SELENO, gff3("T.1", *SELENO_PARTS, attributes=attributes, cds=cds))
    assert found.layout.sec.tolist() == residues
    assert found.layout.sec_offsets.tolist() == [0, len(residues)]
    assert bool(status(found) & Status.STOP_INSIDE) == (len(residues) < 2)


@pytest.mark.parametrize("strand", "+-")
@pytest.mark.parametrize("kind", ["Selenocysteine", "stop_codon_redefined_as_selenocysteine"])
def test_a_selenocysteine_feature_names_its_codon_on_either_strand(tmp_path: Path, kind: str, strand: str) -> None:
    size = len(SELENO)
    parts = (*SELENO_PARTS, (kind, 6, 8, "."), (kind, 12, 14, "."))
    placed = parts if strand == "+" else tuple((k, size + 1 - b, size + 1 - a, p) for k, a, b, p in parts)
    found = toy(tmp_path, SELENO if strand == "+" else turned(SELENO), gff3("T.1", *placed, strand=strand))
    assert found.layout.sec.tolist() == [1, 3]
    assert status(found) == Status(0)


def test_a_complement_place_of_transl_except_is_read(tmp_path: Path) -> None:
    size = len(SELENO)
    parts = [(k, size + 1 - b, size + 1 - a, p) for k, a, b, p in SELENO_PARTS]
    models = gff3("T.1", *parts, strand="-", cds=f"transl_except=(pos:complement({size + 1 - 8}..{size + 1 - 6})%2Caa:Sec)")
    assert toy(tmp_path, turned(SELENO), models).layout.sec.tolist() == [1]


def test_a_selenocysteine_codon_cut_by_an_intron_is_found(tmp_path: Path) -> None:
    sequence = "CCATGTG" + "GTAAGT" + "AGCTTAAGG"
    parts = (("exon", 1, 7, "."), ("exon", 14, 22, "."), ("CDS", 3, 7, "0"), ("CDS", 14, 20, "1"))
    found = toy(tmp_path, sequence, gff3("T.1", *parts, cds="transl_except=(pos:join(6..7%2C14)%2Caa:Sec)"))
    assert found.layout.sec.tolist() == [1]
    assert status(found) == Status(0)


def test_a_place_that_is_no_tga_in_frame_is_refused_and_counted(tmp_path: Path) -> None:
    for number, place in enumerate(("7..9", "9..11", "1..3")):
        found = toy(tmp_path / str(number), SELENO, gff3("T.1", *SELENO_PARTS, cds=f"transl_except=(pos:{place}%2Caa:Sec)"))
        assert found.layout.sec.tolist() == []
        assert found.pack.extra["warnings"]["selenocysteine_not_at_tga"] == 1


def test_the_mitochondrion_has_its_own_code(tmp_path: Path) -> None:
    sequence, parts = one_exon("ATATGAGCTAGA")
    found = toy(tmp_path / "mt", sequence, gff3("T.1", *parts, contig="MT"), contig="MT")
    assert found.layout.code[0] == MITOCHONDRIAL
    assert status(found) == Status.START_NOT_ATG, "TGA is Trp and AGA a stop"
    elsewhere = toy(tmp_path / "a", sequence, gff3("T.1", *parts))
    assert elsewhere.layout.code[0] == STANDARD
    assert status(elsewhere) & Status.STOP_INSIDE
    told = toy(tmp_path / "b", sequence, gff3("T.1", *parts, cds="transl_table=2"))
    assert told.layout.code[0] == MITOCHONDRIAL
    other = toy(tmp_path / "c", sequence, gff3("T.1", *parts, cds="transl_table=11"))
    assert (other.layout.code[0], other.pack.extra["warnings"]["genetic_code_not_known"]) == (STANDARD, 1)


def test_a_stop_made_by_polyadenylation_stays_incomplete_and_is_counted(tmp_path: Path) -> None:
    models = gff3("T.1", ("CDS", 3, 10, "0"), contig="MT", cds="transl_table=2;transl_except=(pos:9..10%2Caa:TERM)")
    found = toy(tmp_path, "CCATAGCTTACC", models, contig="MT")
    assert status(found) & Status.END_INCOMPLETE
    assert found.pack.extra["warnings"]["stop_made_by_polyadenylation"] == 1


def test_a_contig_without_sequence_is_unknown_bases_and_counted(tmp_path: Path) -> None:
    (tmp_path / "g.fa").write_text(">MT\n" + "A" * MITOCHONDRION_LENGTH + "\n")
    genome = Genome(build_genome(tmp_path / "g.fa", tmp_path, "GRCh38", "1"))
    (tmp_path / "m.gff3").write_text(gff3("T.1", *PARTS, contig="20"))
    found = Transcripts(build_transcripts(tmp_path / "m.gff3", tmp_path, genome.table, name="m", version="1", genome=genome))
    assert found.pack.extra["warnings"]["contig_without_sequence"] == 1
    assert status(found) == Status.UNKNOWN_BASES
    assert set(np.asarray(found.layout.bases).tolist()) == {ord("N")}


@pytest.mark.real_data
def test_real_transcripts_have_the_bases_of_their_published_cdna(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "chr21_GRCh38"
    genome = Genome(build_genome(folder / "chr21.GRCh38.known.fa.gz", tmp_path, "GRCh38", "1"))
    source = folder / "chr21.GRCh38.ensembl.gff3.gz"
    found = Transcripts(build_transcripts(source, tmp_path, genome.table, name="e", version="1", genome=genome))
    published: dict[str, list[str]] = {}
    with gzip.open(folder / "chr21.GRCh38.ensembl_cdna.fa.gz", "rt") as lines:
        for line in lines:
            if line.startswith(">"):
                record = published.setdefault(line[1:].split()[0].split(".")[0], [])
            else:
                record.append(line.strip().upper())
    layout, same = found.layout, 0
    for row in np.flatnonzero(layout.coding_start >= 0).tolist():
        sequence = "".join(published.get(found.name[row].split(".")[0], []))
        if len(sequence) == layout.length[row] and not layout.status[row] & int(Status.UNKNOWN_BASES):
            bases = layout.bases[layout.base_offsets[row] : layout.base_offsets[row + 1]].tobytes().decode()
            assert bases == sequence, found.name[row]
            same += 1
    assert same > 800


@pytest.mark.real_data
def test_thioredoxin_reductase_ends_in_selenocysteine_and_glycine_where_the_file_says_so(real_data: Path, tmp_path: Path) -> None:
    name = "ENST00000525566"
    source = real_data / "vep_truth" / "genes.GRCh37.gff3.gz"
    models = Transcripts(build_transcripts(source, tmp_path, contig_table("GRCh37"), name="m", version="1"))
    number = next(row for row in range(len(models)) if models.name[row] == name)
    parts = (
        ("exon", 1, int(models.length[number]), "."),
        ("CDS", int(models.layout.coding_start[number]) + 1, int(models.layout.coding_end[number]), "0"),
    )
    with gzip.open(real_data / "panel" / "cellbase_genes.GRCh37.cdna.fa.gz", "rt") as lines:
        records = {record.split(maxsplit=1)[0]: record.split("\n", 1)[1].replace("\n", "") for record in lines.read().split(">")[1:]}
    silent = toy(tmp_path / "a", records[name], gff3("T.1", *parts))
    assert status(silent) == Status.STOP_INSIDE
    told = toy(tmp_path / "b", records[name], gff3("T.1", *parts, attributes="tag=seleno"))
    assert status(told) == Status(0)
    residues = (parts[1][2] - parts[1][1] + 1) // 3 - 1
    assert told.layout.sec.tolist() == [residues - 2], "Gly-Cys-Sec-Gly"
