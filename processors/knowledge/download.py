"""Downloading what sources publish: resumed where it broke off, checked, and never taken for whole before it is.

A file appears under its name only when all of it is here and its checksum agrees. Until then it is `NAME.part`, with `NAME.part.json`
beside it saying which version of which address it is part of: another version on the server begins anew.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
import tomllib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import numpy as np
from numba import njit

from processors.knowledge.kinds import Licence
from schemas.assembly import PRIMARY

_PIECE = 1024 * 1024
_TIMEOUT = 60.0
ATTEMPTS = 6
"""Times that a broken connection is taken up again before giving up; each waits twice as long as the one before."""
_CHROMS = tuple(name for name in PRIMARY if name != "MT")


class DownloadFailed(Exception):
    """A file could not be fetched, or is not what its checksum promises; the message names the address and what to do."""


@dataclass(frozen=True)
class Address:
    """Where a kind of knowledge is published for a build; see `addresses.toml` for the fields."""

    kind: str
    build: str
    licence: Licence
    notice: str
    url: str = ""
    checksum: str = ""
    version: str = ""
    date: str = ""
    file: str = ""
    member: str = ""
    by_hand: str = ""
    chroms: tuple[str, ...] = _CHROMS

    def urls(self) -> list[str]:
        """One a file."""
        if "{chrom}" not in self.url:
            return [self.url]
        return [self.url.replace("{chrom}", chrom) for chrom in self.chroms]


@dataclass(frozen=True)
class Fetched:
    """A file that is whole. `digest` is `md5:...`, `sha256:...` or `bsd:...` where the publisher gave one, and agrees with it."""

    path: Path
    url: str
    modified: str  # ISO date by the server's clock, empty where it does not say
    digest: str = ""


@dataclass
class _Part:
    """What is known of a file that is not whole yet."""

    url: str
    validator: str = ""  # ETag, else Last-Modified
    size: int = -1
    modified: str = ""
    sums: dict[str, str] = field(default_factory=dict)


def addresses() -> dict[str, dict[str, Address]]:
    """Kind → build → address, of the project's table."""
    table = tomllib.loads(files("processors.knowledge").joinpath("addresses.toml").read_text())
    return {
        kind: {build: Address(kind, build, **_fields(entry)) for build, entry in builds.items()} for kind, builds in sorted(table.items())
    }


