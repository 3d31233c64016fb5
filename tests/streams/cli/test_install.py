"""`reference install`: from what a publisher's site holds to packs in use."""

from __future__ import annotations

import gzip
import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from processors.knowledge.download import addresses, bsd_sum
from processors.knowledge.genome import build_genome
from processors.knowledge.pack import activate, active_packs
from streams.cli.app import run
from tests.publisher import Site, publisher


@pytest.fixture
def site() -> Iterator[Site]:
    with publisher() as found:
        yield found


def _publish(site: Site, url: str, data: bytes, folder: Path) -> None:
    path = "/" + url.removeprefix("https://")
    file = folder / "published"
    file.write_bytes(data)
    site.files[path] = data
    where = path.rsplit("/", 1)[0] + "/CHECKSUMS"
    site.files[where] = site.files.get(where, b"") + f"{bsd_sum(file)} {path.rsplit('/', 1)[1]}\n".encode()


def test_a_build_is_installed_from_a_mirror_of_the_public_sites(tmp_path: Path, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    table = addresses()
    bases = "".join(random.Random(1).choices("ACGT", k=16_569))
    models = "##gff-version 3\n" + "".join(
        f"MT\tt\t{kind}\t101\t400\t.\t+\t{phase}\t{extra}\n"
        for kind, phase, extra in (
            ("gene", ".", "ID=gene:G1;Name=G;biotype=protein_coding"),
            ("mRNA", ".", "ID=transcript:T1;Parent=gene:G1;biotype=protein_coding"),
            ("exon", ".", "Parent=transcript:T1"),
            ("CDS", "0", "Parent=transcript:T1;protein_id=P1"),
        )
    )
    _publish(site, table["genome"]["GRCh37"].url, gzip.compress(f">MT\n{bases}\n".encode()), tmp_path)
    _publish(site, table["transcripts"]["GRCh37"].url, gzip.compress(models.encode()), tmp_path)
    state = ["--state", str(tmp_path / "state")]
    assert run(["reference", "install", "hg19", "--mirror", site.base, *state]) == 0
    shown = capsys.readouterr()
    assert "no restriction on use" in shown.err
    assert "GRCh37 transcripts" in shown.out
    packs = active_packs(tmp_path / "state" / "packs", "GRCh37")
    assert {"genome", "transcripts"} <= set(packs)
    assert packs["transcripts"].version == "ensembl-87"


def test_a_build_that_is_not_published_says_which_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["reference", "install", "T2T", "--state", str(tmp_path)]) == 2
    assert "genome is not published for T2T (for GRCh37, GRCh38)" in capsys.readouterr().err


def test_a_damaged_genome_is_not_installed(tmp_path: Path, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    url = addresses()["genome"]["GRCh37"].url
    _publish(site, url, b"whole", tmp_path)
    site.files["/" + url.removeprefix("https://")] = b"wh0le"
    state = tmp_path / "state"
    assert run(["reference", "install", "GRCh37", "--mirror", site.base, "--state", str(state)]) == 1
    assert "its bsd is" in capsys.readouterr().err
    assert active_packs(state / "packs", "GRCh37") == {}


CLINVAR = """##fileformat=VCFv4.1
##fileDate=20260201
##reference=GRCh37
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO
MT\t{position}\t7\t{ref}\t{alt}\t.\t.\tCLNSIG=Pathogenic;CLNREVSTAT=reviewed_by_expert_panel;CLNDN=x
"""


@pytest.fixture
def registered(tmp_path: Path) -> tuple[list[str], str]:
    """The options of a state folder with a genome, and the bases of its mitochondrion."""
    bases = "".join(random.Random(1).choices("ACGT", k=16_569))
    (tmp_path / "g.fa").write_text(f">MT\n{bases}\n")
    packs = tmp_path / "state" / "packs"
    activate(packs, build_genome(tmp_path / "g.fa", packs, "GRCh37", "1"))
    return ["--state", str(tmp_path / "state")], bases


def _clinvar(site: Site, bases: str) -> None:
    path = "/" + addresses()["clinvar"]["GRCh37"].url.removeprefix("https://")
    ref = bases[99]
    data = gzip.compress(CLINVAR.format(position=100, ref=ref, alt="A" if ref != "A" else "C").encode())
    site.files |= {path: data, f"{path}.md5": hashlib.md5(data, usedforsecurity=False).hexdigest().encode() + b"  clinvar.vcf.gz"}


def test_clinvar_is_installed_under_the_date_that_its_file_says(
    tmp_path: Path, site: Site, registered: tuple[list[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    state, bases = registered
    _clinvar(site, bases)
    assert run(["knowledge", "install", "clinvar", "--build", "GRCh37", "--mirror", site.base, *state]) == 0
    shown = capsys.readouterr()
    assert "public domain" in shown.err
    pack = active_packs(tmp_path / "state" / "packs", "GRCh37")["clinvar"]
    assert (pack.version, pack.extra["date"], pack.rows) == ("2026-02-01", "2026-02-01", 1)


def test_what_is_not_free_to_use_asks_first_and_the_commercial_profile_refuses_it(
    site: Site, registered: tuple[list[str], str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ["knowledge", "install", "revel", "--build", "GRCh37", "--mirror", site.base, *registered[0]]
    assert run(line) == 2
    assert "--accept-licence" in capsys.readouterr().err
    monkeypatch.setenv("RIVERSEQ_PROFILE", "commercial")
    assert run([*line, "--accept-licence"]) == 2
    assert "the profile `commercial` refuses it" in capsys.readouterr().err
    assert site.asked == []


def test_what_a_login_guards_says_where_to_get_it(registered: tuple[list[str], str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["knowledge", "install", "dbnsfp", "--build", "GRCh38", *registered[0]]) == 2
    assert "after registration" in capsys.readouterr().err


def test_a_published_file_of_another_build_is_not_used(
    tmp_path: Path, site: Site, registered: tuple[list[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    state, bases = registered
    _clinvar(site, bases.translate(str.maketrans("ACGT", "CATG")))
    assert run(["knowledge", "install", "clinvar", "--build", "GRCh37", "--mirror", site.base, *state]) == 1
    assert "no allele of it lies on GRCh37" in capsys.readouterr().err
    assert "clinvar" not in active_packs(tmp_path / "state" / "packs", "GRCh37")
