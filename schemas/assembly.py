"""Assemblies: contig names, lengths, aliases, and the linear coordinate that allele ids are made of.

Positions are 0-based half-open here. Lengths and accessions: NCBI assembly reports GCF_000001405.25 (GRCh37.p13) and
GCF_000001405.40 (GRCh38.p14); pseudo-autosomal regions: Genome Reference Consortium.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

PRIMARY = (*tuple(str(n) for n in range(1, 23)), "X", "Y", "MT")
MITOCHONDRION_LENGTH = 16_569
"""Of the revised Cambridge Reference Sequence (NC_012920.1), the only mitochondrion that is ever called MT."""

_LENGTHS = {
    "GRCh37": (
        249250621, 243199373, 198022430, 191154276, 180915260, 171115067, 159138663, 146364022, 141213431, 135534747,
        135006516, 133851895, 115169878, 107349540, 102531392, 90354753, 81195210, 78077248, 59128983, 63025520,
        48129895, 51304566, 155270560, 59373566, MITOCHONDRION_LENGTH,
    ),
    "GRCh38": (
        248956422, 242193529, 198295559, 190214555, 181538259, 170805979, 159345973, 145138636, 138394717, 133797422,
        135086622, 133275309, 114364328, 107043718, 101991189, 90338345, 83257441, 80373285, 58617616, 64444167,
        46709983, 50818468, 156040895, 57227415, MITOCHONDRION_LENGTH,
    ),
}  # fmt: skip
_ACCESSION_VERSIONS = {
    "GRCh37": (10, 11, 11, 11, 9, 11, 13, 10, 11, 10, 9, 11, 10, 8, 9, 9, 10, 9, 9, 10, 8, 10, 10, 9),
    "GRCh38": (11, 12, 12, 12, 10, 12, 14, 11, 12, 11, 10, 12, 11, 9, 10, 10, 11, 10, 10, 11, 9, 11, 11, 10),
}
BUILD_ALIASES = {
    "grch37": "GRCh37", "hg19": "GRCh37", "b37": "GRCh37", "hs37d5": "GRCh37",
    "grch38": "GRCh38", "hg38": "GRCh38", "b38": "GRCh38",
}  # fmt: skip
PSEUDO_AUTOSOMAL = {
    "GRCh37": {
        "X": ((60_000, 2_699_520), (154_931_043, 155_260_560)),
        "Y": ((10_000, 2_649_520), (59_034_049, 59_363_566)),
    },
    "GRCh38": {
        "X": ((10_000, 2_781_479), (155_701_382, 156_030_895)),
        "Y": ((10_000, 2_781_479), (56_887_902, 57_217_415)),
    },
}
"""Build → contig → 0-based half-open intervals."""


@dataclass(frozen=True)
class Contig:
    """One contig: `name` as riverseq prints it, `offset` its first base's linear coordinate."""

    name: str
    length: int
    offset: int


@dataclass(frozen=True)
class ContigTable:
    """The contigs of a build in a fixed order. A contig's index and offset are the same in every pack of the build."""

    build: str
    contigs: tuple[Contig, ...]
    _index: dict[str, int] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        for number, contig in enumerate(self.contigs):
            self._index[contig.name] = number
        for number, contig in enumerate(self.contigs):
            for alias in _aliases(self.build, contig.name):
                self._index.setdefault(alias, number)

    def resolve(self, name: str, length: int | None = None) -> int | None:
        """Index of a contig by any of its names (`21`, `chr21`, `NC_000021.9`); None where it is not of this build.

        `length`, where the caller's header states one, must agree: a `chrM` of 16,571 bases (hg19's NC_001807) is not MT.
        """
        number = self._index.get(name)
        if number is not None and length is not None and length != self.contigs[number].length:
            return None
        return number

    def locate(self, linear: int) -> tuple[str, int]:
        """(contig name, 0-based position) of a linear coordinate."""
        low, high = 0, len(self.contigs)
        while high - low > 1:
            middle = (low + high) // 2
            if self.contigs[middle].offset <= linear:
                low = middle
            else:
                high = middle
        return self.contigs[low].name, linear - self.contigs[low].offset


def contig_table(build: str, extra: Sequence[tuple[str, int]] = ()) -> ContigTable:
    """Table of a build: its primary contigs, whether or not a FASTA holds them, then `extra` (name, length) in the order given.

    A build that is neither GRCh37 nor GRCh38 (a laboratory's own, the demo's) consists of `extra` alone. The whole must stay below 2^32.
    """
    rows: list[tuple[str, int]] = list(zip(PRIMARY, _LENGTHS.get(build, ()), strict=False)) if build in _LENGTHS else []
    known = {name for name, _ in rows}
    accepted = {alias for name in known for alias in _aliases(build, name)} | known
    rows += [(name, length) for name, length in extra if name not in accepted]
    contigs: list[Contig] = []
    offset = 0
    for name, length in rows:
        contigs.append(Contig(name, length, offset))
        offset += length
    if offset >= 2**32:
        raise ValueError(f"{build}: {offset:,} bases do not fit the 32-bit linear coordinate")
    return ContigTable(build, tuple(contigs))


def canonical_build(name: str) -> str:
    """`GRCh37` or `GRCh38` for their usual aliases (`hg19`, `b37`, `hg38`, ...); any other name as it is."""
    return BUILD_ALIASES.get(name.lower(), name)


def accession(build: str, name: str) -> str | None:
    """RefSeq accession of a contig (`NC_000021.9` of 21 in GRCh38); None where it is not a primary contig of a known build."""
    return next((alias for alias in _aliases(build, name) if alias.startswith("NC_")), None)


def _aliases(build: str, name: str) -> list[str]:
    aliases = [name[3:]] if name.startswith("chr") else [f"chr{name}"]
    if build in _LENGTHS and name in PRIMARY:
        if name == "MT":
            return ["chrMT", "chrM", "M", "NC_012920.1"]
        number = PRIMARY.index(name)
        aliases.append(f"NC_{number + 1:06d}.{_ACCESSION_VERSIONS[build][number]}")
    return aliases
