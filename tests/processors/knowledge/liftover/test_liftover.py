"""Lifting: coordinates, strand, swapped references, and what cannot be lifted."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.liftover.chain import ChainRefused, Chains, read_chains
from processors.knowledge.liftover.lift import LiftRefused, LiftReport, lift_file
from schemas.assembly import contig_table

#           0         1         2
#           0123456789012345678901234
OLD = "ACGTACGTTTGACCATGACGATTAC"  # contig a of the old build
REVERSED = "GTAATCGTCATGG"  # the reverse complement of OLD[12:25]
NEW = "TTTTT" + "ACGTACGTTT" + "C" + REVERSED  # 5 bases in front, OLD[0:10], one base, OLD[12:25] on the other strand
CHAINS = """chain 100 a 25 + 0 10 b 29 + 5 15 1
10

chain 50 a 25 + 12 25 b 29 - 0 13 2
13

"""
HEADER = '##fileformat=VCFv4.2\n##INFO=<ID=AF,Number=A,Type=Float,Description="x">\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n'


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Genome:
    folder = tmp_path_factory.mktemp("lift")
    fasta = folder / "new.fa"
    fasta.write_text(f">b\n{NEW}\n")
    return Genome(build_genome(fasta, folder / "packs", "new", "1"))


def _chains(folder: Path, genome: Genome, text: str = CHAINS) -> Chains:
    path = folder / "old_to_new.chain"
    path.write_text(text)
    return read_chains(path, contig_table("old", [("a", 25)]), genome.table)


def _lift(folder: Path, genome: Genome, *records: str, swap: tuple[str, ...] = ()) -> tuple[LiftReport, list[str], dict[str, str]]:
    """(report, lifted lines without INFO's origin, ID → reason of what was left out)."""
    path = folder / "old.vcf"
    path.write_text(HEADER + "".join(record.replace(" ", "\t") + "\n" for record in records))
    report = lift_file(path, folder / "new.vcf.gz", folder / "lost.vcf.gz", _chains(folder, genome), genome, swap=swap)
    lifted = [line.split(";LIFTED_FROM")[0] for line in _lines(folder / "new.vcf.gz")]
    lost = {line.split("\t")[2]: line.split("\t")[6] for line in _lines(folder / "lost.vcf.gz")}
    assert report.records == report.lifted + sum(report.left_out.values()) == len(records)
    return report, [" ".join(line.split("\t")[:5] + line.split("\t")[7:]) for line in lifted], lost


def _lines(path: Path) -> list[str]:
    with gzip.open(path, "rt") as handle:
        return [line.rstrip("\n") for line in handle if not line.startswith("#")]


def test_an_allele_keeps_its_bases_on_the_same_strand(tmp_path: Path, genome: Genome) -> None:
    _, lifted, _ = _lift(tmp_path, genome, "a 3 v G T,GA . PASS AF=0.1,0.2")
    assert lifted == ["b 8 v G T,GA AF=0.1,0.2"]


def test_alleles_are_complemented_on_the_other_strand(tmp_path: Path, genome: Genome) -> None:
    report, lifted, _ = _lift(tmp_path, genome, "a 14 v C T . PASS AF=0.1")
    place = 16 + 12 - 1  # OLD[13] is the second base from the end of the reversed stretch, which begins at 16
    assert NEW[place] == "G"
    assert lifted == [f"b {place + 1} v G A AF=0.1"]
    assert report.reversed_ == 1


def test_the_anchor_of_an_indel_stands_before_it_on_the_other_strand_too(tmp_path: Path, genome: Genome) -> None:
    # OLD[16:18] = GA: A is deleted
    _, lifted, _ = _lift(tmp_path, genome, "a 17 v GA G . PASS AF=0.1")
    fields = lifted[0].split()
    position, ref, alt = int(fields[1]) - 1, fields[3], fields[4]
    assert (len(ref), alt) == (2, ref[0])
    assert NEW[position : position + 2] == ref
    changed = NEW[:position] + alt + NEW[position + 2 :]
    old = OLD[:16] + "G" + OLD[18:]
    complement = str.maketrans("ACGT", "TGCA")
    assert changed.endswith(old[12:].translate(complement)[::-1])


def test_where_the_new_genome_holds_the_alt_the_record_is_left_out(tmp_path: Path, genome: Genome) -> None:
    report, lifted, lost = _lift(tmp_path, genome, "a 3 v A G . PASS AF=0.1")
    assert (lifted, lost) == ([], {"v": "ref_swapped"})
    assert report.left_out == {"ref_swapped": 1}


def test_a_frequency_is_taken_from_one_where_the_alleles_swap(tmp_path: Path, genome: Genome) -> None:
    report, lifted, _ = _lift(tmp_path, genome, "a 3 v A G . PASS AF=0.1;DB", swap=("AF",))
    assert lifted == ["b 8 v G A AF=0.9;DB"]
    assert report.swapped == 1


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("a 11 v GA G . PASS .", "no_chain"),
        ("a 10 v TGAC T . PASS .", "spans_gap"),
        ("a 3 v C T . PASS .", "ref_mismatch"),
        ("z 3 v G T . PASS .", "other_contig"),
        ("a 3 v G <DEL> . PASS .", "symbolic"),
        ("a x v G T . PASS .", "malformed"),
        ("a 3 v G", "malformed"),
    ],
)
def test_what_cannot_be_lifted_is_kept_with_its_reason(tmp_path: Path, genome: Genome, record: str, reason: str) -> None:
    _, lifted, lost = _lift(tmp_path, genome, record)
    assert (lifted, lost) == ([], {"v": reason})


