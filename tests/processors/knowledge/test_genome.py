"""The genome pack: what a FASTA holds, in the contigs of the build, refused where it contradicts them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pysam
import pytest

from processors.knowledge.genome import Genome, GenomeError, RefCheck, build_genome
from processors.knowledge.pack import PackError, list_packs, write_pack
from schemas.assembly import MITOCHONDRION_LENGTH

FASTA = ">one first contig\nACGTnryk\nACGT\n\n>two\r\nttgg\r\nCC\r\n"


def _write(folder: Path, text: str = FASTA, name: str = "toy.fa") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_bases_come_upper_case_with_n_for_whatever_is_unknown(tmp_path: Path) -> None:
    genome = Genome(build_genome(_write(tmp_path), tmp_path / "packs", "toy", "1"))
    assert [(c.name, c.length, c.offset) for c in genome.table.contigs] == [("one", 12, 0), ("two", 6, 12)]
    one, two = genome.bases(0), genome.bases(1)
    assert one is not None
    assert two is not None
    assert (one.tobytes(), two.tobytes()) == (b"ACGTNNNNACGT", b"TTGGCC")


def test_plain_gzip_and_bgzip_are_one_pack(tmp_path: Path) -> None:
    plain = _write(tmp_path)
    (tmp_path / "gz").mkdir()
    (tmp_path / "gz" / "toy.fa.gz").write_bytes(gzip.compress(FASTA.encode()))
    (tmp_path / "bgz").mkdir()
    pysam.tabix_compress(str(plain), str(tmp_path / "bgz" / "toy.fa.gz"))
    root = tmp_path / "packs"
    digests = {build_genome(path, root, "toy", "1").digest for path in [plain, *sorted(tmp_path.glob("*/toy.fa.gz"))]}
    assert len(digests) == 1
    assert len(list_packs(root)) == 1


def test_blocks_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = build_genome(_write(tmp_path), tmp_path / "packs", "toy", "1")
    for size in (1, 2, 3, 7):
        monkeypatch.setattr("processors.knowledge.genome._BLOCK", size)
        assert build_genome(_write(tmp_path), tmp_path / "packs", "toy", "1").digest == whole.digest


def test_primary_contigs_without_sequence_stay_in_the_table(tmp_path: Path) -> None:
    mitochondrion = ">chrM\n" + "ACGT" * (MITOCHONDRION_LENGTH // 4) + "A\n>chrUn_x\nACGT\n"
    genome = Genome(build_genome(_write(tmp_path, mitochondrion), tmp_path / "packs", "hg38", "1"))
    assert [genome.table.resolve(name) for name in ("chr1", "MT", "chrM", "chrUn_x")] == [0, 24, 24, 25]
    assert genome.bases(0) is None
    bases = genome.bases(24)
    assert bases is not None
    assert len(bases) == MITOCHONDRION_LENGTH
    assert genome.pack.extra["extra"] == [["chrUn_x", 4]]


def test_a_contig_of_another_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GenomeError, match=r"chr21 has 4 bases, 21 of GRCh38 has 46,709,983"):
        build_genome(_write(tmp_path, ">chr21\nACGT\n"), tmp_path / "packs", "GRCh38", "1")
    assert list_packs(tmp_path / "packs") == []
    assert list((tmp_path / "packs").glob("**/.b*")) == []


def test_a_mitochondrion_that_is_not_rcrs_is_left_out_by_name(tmp_path: Path) -> None:
    pack = build_genome(_write(tmp_path, ">chrM\n" + "A" * 16_571 + "\n>x\nACGT\n"), tmp_path / "packs", "hg19", "1")
    assert pack.extra["left_out"][0][:2] == ["chrM", 16571]
    assert Genome(pack).bases(24) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no base"),
        (">one\n>two\n", "holds no base"),
        ("ACGT\n", "does not begin"),
        (">one\nAC1T\n", "'1', which is no IUPAC base"),
        (">one\nACGT\n>one\nACGT\n", "one comes twice"),
        (">one\nACGT\n>", "ends within the header line"),
        ("> \nACGT\n", "without a name"),
    ],
)
def test_a_damaged_fasta_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(GenomeError, match=message):
        build_genome(_write(tmp_path, text), tmp_path / "packs", "toy", "1")


def test_two_names_of_one_contig_are_refused(tmp_path: Path) -> None:
    bases = "A" * MITOCHONDRION_LENGTH
    with pytest.raises(GenomeError, match="MT comes twice"):
        build_genome(_write(tmp_path, f">MT\n{bases}\n>chrM\n{bases}\n"), tmp_path / "packs", "GRCh38", "1")


def test_a_cut_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.fa.gz"
    path.write_bytes(gzip.compress(b">one\n" + b"ACGT" * 50_000)[:-20])
    with pytest.raises(GenomeError, match="cannot be read"):
        build_genome(path, tmp_path / "packs", "toy", "1")


def test_ref_is_checked_against_known_bases_only(tmp_path: Path) -> None:
    genome = Genome(build_genome(_write(tmp_path), tmp_path / "packs", "toy", "1"))
    refs = [(0, 0, b"AC"), (0, 0, b"AG"), (0, 3, b"TG"), (0, 3, b"AA"), (0, 11, b"TT"), (1, -1, b"T"), (1, 4, b"CC")]
    offsets = np.concatenate([[0], np.cumsum([len(ref) for *_, ref in refs])]).astype(np.int64)
    found = genome.check_ref(
        np.array([c for c, _, _ in refs], dtype=np.int32),
        np.array([s for _, s, _ in refs], dtype=np.int64),
        offsets,
        np.frombuffer(b"".join(ref for *_, ref in refs), dtype=np.uint8),
    )
    expected = [RefCheck.MATCH, RefCheck.MISMATCH, RefCheck.UNKNOWN, RefCheck.MISMATCH, RefCheck.OUTSIDE, RefCheck.OUTSIDE, RefCheck.MATCH]
    assert [RefCheck(int(value)) for value in found] == expected


def test_another_kind_of_pack_is_no_genome(tmp_path: Path) -> None:
    pack = write_pack(tmp_path, kind="clinvar", name="x", version="1", build="toy", arrays={"a": np.zeros(1)}, rows=1)
    with pytest.raises(PackError, match="not a genome"):
        Genome(pack)


def test_a_released_contig_is_read_again(tmp_path: Path) -> None:
    text = ">one\n" + "ACGT" * 20_000 + "\n>two\n" + "TTGCA" * 9_000 + "\n"
    genome = Genome(build_genome(_write(tmp_path, text), tmp_path / "packs", "toy", "1"))
    bases = genome.bases(1)
    assert bases is not None
    before = bases.tobytes()
    for contig in (0, 1):
        genome.release(contig)
    assert bases.tobytes() == before == b"TTGCA" * 9_000


@pytest.mark.real_data
def test_the_known_bases_of_chromosome_21_are_those_of_the_fasta(tmp_path: Path, real_data: Path) -> None:
    fasta = real_data / "chr21_GRCh38" / "chr21.GRCh38.known.fa.gz"
    bases = Genome(build_genome(fasta, tmp_path / "packs", "GRCh38", "1")).bases(20)
    assert bases is not None
    with pysam.FastaFile(str(fasta)) as file:
        for start in (0, 24_985_581, 25_500_000, 43_758_155, 46_709_000):
            assert bases[start : start + 500].tobytes().decode() == file.fetch("21", start, start + 500).upper()
    assert int(np.count_nonzero(bases != ord("N"))) == 2_762_868
