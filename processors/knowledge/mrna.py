"""Transcripts' own sequences (RefSeq mRNA FASTA), where they differ from the genome.

A RefSeq transcript is a sequence of its own, and some have other bases than the genome (NM_000059.3). Where its length is that of the
exons, its bases take the place of the genome's, so that names and residues are those of the transcript. Where the length differs, exon
positions cannot be carried over without an alignment: the genome's bases stay, and the transcript is flagged.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from processors.knowledge.gff import GeneModelError
from processors.knowledge.gff_lines import text_lines
from processors.knowledge.transcripts import Status

_UPPER = bytes.maketrans(b"acgtuU", b"ACGTTT")
_KNOWN = np.isin(np.arange(256), np.frombuffer(b"ACGT", dtype=np.uint8))


@dataclass(frozen=True)
class OwnSequences:
    """Bases of some transcripts by name with version, upper case, 5' to 3'."""

    source: str
    sha256: str
    bases: dict[str, bytes]


def read_mrna(path: Path, wanted: Container[str]) -> OwnSequences:
    """The records of a FASTA (plain or gzip) whose names, with version, are `wanted`. Raises GeneModelError."""
    found: dict[str, list[bytes]] = {}
    begun = False
    keep: list[bytes] | None = None
    try:
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        for line in text_lines(path):
            if not begun and not line.startswith(">"):
                raise GeneModelError(f"{path}: does not begin with a `>name` line; give a FASTA of transcripts")
            begun = True
            if line.startswith(">"):
                name = (line[1:].split(maxsplit=1) or [""])[0]
                name = name.split("|")[1] if name.startswith(("ref|", "gb|")) else name
                keep = found.setdefault(name, []) if name in wanted and name not in found else None
            elif keep is not None:
                keep.append(line.strip().encode().translate(_UPPER))
    except (OSError, EOFError) as error:
        raise GeneModelError(f"{path}: cannot be read ({error})") from error
    return OwnSequences(path.name, digest, {name: b"".join(parts) for name, parts in found.items()})


def own_bases(genome: npt.NDArray[np.uint8], mrna: bytes, status: int, warnings: Counter[str]) -> tuple[npt.NDArray[np.uint8], int]:
    """(bases, status bits) of a transcript whose spliced genome sequence is `genome`, uint8[n], and whose own one is `mrna`.

    A poly-A tail behind the last exon is no difference. Bases that `mrna` does not know stay the genome's, and the other way round.
    """
    size = len(genome)
    if len(mrna) > size and not mrna[size:].strip(b"A"):
        mrna = mrna[:size]
    if len(mrna) != size:
        warnings["mrna_of_other_length"] += 1
        return genome, status | int(Status.DIFFERS_FROM_GENOME)
    own = np.frombuffer(mrna, dtype=np.uint8)
    known = _KNOWN[own]
    differs = bool(np.any(known & _KNOWN[genome] & (own != genome)))
    status = status | int(Status.DIFFERS_FROM_GENOME) if differs else status & ~int(Status.DIFFERS_FROM_GENOME)
    warnings["mrna_not_as_genome"] += differs
    return np.where(known, own, genome), status
