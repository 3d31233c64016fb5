"""Downloads from a server of the same layout as the public ones: resumed, checked, and whole or not there."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from processors.knowledge.download import ATTEMPTS, Address, DownloadFailed, addresses, fetch
from processors.knowledge.kinds import KINDS, Licence
from tests.publisher import Site, publisher

DATA = bytes(range(256)) * 5_000


@pytest.fixture
def site() -> Iterator[Site]:
    with publisher() as found:
        yield found


def _address(**values: Any) -> Address:
    return Address(**{"kind": "clinvar", "build": "GRCh38", "licence": Licence.OPEN, "notice": "", "url": "https://host/d/f.gz", **values})


def _fetch(site: Site, folder: Path, address: Address) -> Any:
    return fetch(address, folder, mirror=site.base, wait=lambda seconds: None)


def test_a_file_is_fetched_whole_with_the_day_of_the_servers_clock(tmp_path: Path, site: Site) -> None:
    site.files["/host/d/f.gz"] = DATA
    (found,) = _fetch(site, tmp_path, _address())
    assert found.path.read_bytes() == DATA
    assert (found.url, found.modified) == ("https://host/d/f.gz", "2023-11-14")


def test_a_broken_connection_goes_on_where_it_broke_off(tmp_path: Path, site: Site) -> None:
    site.files["/host/d/f.gz"] = DATA
    site.cut = [300_000, 500_000]
    (found,) = _fetch(site, tmp_path, _address())
    assert found.path.read_bytes() == DATA
    assert [wanted for _, wanted in site.asked] == ["", "bytes=300000-", "bytes=800000-"]


def test_a_killed_download_goes_on_at_the_next_command(tmp_path: Path, site: Site) -> None:
    site.files["/host/d/f.gz"] = DATA
    site.cut = [10_000] * ATTEMPTS
    with pytest.raises(DownloadFailed, match="60,000 bytes are kept"):
        _fetch(site, tmp_path, _address())
    assert not (tmp_path / "f.gz").exists()
    (found,) = _fetch(site, tmp_path, _address())
    assert found.path.read_bytes() == DATA
    assert site.asked[-1][1] == "bytes=60000-"


def test_another_version_on_the_server_begins_anew(tmp_path: Path, site: Site) -> None:
    site.files["/host/d/f.gz"] = DATA
    site.cut = [10_000] * ATTEMPTS
    with pytest.raises(DownloadFailed):
        _fetch(site, tmp_path, _address())
    site.files["/host/d/f.gz"], site.etag = DATA[::-1], '"two"'
    (found,) = _fetch(site, tmp_path, _address())
    assert found.path.read_bytes() == DATA[::-1]


def test_a_file_that_is_here_is_not_fetched_again(tmp_path: Path, site: Site) -> None:
    site.files["/host/d/f.gz"] = DATA
    _fetch(site, tmp_path, _address())
    before = len(site.asked)
    (found,) = _fetch(site, tmp_path, _address())
    assert (len(site.asked), found.path.read_bytes()) == (before, DATA)


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_a_checksum_beside_the_file_is_checked(tmp_path: Path, site: Site, algorithm: str) -> None:
    digest = hashlib.new(algorithm, DATA).hexdigest()
    site.files |= {"/host/d/f.gz": DATA, f"/host/d/f.gz.{algorithm}": f"{digest}  f.gz\n".encode()}
    (found,) = _fetch(site, tmp_path, _address(checksum=f".{algorithm}"))
    assert found.digest == f"{algorithm}:{digest}"


def test_the_sums_of_an_ensembl_folder_are_checked(tmp_path: Path, site: Site) -> None:
    # 4096 1250 is what `sum` of coreutils prints of these bytes
    site.files |= {"/host/d/f.gz": DATA, "/host/d/CHECKSUMS": b"1 2 other.gz\n4096 1250 f.gz\n"}
    (found,) = _fetch(site, tmp_path, _address(checksum="CHECKSUMS"))
    assert found.digest == "bsd:4096 1250"


def test_the_stores_own_hash_is_checked(tmp_path: Path, site: Site) -> None:
    site.files["/host/d/f.gz"] = DATA
    right = base64.b64encode(hashlib.md5(DATA, usedforsecurity=False).digest()).decode()
    site.headers["x-goog-hash"] = f"crc32c=AAAAAA==,md5={right}"
    (found,) = _fetch(site, tmp_path, _address(checksum="header"))
    assert found.digest.startswith("md5:")


def test_a_damaged_download_is_removed_and_named(tmp_path: Path, site: Site) -> None:
    site.files |= {"/host/d/f.gz": DATA[:-1] + b"x", "/host/d/f.gz.md5": hashlib.md5(DATA, usedforsecurity=False).hexdigest().encode()}
    with pytest.raises(DownloadFailed, match=r"f\.gz: its md5 is .*, published is .*try again"):
        _fetch(site, tmp_path, _address(checksum=".md5"))
    assert list(tmp_path.iterdir()) == []


def test_a_checksum_that_cannot_be_had_lets_nothing_through(tmp_path: Path, site: Site) -> None:
    site.files["/host/d/f.gz"] = DATA
    with pytest.raises(DownloadFailed, match=r"checksum of .* cannot be had"):
        _fetch(site, tmp_path, _address(checksum=".md5"))
    assert not (tmp_path / "f.gz").exists()


def test_an_address_that_is_not_there_is_told_at_once(tmp_path: Path, site: Site) -> None:
    with pytest.raises(DownloadFailed, match="404"):
        _fetch(site, tmp_path, _address())
    assert len(site.asked) == 1


def test_every_chromosome_of_a_source_is_fetched(tmp_path: Path, site: Site) -> None:
    site.files |= {f"/host/chr{name}.gz": name.encode() for name in ("1", "X")}
    found = _fetch(site, tmp_path, _address(url="https://host/chr{chrom}.gz", chroms=("1", "X")))
    assert [one.path.read_text() for one in found] == ["1", "X"]


def test_the_wanted_file_of_an_archive_is_unpacked(tmp_path: Path, site: Site) -> None:
    archive = tmp_path / "made.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("table", "inside")
    site.files["/host/a.zip"] = archive.read_bytes()
    (found,) = _fetch(site, tmp_path / "d", _address(url="https://host/a.zip", member="table"))
    assert found.path.read_text() == "inside"


def test_what_a_program_may_not_fetch_says_what_to_do(tmp_path: Path, site: Site) -> None:
    with pytest.raises(DownloadFailed, match="after registration"):
        _fetch(site, tmp_path, _address(by_hand="given out after registration"))


def test_every_address_is_of_a_known_kind_and_says_its_terms() -> None:
    table = addresses()
    assert set(table) - {"genome", "transcripts", "mane"} <= set(KINDS)
    for builds in table.values():
        for address in builds.values():
            assert address.notice
            assert bool(address.url) != bool(address.by_hand)
            assert not address.url or (address.url.startswith("https://") and address.version)
    for kind in KINDS:
        if kind in table:
            assert {address.licence for address in table[kind].values()} == {KINDS[kind].licence}
