"""Names of contigs in a file → contigs of the build, or the fault that records of such a name get."""

from __future__ import annotations

from collections.abc import Sequence

from processors.ingest.faults import Fault
from processors.ingest.source import HeaderContig
from schemas.assembly import MITOCHONDRION_LENGTH, ContigTable

_HG19_NAMES = ("chrM", "M")
"""Names under which hg19 knows NC_001807 (16,571 bases); on GRCh37 they need a stated length of rCRS to be MT."""


class ContigResolver:
    """Resolves CHROM names by the build's table and the lengths that the header states."""

    def __init__(self, table: ContigTable, header: Sequence[HeaderContig]) -> None:
        self._table = table
        self._lengths = {contig.name: contig.length for contig in header}

    def resolve(self, name: str) -> int | Fault:
        """Index of a contig of the table, or why there is none."""
        number = self._table.resolve(name)
        if number is None:
            return Fault.UNKNOWN_CONTIG
        contig = self._table.contigs[number]
        if contig.name == "MT" and contig.length == MITOCHONDRION_LENGTH:
            stated = self._lengths.get(name)
            if stated is None and self._table.build == "GRCh37" and name in _HG19_NAMES:
                return Fault.MITOCHONDRION_NOT_RCRS
            if stated is not None and stated != MITOCHONDRION_LENGTH:
                return Fault.MITOCHONDRION_NOT_RCRS
        return number
