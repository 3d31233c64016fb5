"""Whether a pack on disk is what it was when it was built: its digest, its keys in order, its offsets and values in range."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from processors.knowledge.kinds import kind_of
from processors.knowledge.pack import Pack, PackError, content_digest, read_pack

_STRETCH = 1 << 22
"""Values looked at in one go: a pack of gnomAD's size does not fit in memory."""


def verify_folder(path: Path) -> list[str]:
    """Everything wrong with the pack in a folder, in words; empty: nothing. Reads all of it."""
    try:
        pack = read_pack(path)
        manifest = json.loads((path / "pack.json").read_text())
    except PackError as error:
        return [str(error)]
    problems = [problem for name in _arrays(path) for problem in _array_problems(pack, name)]
    digest = content_digest(path, {key: value for key, value in manifest.items() if key != "digest"})
    if digest != pack.digest:
        problems.append(f"its content has the digest {digest[:12]}, its manifest says {pack.digest[:12]}: it was damaged")
    if not path.name.endswith(f"-{pack.digest[:12]}"):
        problems.append(f"its folder is not named by its digest {pack.digest[:12]}")
    return problems


def _arrays(path: Path) -> list[str]:
    return sorted(file.stem for file in path.glob("*.npy"))


def _array_problems(pack: Pack, name: str) -> list[str]:
    try:
        values = pack.array(name)
        if name == "keys":
            return _keys(pack, values)
        if name.endswith("_offsets") and values.ndim == 1 and values.dtype.kind in "iu":
            return _offsets(pack, name, values)
        if values.dtype.kind == "f" and values.ndim == 1:
            return _floats(pack, name, values)
    except (OSError, ValueError, EOFError) as error:
        return [f"{name}.npy: unreadable ({error})"]
    return []


def _keys(pack: Pack, values: npt.NDArray[Any]) -> list[str]:
    """Keys of an allele pack ascend, no two alike, one a row."""
    problems = [] if len(values) == pack.rows else [f"keys.npy: {len(values):,} keys, {pack.rows:,} rows"]
    place = _first_break(values, strict=True)
    return problems + ([f"keys.npy: key {place + 1:,} is not above the one before"] if place >= 0 else [])


def _offsets(pack: Pack, name: str, values: npt.NDArray[Any]) -> list[str]:
    place = _first_break(values, strict=False)
    if place >= 0:
        return [f"{name}.npy: entry {place + 1:,} is below the one before"]
    data = pack.path / f"{name.removesuffix('_offsets')}_data.npy"
    if data.exists() and len(values):
        held = len(pack.array(data.stem))
        if int(values[0]) != 0 or int(values[-1]) != held:
            return [f"{name}.npy: tells of {int(values[-1]):,} bytes, {data.name} holds {held:,}"]
    return []


def _floats(pack: Pack, name: str, values: npt.NDArray[Any]) -> list[str]:
    kind = kind_of(pack.kind)
    share = kind is not None and kind.frequency and name.removeprefix("value_") == str(pack.extra.get("main", ""))
    for start in range(0, len(values), _STRETCH):
        part = np.asarray(values[start : start + _STRETCH])
        wrong = np.isinf(part) | ((part < 0) | (part > 1) if share else False)
        if wrong.any():
            row = start + int(np.flatnonzero(wrong)[0])
            return [f"{name}.npy: row {row + 1:,} holds {float(values[row]):g}" + (", no share of 0 to 1" if share else "")]
    return []


def _first_break(values: npt.NDArray[Any], *, strict: bool) -> int:
    """Place of the first value that does not ascend, -1 where all do."""
    for start in range(0, max(len(values) - 1, 0), _STRETCH):
        part = np.asarray(values[start : start + _STRETCH + 1])
        wrong = part[1:] <= part[:-1] if strict else part[1:] < part[:-1]
        if wrong.any():
            return start + int(np.flatnonzero(wrong)[0]) + 1
    return -1