def test_lifted_records_come_sorted(tmp_path: Path, genome: Genome) -> None:
    _, lifted, _ = _lift(tmp_path, genome, "a 14 v C T . PASS .", "a 16 w T G . PASS .", "a 3 u G T . PASS .")
    assert [line.split()[2] for line in lifted] == ["u", "w", "v"]


def test_a_file_with_samples_is_refused(tmp_path: Path, genome: Genome) -> None:
    path = tmp_path / "old.vcf"
    path.write_text(HEADER.replace("INFO\n", "INFO\tFORMAT\tNA1\n"))
    with pytest.raises(LiftRefused, match="samples"):
        lift_file(path, tmp_path / "o.vcf.gz", tmp_path / "l.vcf.gz", _chains(tmp_path, genome), genome)
    assert not (tmp_path / "o.vcf.gz").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CHAINS.replace("a 25", "a 26"), "26 bases there, 25 in old"),
        (CHAINS.replace("b 29", "b 30"), "30 bases there, 29 in new"),
        (CHAINS[:-4], "truncated"),
        (CHAINS.replace("\n10\n", "\n10 x 3\n"), ":2: is no chain line"),
        (CHAINS.replace("chain 100", "chain ten"), ":1: is no chain header"),
        (CHAINS.replace(" a ", " q "), "no chain of it leads from old to new"),
    ],
)
def test_a_chain_file_that_does_not_fit_is_refused(tmp_path: Path, genome: Genome, text: str, message: str) -> None:
    with pytest.raises(ChainRefused, match=message):
        _chains(tmp_path, genome, text)


def test_of_two_chains_over_one_base_the_better_one_keeps_it(tmp_path: Path, genome: Genome) -> None:
    text = "chain 9 a 25 + 0 8 b 29 + 0 8 1\n8\n\nchain 100 a 25 + 4 10 b 29 + 9 15 2\n6\n\n"
    chains = _chains(tmp_path, genome, text)
    places = np.arange(12, dtype=np.int64)
    found = chains.lift(np.zeros(12, dtype=np.int32), places, places + 1)
    assert found.start.tolist() == [0, 1, 2, 3, 9, 10, 11, 12, 13, 14, -1, -1]


@pytest.mark.real_data
def test_frequencies_of_chromosome_21_lift_as_they_were_lifted_elsewhere(tmp_path: Path, real_data: Path) -> None:
    """The peer's file leaves out what lands on the minus strand; all it holds is ours too, to the letter."""
    fasta = real_data / "chr21_GRCh38" / "chr21.GRCh38.known.fa.gz"
    genome = Genome(build_genome(fasta, tmp_path / "packs", "GRCh38", "1"))
    chains = read_chains(real_data / "liftover" / "grch37_to_grch38.over.chain.gz", contig_table("GRCh37"), genome.table)
    source = real_data / "grch37" / "1000G_phase3_AF.chr21.GRCh37.vcf.gz"
    report = lift_file(source, tmp_path / "new.vcf.gz", tmp_path / "lost.vcf.gz", chains, genome)
    assert report.records == report.lifted + sum(report.left_out.values()) == 80_947

    def rows(path: Path, origin: str) -> dict[tuple[str, str], tuple[str, ...]]:
        found: dict[tuple[str, str], tuple[str, ...]] = {}
        for line in _lines(path):
            fields = line.split("\t")
            info = dict(entry.partition("=")[::2] for entry in fields[7].split(";"))
            found[info[origin].split(":")[-3 if ":" in info[origin] else 0], fields[2]] = (fields[0], fields[1], fields[3], fields[4])
        return found

    ours = rows(tmp_path / "new.vcf.gz", "LIFTED_FROM")
    theirs = rows(real_data / "chr21_GRCh38" / "1000G_phase3_AF.chr21.lifted_GRCh38.vcf.gz", "POS37")
    assert [key for key, value in theirs.items() if ours.get(key) != value] == []
    assert len(ours) - len(theirs) == report.reversed_
