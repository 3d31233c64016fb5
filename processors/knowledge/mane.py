"""The MANE summary table: which Ensembl and RefSeq transcripts are one sequence, on GRCh38.

MANE is a statement about two versioned transcripts on GRCh38 (Morales 2022, Nature 604:310). A transcript of another version, or on
another build, may have another sequence: it keeps its partner's name and the tag MANE_UNVERIFIED, never MANE Select.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from processors.knowledge.gff import GeneModelError
from processors.knowledge.gff_lines import text_lines
from processors.knowledge.transcripts import Tag

BUILD = "GRCh38"
_STATUS = {"MANE Select": Tag.MANE_SELECT, "MANE Plus Clinical": Tag.MANE_PLUS_CLINICAL}
_VERIFIED = np.uint16(Tag.MANE_SELECT | Tag.MANE_PLUS_CLINICAL)
_UNVERIFIED = np.uint16(Tag.MANE_UNVERIFIED)


@dataclass(frozen=True)
class ManeTable:
    """`pairs`: transcript (with version, of either set) → (partner, tag). `versions`: name without version → name in the table."""

    source: str
    sha256: str
    pairs: dict[str, tuple[str, Tag]]
    versions: dict[str, str]


def read_mane(path: Path) -> ManeTable:
    """The table of a `MANE.GRCh38.v*.summary.txt` (plain or gzip). Raises GeneModelError where it is none."""
    try:
        lines = [line.rstrip("\r\n") for line in text_lines(path)]
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, EOFError) as error:
        raise GeneModelError(f"{path}: cannot be read ({error})") from error
    heading = lines[0].lstrip("#").split("\t") if lines else []
    try:
        ensembl, refseq, status = (heading.index(name) for name in ("Ensembl_nuc", "RefSeq_nuc", "MANE_status"))
    except ValueError as error:
        raise GeneModelError(f"{path}: has no columns Ensembl_nuc, RefSeq_nuc and MANE_status; give MANE's summary table") from error
    pairs: dict[str, tuple[str, Tag]] = {}
    for number, line in enumerate(lines[1:], 2):
        fields = line.split("\t")
        if len(fields) != len(heading) or fields[status] not in _STATUS:
            raise GeneModelError(f"{path}:{number}: not a row of MANE's summary table")
        tag = _STATUS[fields[status]]
        pairs[fields[ensembl]] = fields[refseq], tag
        pairs[fields[refseq]] = fields[ensembl], tag
    return ManeTable(path.name, digest, pairs, {name.split(".")[0]: name for name in pairs})


def tag_mane(
    names: Sequence[str], tags: npt.NDArray[np.uint16], partners: Sequence[str], build: str, mane: ManeTable | None, warnings: Counter[str]
) -> list[str]:
    """Set and clear the MANE bits of `tags` (in place); the partner of each transcript, empty where it has none.

    Without a table the file's own tags stand, but on GRCh37 they become MANE_UNVERIFIED.
    """
    found = list(partners)
    if build == "GRCh37":
        told = (tags & _VERIFIED) != 0
        warnings["mane_not_verified"] += int(np.count_nonzero(told))
        tags[told] = (tags[told] & ~_VERIFIED) | _UNVERIFIED
    if mane is None:
        return found
    for row, name in enumerate(names):
        listed = mane.versions.get(name.split(".")[0])
        if listed is None:
            continue
        found[row], tag = mane.pairs[listed]
        if listed == name and build == BUILD:
            tags[row] = (tags[row] & ~_VERIFIED) | np.uint16(tag)
            continue
        if not tags[row] & _UNVERIFIED:
            other = "mane_version_differs" if "." in name else "mane_version_unknown"
            warnings[other if build == BUILD else "mane_not_verified"] += 1
        tags[row] = (tags[row] & ~_VERIFIED) | _UNVERIFIED
    return found
