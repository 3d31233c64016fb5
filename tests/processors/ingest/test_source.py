"""Files that are not what they should be: each fails the sample with file, offset and record, and gives no manifest."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Any

import pysam.bcftools
import pytest

from processors.ingest import read_header
from processors.ingest.errors import (
    ContigsScattered,
    DigestMismatch,
    DuplicateSample,
    HeaderInvalid,
    LineTooLong,
    NoSamples,
    SourceCorrupt,
    SourceEmpty,
    SourceError,
    SourceMissing,
    SourceTruncated,
    UnknownSample,
)

LINE = "one 1 . A C . PASS . GT:DP 0/1:30"


def _many(count: int) -> list[str]:
    return [f"one {1 + 4 * (n % 2)} . A C . PASS NUMBER={n} GT:DP:AD 0/1:{n % 97}:{n % 31},{n % 17}" for n in range(count)]


def _bgzip(path: Path) -> Path:
    target = path.with_suffix(".vcf.gz")
    pysam.tabix_compress(str(path), str(target), force=True)
    return target


def test_formats_of_one_call_set_give_the_same_chunks(run: Any, write_vcf: Any, tmp_path: Path) -> None:
    lines = ["one 1 . A C,G 3 PASS . GT:DP:AD:GQ 1|2:30:1,14,15:99", LINE.replace("one 1", "one 5"), "two 5 . C <DEL> . PASS . GT:DP 1/1:3"]
    extra = (
        "##contig=<ID=one,length=46>\n##contig=<ID=two,length=26>\n##ALT=<ID=DEL,Description=d>\n"
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="g">\n##FORMAT=<ID=DP,Number=1,Type=Integer,Description="d">\n'
        '##FORMAT=<ID=AD,Number=R,Type=Integer,Description="a">\n##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="q">\n'
    )
    plain = write_vcf(lines, contigs=extra)
    bgzip = _bgzip(plain)
    gzipped = tmp_path / "g.vcf.gz"
    gzipped.write_bytes(gzip.compress(plain.read_bytes()))
    members = tmp_path / "m.vcf.gz"
    text = plain.read_bytes()
    members.write_bytes(gzip.compress(text[:100]) + gzip.compress(text[100:]))
    bcf, raw_bcf = tmp_path / "c.bcf", tmp_path / "u.bcf"
    pysam.bcftools.view("-Ob", "-o", str(bcf), str(plain), catch_stdout=False)
    pysam.bcftools.view("-Ou", "-o", str(raw_bcf), str(plain), catch_stdout=False)
    expected = run(plain).rows
    assert len(expected) == 3
    for path in (bgzip, gzipped, members, bcf, raw_bcf):
        outcome = run(path)
        assert outcome.rows == expected, path.name
        assert outcome.reasons() == [(2, 1, "symbolic")]
        assert outcome.manifest.source_digest == hashlib.sha256(path.read_bytes()).hexdigest()
        assert read_header(path).samples == ("kid",)


def test_an_index_beside_the_file_is_never_read_whatever_is_in_it(run: Any, write_vcf: Any, tmp_path: Path) -> None:
    header = (
        "##contig=<ID=one,length=46>\n##contig=<ID=two,length=26>\n"
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="g">\n##FORMAT=<ID=DP,Number=1,Type=Integer,Description="d">\n'
    )
    other = _bgzip(write_vcf(["two 5 . C T . PASS . GT:DP 1/1:3"], contigs=header, name="other.vcf"))
    indexes = {"tbi": [b"", b"no index"], "csi": [b"", b"no index"]}
    for kind, contents in indexes.items():
        pysam.tabix_index(str(other), preset="vcf", csi=kind == "csi", force=True)
        contents.append(Path(f"{other}.{kind}").read_bytes())  # a good one, of another file
    path = _bgzip(write_vcf([LINE, LINE.replace("one 1", "one 5")], contigs=header))
    bcf = tmp_path / "i.bcf"
    pysam.bcftools.view("-Ob", "-o", str(bcf), str(path), catch_stdout=False)
    for called in (path, bcf):
        expected = run(called)
        assert len(expected.rows) == 2
        for kind, contents in indexes.items():
            for content in contents:
                Path(f"{called}.{kind}").write_bytes(content)
                outcome = run(called)
                assert (outcome.rows, outcome.manifest) == (expected.rows, expected.manifest), (called.name, kind, content[:8])


def test_a_header_tells_samples_contigs_and_build(tmp_path: Path) -> None:
    path = tmp_path / "h.vcf"
    path.write_text(
        '##fileformat=VCFv4.2\n##contig=<ID=chr1,length=248956422,assembly=hg38,note="a,b">\n##contig=<ID=HLA*01>\n'
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb c\n"
    )
    header = read_header(path)
    assert header.samples == ("a", "b c")
    assert [(contig.name, contig.length) for contig in header.contigs] == [("chr1", 248956422), ("HLA*01", None)]
    assert header.build_hint == "GRCh38"


def test_a_missing_file(run: Any, tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match=r"nowhere\.vcf: cannot be opened"):
        run(tmp_path / "nowhere.vcf")


def test_an_empty_file(run: Any, tmp_path: Path) -> None:
    (tmp_path / "empty.vcf").touch()
    with pytest.raises(SourceEmpty):
        run(tmp_path / "empty.vcf")


@pytest.mark.parametrize("text", ["hello\n", "##fileformat=VCFv4.2\n##nothing\n", "##fileformat=VCFv4.2\n#CHROM\tPOS\n"])
def test_a_file_that_is_no_vcf(run: Any, tmp_path: Path, text: str) -> None:
    path = tmp_path / "odd.vcf"
    path.write_text(text)
    with pytest.raises(HeaderInvalid):
        run(path)


def test_a_sites_only_file(run: Any, write_vcf: Any) -> None:
    with pytest.raises(NoSamples):
        run(write_vcf(["one 1 . A C . . ."], samples=()))


def test_two_columns_of_one_name(run: Any, write_vcf: Any) -> None:
    with pytest.raises(DuplicateSample, match="'kid'"):
        run(write_vcf(["one 1 . A C . . . GT 0/1 0/1"], samples=("kid", "kid")))


def test_a_sample_that_is_not_there(run: Any, write_vcf: Any) -> None:
    with pytest.raises(UnknownSample, match="no sample 'mum', but kid"):
        run(write_vcf([LINE]), samples=[("mum", "id")])


def test_a_file_cut_within_a_compressed_block(run: Any, write_vcf: Any, tmp_path: Path) -> None:
    whole = _bgzip(write_vcf(_many(20_000))).read_bytes()
    path = tmp_path / "cut.vcf.gz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceTruncated) as caught:
        run(path)
    assert 5_000 < caught.value.record < 15_000
    assert caught.value.offset > 100_000
    assert "cut.vcf.gz" in str(caught.value)


def test_a_file_cut_between_blocks(run: Any, write_vcf: Any, tmp_path: Path) -> None:
    path = tmp_path / "cut.vcf.gz"
    path.write_bytes(_bgzip(write_vcf(_many(100))).read_bytes()[:-28])
    with pytest.raises(SourceTruncated, match="end marker") as caught:
        run(path)
    assert caught.value.record == 100


def test_a_plain_file_cut_within_a_line(run: Any, write_vcf: Any) -> None:
    path = write_vcf(_many(50))
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(SourceTruncated, match="ends within a line"):
        run(path)


def test_a_flipped_bit(run: Any, write_vcf: Any, tmp_path: Path) -> None:
    whole = bytearray(_bgzip(write_vcf(_many(20_000))).read_bytes())
    whole[len(whole) // 2] ^= 0x10
    path = tmp_path / "flip.vcf.gz"
    path.write_bytes(whole)
    with pytest.raises((SourceCorrupt, SourceTruncated)) as caught:
        run(path)
    assert caught.value.record > 0


@pytest.mark.parametrize("part", [0.5, 0.02])
def test_a_cut_bcf(run: Any, write_vcf: Any, tmp_path: Path, part: float) -> None:
    head = "##contig=<ID=one,length=46>\n##contig=<ID=two,length=26>\n" + "".join(
        f'##{kind}=<ID={name},Number={number},Type={type_},Description="x">\n'
        for kind, name, number, type_ in (("INFO", "NUMBER", 1, "Integer"), ("FORMAT", "GT", 1, "String"), ("FORMAT", "DP", 1, "Integer"),
                                          ("FORMAT", "AD", "R", "Integer"))
    )  # fmt: skip
    whole = tmp_path / "whole.bcf"
    pysam.bcftools.view("-Ob", "-o", str(whole), str(write_vcf(_many(30_000), contigs=head)), catch_stdout=False)
    path = tmp_path / "cut.bcf"
    path.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * part)])
    with pytest.raises((SourceCorrupt, SourceTruncated)):
        run(path)


def test_a_file_that_is_not_the_announced_one_gives_no_manifest(run: Any, write_vcf: Any) -> None:
    path = write_vcf([LINE])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert run(path, announced=digest.upper()).manifest.source_digest == digest
    path.write_text(path.read_text().replace("0/1:30", "0/1:31"))
    with pytest.raises(DigestMismatch, match="announce it again"):
        run(path, announced=digest)


def test_contigs_whose_records_do_not_stand_together(run: Any, write_vcf: Any) -> None:
    with pytest.raises(ContigsScattered) as caught:
        run(write_vcf([LINE, "two 5 . C T . . . GT 0/1", LINE]))
    assert caught.value.record == 2


def test_a_line_without_end(run: Any, write_vcf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processors.ingest.parser.MAX_LINE", 300_000)
    path = write_vcf([LINE, "one 1 . A C . . X=" + "x" * 2_000_000 + " GT 0/1"])
    with pytest.raises(LineTooLong) as caught:
        run(path, block=100_000)
    assert caught.value.record == 1


def test_a_long_line_makes_the_buffer_grow(run: Any, write_vcf: Any) -> None:
    path = write_vcf([LINE, "one 5 . A C . . X=" + "x" * 500_000 + " GT 0/1", "one 13 . T C . . . GT 0/1"])
    assert len(run(path, block=70_000).rows) == 3


def test_errors_tell_where_and_carry_it_as_numbers() -> None:
    error = SourceError(Path("a.vcf"), "is odd", offset=1234).at_record(5)
    assert str(error) == "a.vcf (uncompressed byte 1,234, record 5): is odd"
    assert (error.offset, error.record) == (1234, 5)