def _fields(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {**entry, "licence": Licence(entry["licence"]), **({"chroms": tuple(entry["chroms"])} if "chroms" in entry else {})}


def fetch(
    address: Address,
    folder: Path,
    *,
    mirror: str = "",
    progress: Callable[[str, int, int], None] | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> list[Fetched]:
    """Every file of an address below `folder`; those that are there already are checked and kept. Raises DownloadFailed.

    `mirror` is the base address of a copy that holds each host as a folder: `MIRROR/HOST/PATH`. `progress` is told (name, bytes here, bytes
    in all or -1).
    """
    if address.by_hand:
        raise DownloadFailed(f"{address.kind} cannot be fetched by a program: {address.by_hand}")
    folder.mkdir(parents=True, exist_ok=True)
    return [_fetch_one(address, url, folder, mirror, progress, wait) for url in address.urls()]


def _fetch_one(
    address: Address, url: str, folder: Path, mirror: str, progress: Callable[[str, int, int], None] | None, wait: Callable[[float], None]
) -> Fetched:
    name = address.file or Path(urlsplit(url).path).name
    target = folder / name
    asked = mirrored(url, mirror)
    part = folder / f"{name}.part"
    note = folder / f"{name}.part.json"
    known = _load(folder / f"{name}.json")
    if target.exists() and known is not None and known.url == asked and known.size == target.stat().st_size:
        return Fetched(_member(address, target), url, known.modified, _first(known.sums))
    for attempt in range(1, ATTEMPTS + 1):
        try:
            state = _download(asked, part, note, lambda here, total: progress and progress(name, here, total))
            break
        except HTTPError as error:
            if error.code < 500 and error.code != 429:
                raise DownloadFailed(f"{asked}: the server answers {error.code} {error.reason}; see addresses.toml, or --mirror") from error
            failure: Exception = error
        except (URLError, HTTPException, OSError) as error:
            failure = error
        if attempt == ATTEMPTS:
            raise DownloadFailed(
                f"{asked}: broke off {ATTEMPTS} times ({failure}); {_size(part):,} bytes are kept, the same command goes on from there"
            ) from failure
        wait(min(2.0**attempt, 60.0))
    expected = _expected(address, asked, name, state)
    for algorithm, wanted in expected.items():
        found = _sum(part, algorithm)
        if found != wanted:
            part.unlink()
            note.unlink(missing_ok=True)
            raise DownloadFailed(f"{asked}: its {algorithm} is {found}, published is {wanted}; the damaged copy was removed, try again")
    state.sums = expected
    (folder / f"{name}.json").write_text(json.dumps(state.__dict__, indent=1) + "\n")
    part.replace(target)
    note.unlink(missing_ok=True)
    return Fetched(_member(address, target), url, state.modified, _first(expected))


def mirrored(url: str, mirror: str) -> str:
    """The address of a file in a mirror, or as it is."""
    where = urlsplit(url)
    return f"{mirror.rstrip('/')}/{where.netloc}{where.path}" if mirror else url


def _download(url: str, part: Path, note: Path, progress: Callable[[int, int], object]) -> _Part:
    """Go on with a part until it is whole. Raises URLError, HTTPError, OSError where the connection breaks."""
    known = _load(note)
    here = _size(part) if known is not None and known.url == url and known.validator else 0
    headers = {"User-Agent": "riverseq", "Accept-Encoding": "identity"}
    if here and known is not None:
        headers |= {"Range": f"bytes={here}-", "If-Range": known.validator}
    try:
        answer = urlopen(Request(url, headers=headers), timeout=_TIMEOUT)  # noqa: S310
    except HTTPError as error:
        if error.code == 416 and known is not None and known.size == here:  # all of it was here
            return known
        raise
    with answer:
        if answer.status != 206:
            here = 0
        state = _state(url, answer, here)
        note.write_text(json.dumps(state.__dict__))
        with part.open("r+b" if here else "wb") as handle:
            handle.seek(here)
            handle.truncate()
            for piece in _pieces(answer):
                handle.write(piece)
                here += len(piece)
                progress(here, state.size)
        if state.size >= 0 and here != state.size:
            raise OSError(f"the connection closed after {here:,} of {state.size:,} bytes")
    return state


def _pieces(answer: HTTPResponse) -> Iterator[bytes]:
    while piece := answer.read(_PIECE):
        yield piece


def _state(url: str, answer: HTTPResponse, here: int) -> _Part:
    headers = answer.headers
    length = headers.get("Content-Length")
    modified = headers.get("Last-Modified", "")
    sums = {}
    for entry in headers.get("x-goog-hash", "").split(","):
        algorithm, _, value = entry.strip().partition("=")
        if algorithm == "md5":
            sums["md5"] = base64.b64decode(value).hex()
    etag = headers.get("ETag", "")
    return _Part(
        url,
        etag if etag and not etag.startswith("W/") else modified,
        here + int(length) if length is not None else -1,
        parsedate_to_datetime(modified).astimezone(UTC).date().isoformat() if modified else "",
        sums,
    )


def _expected(address: Address, url: str, name: str, state: _Part) -> dict[str, str]:
    """Algorithm → digest that the publisher promises. Raises DownloadFailed where the promised checksum cannot be had."""
    if address.checksum == "header":
        return dict(state.sums)
    if not address.checksum:
        return {}
    where = f"{url.rsplit('/', 1)[0]}/CHECKSUMS" if address.checksum == "CHECKSUMS" else url + address.checksum
    try:
        with urlopen(Request(where, headers={"User-Agent": "riverseq"}), timeout=_TIMEOUT) as answer:  # noqa: S310
            text = answer.read(16 * _PIECE).decode(errors="replace")
    except (URLError, OSError) as error:
        raise DownloadFailed(f"{where}: the checksum of {name} cannot be had ({error}); the same command tries again") from error
    if address.checksum == "CHECKSUMS":
        for line in text.splitlines():
            words = line.split()
            if len(words) >= 3 and words[2].rsplit("/", 1)[-1] == name:
                return {"bsd": f"{int(words[0])} {int(words[1])}"}
        raise DownloadFailed(f"{where}: does not name {name}")
    words = text.split()
    if not words:
        raise DownloadFailed(f"{where}: is empty")
    return {address.checksum.removeprefix("."): words[0].lower()}


def _sum(path: Path, algorithm: str) -> str:
    if algorithm == "bsd":
        return bsd_sum(path)
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, algorithm).hexdigest()


def bsd_sum(path: Path) -> str:
    """What the `sum` command of BSD and coreutils prints: a 16-bit rotating sum, and blocks of 1,024 bytes."""
    total, size = np.uint32(0), 0
    with path.open("rb") as handle:
        while piece := handle.read(_PIECE):
            total = _rotate(np.frombuffer(piece, dtype=np.uint8), np.uint32(total))
            size += len(piece)
    return f"{int(total)} {-(-size // 1024)}"


@njit(cache=True, nogil=True)
def _rotate(data, total):  # type: ignore[no-untyped-def]
    for value in data:
        total = ((total >> np.uint32(1)) + ((total & np.uint32(1)) << np.uint32(15)) + np.uint32(value)) & np.uint32(0xFFFF)
    return total


def _member(address: Address, archive: Path) -> Path:
    """The wanted file of a zip archive, unpacked beside it; the file itself where it is none. Raises DownloadFailed."""
    if not address.member:
        return archive
    target = archive.with_name(address.member)
    if target.exists():
        return target
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(address.member) as source:
            partial = target.with_name(target.name + ".part")
            with partial.open("wb") as out:
                while piece := source.read(_PIECE):
                    out.write(piece)
            partial.replace(target)
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise DownloadFailed(f"{archive}: {address.member} cannot be unpacked ({error}); remove the file and try again") from error
    return target


def _load(path: Path) -> _Part | None:
    try:
        return _Part(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _first(sums: Mapping[str, str]) -> str:
    return next((f"{algorithm}:{value}" for algorithm, value in sums.items()), "")
