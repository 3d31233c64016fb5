"""A RefSeq transcript is a sequence of its own: its bases where it has the length of its exons, flagged where they differ."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.gff import GeneModelError
from processors.knowledge.transcript_build import build_transcripts
from processors.knowledge.transcripts import Status, Transcripts
from tests.processors.knowledge.toy import gff3, toy, turned

GENOME = "CC" + "ATGGCT" + "GTAAGT" + "GAATAA" + "GG"
MODEL = gff3("NM_1.1", ("exon", 1, 8, "."), ("exon", 15, 22, "."), ("CDS", 3, 8, "0"), ("CDS", 15, 20, "0"))
SPLICED = "CCATGGCTGAATAAGG"


def own(folder: Path, sequence: str, name: str = "NM_1.1", genome: str = GENOME) -> Transcripts:
    return toy(folder, genome, MODEL, mrna=f">{name} Homo sapiens\n{sequence[:7]}\n{sequence[7:].lower()}\n")


def test_own_bases_take_the_place_of_the_genomes_and_are_flagged(tmp_path: Path) -> None:
    found = own(tmp_path, "CCATGGTTGAATAAGG")
    assert found.layout.bases.tobytes() == b"CCATGGTTGAATAAGG"
    assert found.layout.status[0] == Status.DIFFERS_FROM_GENOME
    assert found.pack.extra["warnings"] == {"differs_from_genome": 1, "mrna_not_as_genome": 1}


@pytest.mark.parametrize("tail", ["", "AAAAAAAA"])
def test_the_same_bases_with_or_without_a_poly_a_tail_are_no_difference(tmp_path: Path, tail: str) -> None:
    found = own(tmp_path, SPLICED + tail)
    assert (found.layout.bases.tobytes(), found.layout.status[0]) == (SPLICED.encode(), 0)


@pytest.mark.parametrize("sequence", [SPLICED[:-1], SPLICED + "AAC", "G" + SPLICED])
def test_another_length_keeps_the_genomes_bases_and_is_flagged_and_counted(tmp_path: Path, sequence: str) -> None:
    found = own(tmp_path, sequence)
    assert found.layout.bases.tobytes() == SPLICED.encode()
    assert found.layout.status[0] == Status.DIFFERS_FROM_GENOME
    assert found.pack.extra["warnings"]["mrna_of_other_length"] == 1


def test_unknown_bases_of_either_side_are_filled_from_the_other_and_no_difference(tmp_path: Path) -> None:
    found = own(tmp_path, "CCATGGCTGAANAAGG", genome=GENOME.replace("GGCT", "GNCT"))
    assert (found.layout.bases.tobytes(), found.layout.status[0]) == (SPLICED.encode(), 0)


def test_a_sequence_of_another_version_is_not_taken(tmp_path: Path) -> None:
    found = own(tmp_path, "CCATGGTTGAATAAGG", name="NM_1.2")
    assert (found.layout.bases.tobytes(), found.layout.status[0]) == (SPLICED.encode(), 0)


def test_the_file_may_say_that_it_differs_and_the_sequence_that_it_does_not(tmp_path: Path) -> None:
    said = MODEL.replace("transcript_id=NM_1.1", "transcript_id=NM_1.1;exception=annotated by transcript or proteomic data")
    assert toy(tmp_path / "a", GENOME, said).layout.status[0] == Status.DIFFERS_FROM_GENOME
    assert toy(tmp_path / "b", GENOME, said, mrna=f">NM_1.1\n{SPLICED}\n").layout.status[0] == 0


def test_a_minus_strand_transcripts_own_sequence_is_on_its_own_strand(tmp_path: Path) -> None:
    size = len(GENOME)
    parts = [("exon", 1, 8, "."), ("exon", 15, 22, "."), ("CDS", 3, 8, "0"), ("CDS", 15, 20, "0")]
    mirrored = gff3("NM_1.1", *((k, size + 1 - b, size + 1 - a, p) for k, a, b, p in parts), strand="-")
    found = toy(tmp_path, turned(GENOME), mirrored, mrna=">NM_1.1\nCCATGGTTGAATAAGG\n")
    assert (found.layout.bases.tobytes(), found.layout.status[0]) == (b"CCATGGTTGAATAAGG", Status.DIFFERS_FROM_GENOME)


def _gene_pred_as_gff3(path: Path, shift: dict[str, int]) -> str:
    """GFF3 of UCSC genePred rows, positions less the start of each contig's region."""
    lines = []
    with gzip.open(path, "rt") as rows:
        for row in rows:
            if row.startswith("#"):
                continue
            fields = row.rstrip("\n").split("\t")
            name, contig, strand = fields[1], fields[2], fields[3]
            cds = int(fields[6]), int(fields[7])
            spans = zip(fields[9].split(",")[:-1], fields[10].split(",")[:-1], fields[15].split(",")[:-1], strict=True)
            parts = []
            for begin, behind, frame in ((int(a), int(b), int(c)) for a, b, c in spans):
                parts.append(("exon", begin + 1 - shift[contig], behind - shift[contig], "."))
                low, high = max(begin, cds[0]), min(behind, cds[1])
                if low < high:
                    parts.append(("CDS", low + 1 - shift[contig], high - shift[contig], str(-frame % 3)))
            lines.append(gff3(name, *parts, strand=strand, contig=contig))
    return "".join(lines)


@pytest.mark.real_data
def test_brca2_of_refseq_differs_from_the_genome_at_one_base_and_brca1_at_none(real_data: Path, tmp_path: Path) -> None:
    panel = real_data / "panel"
    shift, fasta = {}, []
    with gzip.open(panel / "BRCA1_BRCA2.regions.GRCh38.fa.gz", "rt") as lines:
        for line in lines:
            if line.startswith(">"):
                contig, span = line[1:].split()[0].split(":")
                shift[f"chr{contig.removeprefix('chr')}"] = int(span.split("-")[0]) - 1
                fasta.append(f">chr{contig.removeprefix('chr')}\n")
            else:
                fasta.append(line)
    (tmp_path / "g.fa").write_text("".join(fasta))
    (tmp_path / "m.gff3").write_text(_gene_pred_as_gff3(panel / "BRCA1_BRCA2.refGene.GRCh38.genePred.txt.gz", shift))
    genome = Genome(build_genome(tmp_path / "g.fa", tmp_path, "region", "1"))
    mrna = panel / "BRCA1_BRCA2.refseq_mRNA.fa.gz"
    plain, taken = (
        Transcripts(build_transcripts(tmp_path / "m.gff3", tmp_path, genome.table, name="m", version="1", genome=genome, mrna=path))
        for path in (None, mrna)
    )
    row = {plain.name[number]: number for number in range(len(plain))}
    for found in (plain, taken):
        assert {int(found.layout.status[row[name]]) for name in ("NM_000059.3", "NM_007294.3")} <= {0, int(Status.DIFFERS_FROM_GENOME)}
    brca2 = slice(*plain.layout.base_offsets[row["NM_000059.3"] : row["NM_000059.3"] + 2])
    differs = np.flatnonzero(plain.layout.bases[brca2] != taken.layout.bases[brca2])
    assert len(differs) == 1
    assert taken.layout.status[row["NM_000059.3"]] == Status.DIFFERS_FROM_GENOME
    assert taken.layout.status[row["NM_007294.3"]] == 0
    assert taken.pack.extra["warnings"]["mrna_not_as_genome"] == 1


def test_a_file_of_sequences_that_is_no_fasta_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GeneModelError, match="does not begin with a `>name` line"):
        toy(tmp_path, GENOME, MODEL, mrna="NM_1.1 Homo sapiens\nACGT\n")
