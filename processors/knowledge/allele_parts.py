"""Writing an allele-keyed pack in bounded memory: rows come in blocks, spill to sorted runs, and the runs merge by ranges of keys.

What comes out depends on the rows and their order alone, not on how blocks, runs and parts were cut: of several rows of one allele the
first by the recipe's `preference` is kept, then the earlier one; the others are counted as `duplicate`. So the input may be unsorted. A
long allele whose 31-bit hash another allele of its place already has is counted as `hash_collision` and left out.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from processors.knowledge.allele_columns import Column
from processors.knowledge.allele_merge import merge_runs
from processors.knowledge.allele_runs import Spill
from processors.knowledge.covered import covered_arrays
from processors.knowledge.kinds import Licence, kind_of
from processors.knowledge.lookup import Spelled
from processors.knowledge.pack import Pack, seal_pack, work_folder
from processors.knowledge.source import Request
from processors.knowledge.sources.refused import SourceRefused
from schemas.chunks import Answer

MERGING = 0.9
"""Share of a build's progress at which reading ends and merging begins; reading takes nearly all of the time."""


@dataclass(frozen=True)
class Rows:
    """A block of n rows: allele ids, their REF and ALT, and for each column (and each other name that `preference` uses) n values as
    `allele_columns` says. Several rows may be of one allele."""

    ids: npt.NDArray[np.uint64]
    spelled: Spelled
    columns: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Recipe:
    """What a pack of a source is, beside its rows.

    `preference`: names of numeric columns, most important first, that say which of several rows of one allele is kept: the least value,
    with a `-` before the name the greatest; names that are no columns are given in the rows and not stored. `duplicates` says the same in
    words. `filtered`: name of a boolean in the rows: the record failed the source's own filter. `covered`: BED of the regions that the
    source covers; `floor`: value of `main` below which it lists no allele. `maxima`: columns whose greatest value the manifest tells.
    `empty`: what is wrong with a file of which no row can be used.
    """

    columns: tuple[Column, ...]
    main: str
    default: Answer
    preference: tuple[str, ...] = ()
    duplicates: str = "the earlier record"
    filtered: str = ""
    covered: Path | None = None
    floor: float = 0.0
    maxima: tuple[str, ...] = ()
    empty: str = "holds no row that can be used"
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        numbers = {column.name for column in self.columns if column.dtype not in ("text", "code", "flags")}
        if self.main and self.main not in numbers:
            raise ValueError(f"the main column {self.main!r} is no number of {sorted(numbers)}")
        if self.default not in (Answer.ABSENT, Answer.UNKNOWN):
            raise ValueError("an allele that is not there is ABSENT or UNKNOWN")

    @property
    def sort_keys(self) -> tuple[tuple[str, bool], ...]:
        """(name, descending) of the preference."""
        return tuple((name.removeprefix("-"), name.startswith("-")) for name in self.preference)


def write_allele_pack(
    request: Request,
    columns: Iterable[Column],
    blocks: Iterable[Rows],
    *,
    main: str,
    default: Answer,
    preference: Iterable[str] = (),
    duplicates: str = "the earlier record",
    filtered: str = "",
    covered: Path | None = None,
    floor: float = 0.0,
    tally: Counter[str] | None = None,
    sha256: str | Callable[[], str] = "",
    extra: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None,
) -> Pack:
    """A pack of `request.kind` from rows that come in one stream, in any order; memory stays bounded. See Recipe for the arguments.

    `tally`: reasons → counts, read after the last block. `sha256` and `extra` may be functions, called then too; without `sha256` the
    files are hashed here. Raises sources.refused.SourceRefused where no row came, and whatever `blocks` raises; nothing is left then.
    """
    recipe = Recipe(tuple(columns), main, default, tuple(preference), duplicates, filtered, covered, floor)
    work = work_folder(request.root, request.kind)
    try:
        spill = Spill(work / "runs", recipe)
        for block in blocks:
            spill.add(block)
        spill.flush()
        counts = Counter(tally or {})
        said = extra() if callable(extra) else extra or {}
        digest = sha256() if callable(sha256) else sha256
        return finish_pack(request, recipe, work, spill.runs, counts, digest or sha256_of(request.files), said)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def finish_pack(
    request: Request, recipe: Recipe, work: Path, runs: list[Path], tally: Counter[str], sha256: str, extra: Mapping[str, Any]
) -> Pack:
    """Merge sorted runs in `work` into a pack. `tally` is added to. Raises SourceRefused where there is no row."""
    if not runs:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(tally.items()) if count)
        raise SourceRefused(f"{', '.join(map(str, request.files))}: {recipe.empty} ({reasons or 'no record'})")
    table = request.genome.table if request.genome is not None else None
    regions = covered_arrays(recipe.covered, table) if recipe.covered is not None and table is not None else {}
    pack = work / "pack"
    shutil.rmtree(pack, ignore_errors=True)  # of a merge that was killed
    pack.mkdir()
    merged = merge_runs(runs, recipe, pack, tally, _telling(request))
    for name, values in regions.items():
        np.save(pack / f"{name}.npy", values, allow_pickle=False)
    kind = kind_of(request.kind)
    said: dict[str, Any] = {
        "keyed": "allele",
        "source": _names(request),
        "sha256": sha256,
        "licence": request.licence or str(kind.licence if kind is not None else Licence.UNKNOWN),
        "date": request.date,
        "counts": {reason: count for reason, count in sorted(tally.items()) if count},
        "columns": {
            column.name: column.manifest() | ({"vocabulary": merged.words[column.name]} if column.dtype == "code" else {})
            for column in recipe.columns
        },
        "order": [column.name for column in recipe.columns],
        "main": recipe.main,
        "default": int(recipe.default),
        "filtered": bool(recipe.filtered),
        "floor": recipe.floor,
        "covered_regions": bool(regions),
        "duplicates": recipe.duplicates,
        **({"maxima": merged.maxima} if recipe.maxima else {}),
        **recipe.extra,
        **extra,
    }
    return seal_pack(
        pack,
        request.root,
        kind=request.kind,
        name=request.name or request.kind.removeprefix("user."),
        version=request.version,
        build=request.build,
        rows=merged.rows,
        extra=said,
    )


def sha256_of(files: Iterable[Path]) -> str:
    """SHA-256 (hex) of each file, joined by spaces."""
    digests = []
    for path in files:
        with path.open("rb") as handle:
            digests.append(hashlib.file_digest(handle, "sha256").hexdigest())
    return " ".join(digests)


def _names(request: Request) -> str:
    return ", ".join(path.name for path in request.files)


def _telling(request: Request) -> Callable[[float], None]:
    def tell(share: float) -> None:
        if request.progress is not None:
            request.progress(MERGING + (1 - MERGING) * share, "sorting")

    return tell
