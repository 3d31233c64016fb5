"""`reference install`: from what a publisher's site holds to packs in use."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from processors.knowledge.download import _bsd_sum, addresses
from processors.knowledge.pack import active_packs
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
    site.files[where] = site.files.get(where, b"") + f"{_bsd_sum(file)} {path.rsplit('/', 1)[1]}\n".encode()


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
