"""Does the file belong to the declared build? Asked before the first chunk, and again at the end of the file.

The rule. Refused are: any contig whose stated length contradicts the build (a mitochondrion that is not rCRS excepted: its records become
faults); any contig that only the other human build knows by that accession; a start of the file in which no record's contig is of the
build; and REFs that contradict known bases at more than 1 % of the checkable alleles, if these are at least ten, or at more than half,
if these are at least three. "Before the first chunk" means within the first 10,000 records; a partial reference may hold nothing there,
so the REF rule is applied once more to the whole file, when its manifest can still be withheld.
"""

from __future__ import annotations

from pathlib import Path

from processors.ingest.errors import BuildContradiction
from processors.ingest.source import SourceHeader
from schemas.assembly import MITOCHONDRION_LENGTH, ContigTable, contig_table

LOOK_AHEAD = 10_000
"""Records that are read before the first chunk is given."""
SHARE, ENOUGH = 0.01, 10
MOST, FEW = 0.5, 3
EXAMPLES = 3


class BuildCheck:
    """Gathers what speaks for and against the declared build."""

    def __init__(self, path: Path, table: ContigTable) -> None:
        self._path = path
        self._table = table
        self._known = 0
        self._unknown = 0
        self._checkable = 0
        self._wrong = 0
        self._unknown_names: list[str] = []
        self._examples: list[str] = []

    def header(self, header: SourceHeader) -> None:
        """Refuse contigs whose length or accession contradicts the build."""
        wrong: list[str] = []
        for contig in header.contigs:
            number = self._table.resolve(contig.name)
            if number is None:
                if other := self._other_build(contig.name):
                    wrong.append(f"{contig.name} is of {other}")
                continue
            ours = self._table.contigs[number]
            mitochondrion = ours.name == "MT" and ours.length == MITOCHONDRION_LENGTH
            if contig.length not in (None, ours.length) and not mitochondrion:
                wrong.append(f"{contig.name} has {contig.length:,} bases, in {self._table.build} {ours.length:,}")
        if wrong:
            hint = f"; its header speaks of {header.build_hint}" if header.build_hint else ""
            raise BuildContradiction(
                self._path,
                f"{len(wrong):,} contigs of its header contradict {self._table.build}: {'; '.join(wrong[:EXAMPLES])}{hint}; "
                "submit it with the build it was made for",
            )

    def _other_build(self, name: str) -> str:
        if not name.startswith("NC_"):
            return ""
        for build in ("GRCh37", "GRCh38"):
            if build != self._table.build and contig_table(build).resolve(name) is not None:
                return build
        return ""

    def contig(self, name: str, known: bool, records: int) -> None:
        """Count records of one contig name; a mitochondrion that is not rCRS counts as known."""
        if known:
            self._known += records
            return
        self._unknown += records
        if name not in self._unknown_names and len(self._unknown_names) < EXAMPLES:
            self._unknown_names.append(name)

    def references(self, checkable: int, wrong: int) -> None:
        """Count alleles whose REF was compared with known bases, or does not lie on its contig."""
        self._checkable += checkable
        self._wrong += wrong

    @property
    def wants_examples(self) -> int:
        return EXAMPLES - len(self._examples)

    def example(self, text: str) -> None:
        self._examples.append(text)

    def decide(self) -> None:
        """Raise BuildContradiction where what was gathered so far contradicts the build."""
        if self._unknown and not self._known:
            raise BuildContradiction(
                self._path,
                f"none of {self._unknown:,} records lies on a contig of {self._table.build}: {', '.join(self._unknown_names)}; "
                "submit it with the build it was made for, or rename its contigs",
            )
        many = self._wrong >= ENOUGH and self._wrong > SHARE * self._checkable
        most = self._wrong >= FEW and self._wrong > MOST * self._checkable
        if many or most:
            raise BuildContradiction(
                self._path,
                f"{self._wrong:,} of {self._checkable:,} checkable REFs contradict {self._table.build}: {'; '.join(self._examples)}; "
                "submit it with the build it was made for",
            )
