"""Packs: folders of memory-mapped arrays with a manifest, written atomically and named by their content.

`<root>/<kind>/<name>@<version>-<digest12>/` holds one `.npy` an array and `pack.json`. A pack appears by one rename, so a killed
build leaves nothing half-valid, and two builds of the same content are one pack. `<root>/active.json` says which packs a build uses now.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FORMAT_VERSION = 1


class PackError(Exception):
    """A pack is missing, damaged or of another format; the message names it and what to do."""


@dataclass(frozen=True)
class Pack:
    """One pack on disk. `digest` (32 hex) covers the arrays and what the manifest says of their meaning."""

    kind: str
    name: str
    version: str
    build: str
    digest: str
    rows: int
    path: Path
    extra: Mapping[str, Any]

    def array(self, name: str) -> npt.NDArray[Any]:
        """One array, memory-mapped read-only, shared between processes."""
        values: npt.NDArray[Any] = np.load(self.path / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return values


def write_pack(
    root: Path,
    *,
    kind: str,
    name: str,
    version: str,
    build: str,
    arrays: Mapping[str, npt.NDArray[Any]],
    rows: int,
    extra: Mapping[str, Any] | None = None,
) -> Pack:
    """Write a pack (or find the same content already there) and return it. `extra` is JSON: vocabularies, origin, licence, counts."""
    work = work_folder(root, kind)
    try:
        for key, values in arrays.items():
            np.save(work / f"{key}.npy", np.ascontiguousarray(values), allow_pickle=False)
        return seal_pack(work, root, kind=kind, name=name, version=version, build=build, rows=rows, extra=extra)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def work_folder(root: Path, kind: str) -> Path:
    """A fresh folder beside the packs of a kind, on their file system; a build that is killed leaves no more than this."""
    folder = root / kind
    folder.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=".building-", dir=folder))


def seal_pack(
    work: Path,
    root: Path,
    *,
    kind: str,
    name: str,
    version: str,
    build: str,
    rows: int,
    extra: Mapping[str, Any] | None = None,
) -> Pack:
    """Make a pack of a work folder whose `.npy` files are complete: digest, manifest, one rename. Of the same content there is one pack."""
    meaning = {
        "kind": kind,
        "name": name,
        "version": version,
        "build": build,
        "format": FORMAT_VERSION,
        "rows": rows,
        "extra": dict(extra or {}),
    }
    digest = content_digest(work, meaning)
    with (work / "pack.json").open("w") as handle:
        handle.write(json.dumps({**meaning, "digest": digest}, indent=1, sort_keys=True) + "\n")
        handle.flush()
        os.fsync(handle.fileno())  # a rename may reach the disk before what it names
    target = root / kind / f"{name}@{version}-{digest[:12]}"
    try:
        if not target.exists():
            work.rename(target)
    except OSError:
        if not target.exists():  # the same pack by another build, between the question and the rename
            raise
    return read_pack(target)


def content_digest(folder: Path, meaning: Mapping[str, Any]) -> str:
    """Digest of a pack's content: its `.npy` files, which are then on disk, and its manifest without the digest."""
    state = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.glob("*.npy"), key=lambda path: path.stem):
        with path.open("rb") as handle:
            state.update(path.stem.encode() + b"\0" + hashlib.file_digest(handle, hashlib.blake2b).digest())
            os.fsync(handle.fileno())
    state.update(json.dumps(meaning, sort_keys=True).encode())
    return state.hexdigest()


def read_pack(path: Path) -> Pack:
    """The pack in a folder. Raises PackError."""
    try:
        raw = json.loads((path / "pack.json").read_text())
        if raw["format"] != FORMAT_VERSION:
            raise PackError(f"{path}: pack format {raw['format']}, this version reads {FORMAT_VERSION}; build it again")
        return Pack(raw["kind"], raw["name"], raw["version"], raw["build"], raw["digest"], raw["rows"], path, raw["extra"])
    except (OSError, ValueError, KeyError) as error:
        raise PackError(f"{path}: not a readable pack ({error}); build it again") from error


def list_packs(root: Path) -> list[Pack]:
    """All packs below a root, by kind, name and version."""
    return [read_pack(path.parent) for path in sorted(root.glob("*/*/pack.json")) if not path.parent.name.startswith(".")]


def find_pack(root: Path, digest: str) -> Pack:
    """The pack with a digest. Raises PackError where this machine does not have it."""
    for path in root.glob(f"*/*-{digest[:12]}/pack.json"):
        pack = read_pack(path.parent)
        if pack.digest == digest:
            return pack
    raise PackError(f"no pack {digest[:12]} below {root}; copy it there or build it with `riverseq reference` / `riverseq knowledge`")


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".active.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _read_active(root: Path) -> dict[str, dict[str, str]]:
    try:
        value: dict[str, dict[str, str]] = json.loads((root / "active.json").read_text())
        return value
    except FileNotFoundError:
        return {}


def activate(root: Path, pack: Pack) -> None:
    """Make a pack the one its build uses for its kind, from the next admitted sample on."""
    with _locked(root):
        active = _read_active(root)
        active.setdefault(pack.build, {})[pack.kind] = pack.digest
        fresh = root / ".active.json.new"
        fresh.write_text(json.dumps(active, indent=1, sort_keys=True) + "\n")
        fresh.replace(root / "active.json")


def active_packs(root: Path, build: str) -> dict[str, Pack]:
    """Kind → pack that a build uses now. Packs of the build `any` (models) serve every build."""
    active = _read_active(root)
    chosen = {**active.get("any", {}), **active.get(build, {})}
    return {kind: find_pack(root, digest) for kind, digest in sorted(chosen.items())}


def active_builds(root: Path) -> list[str]:
    """Builds that have a genome."""
    return sorted(build for build, kinds in _read_active(root).items() if "genome" in kinds)


def active_digests(root: Path) -> frozenset[str]:
    """Digests of all packs that any build uses now."""
    return frozenset(digest for kinds in _read_active(root).values() for digest in kinds.values())
