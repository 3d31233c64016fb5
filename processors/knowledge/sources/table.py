"""Reading a table of alleles (tabs or commas, a row an allele): the same normalised alleles that `sites` makes of a VCF, block by block.

A row without a place on this build is left out and counted; REF is checked against the genome, and a file that contradicts it, or none of
whose alleles lies on it, is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from processors.ingest.faults import Fault
from processors.ingest.normalise import Normalised, normalise
from processors.ingest.source import Source
from processors.knowledge.allele_pack import Rows
from processors.knowledge.genome import Genome
from processors.knowledge.lookup import Spelling
from processors.knowledge.sites_text import allele_faults
from processors.knowledge.sources.sites import judge_build, select_alleles
from processors.knowledge.sources.table_cut import Cells, contigs_of, cut
from processors.knowledge.sources.table_head import ALLELE, Head, read_head
from processors.knowledge.sources.table_text import NO_POSITION, read_positions
from schemas.chunks import Flag
from schemas.identity import allele_ids


@dataclass(frozen=True)
class TableBlock(Cells):
    """The usable alleles of a block."""

    ids: npt.NDArray[np.uint64]
    alleles: Normalised

    def rows(self, keep: npt.NDArray[np.bool_], columns: Mapping[str, object]) -> Rows:
        """Some of the alleles with the values of their columns (of all n)."""
        if bool(keep.all()):
            return Rows(self.ids, _spelling(self.alleles), columns)
        rows = np.flatnonzero(keep)
        chosen = {name: values.take(pa.array(rows)) if isinstance(values, pa.Array) else np.asarray(values)[rows]
                  for name, values in columns.items()}  # fmt: skip
        return Rows(self.ids[rows], _spelling(select_alleles(self.alleles, rows)), chosen)


@dataclass
class TableFile:
    """A table being read. After the last block `tally` is complete, and so is `sha256`."""

    path: Path
    genome: Genome
    source: Source
    head: Head
    tally: Counter[str] = field(default_factory=Counter)
    sha256: str = ""

    def blocks(self) -> Iterator[TableBlock]:
        """Raises SourceRefused for a row of another number of columns or a contradicted build, ingest.errors.SourceError for damage."""
        try:
            for cells in cut(self.source, self.head):
                block = self._block(cells)
                self.tally["records"] += len(cells)
                judge_build(str(self.path), self.genome, self.tally)
                if len(block):
                    yield block
            self.sha256 = self.source.digest()
        finally:
            self.source.close()

    def _block(self, cells: Cells) -> TableBlock:
        text, lines = cells.text, cells.lines
        chrom, position, ref, alt = (cells.spans[role] for role in ALLELE)
        positions = np.empty(len(lines), dtype=np.int64)
        read_positions(text, position, positions)
        placed = np.flatnonzero(positions != NO_POSITION)
        self.tally["no_position"] += len(lines) - len(placed)
        fault = np.empty(len(lines), dtype=np.uint8)
        allele_faults(text, ref, alt, fault)
        contig = np.full(len(lines), -int(Fault.UNKNOWN_CONTIG), dtype=np.int32)
        contig[placed] = contigs_of(self.genome.table, text, chrom[placed])
        fault = np.where(contig < 0, (-contig).astype(np.uint8), fault)
        fault[positions < 1] = Fault.BAD_POSITION
        usable = placed[fault[placed] == 0]
        found = normalise(self.genome, text, contig[usable], (positions[usable] - 1).astype(np.int32), ref[usable], alt[usable])
        fault[usable] = found.faults
        kept = np.flatnonzero(found.faults == 0)
        good, found = usable[kept], select_alleles(found, kept)
        self._count(fault[placed], found)
        offsets = np.array([one.offset for one in self.genome.table.contigs], dtype=np.int64)
        ids = allele_ids(offsets[contig[good]] + found.starts, found.ref_offsets, found.ref_bytes, found.alt_offsets, found.alt_bytes)
        chosen = {role: span[good] for role, span in cells.spans.items()}
        return TableBlock(self.path, text, lines[good], chosen, self.head.spelled, ids, found)

    def _count(self, fault: npt.NDArray[np.uint8], found: Normalised) -> None:
        for code, count in enumerate(np.bincount(fault, minlength=1).tolist()):
            if code and count:
                self.tally[Fault(code).reason] += count
        self.tally["alleles"] += len(found.starts)
        self.tally["ref_unknown"] += int(((found.flags & np.uint32(int(Flag.REF_UNKNOWN))) != 0).sum())


def open_table(path: Path, genome: Genome, roles: Mapping[str, tuple[str, ...]], *, what: str, optional: tuple[str, ...] = ()) -> TableFile:
    """A table whose heading has a column for each role (by any of the names given) but the optional ones.

    `roles` has `chrom`, `pos` (1-based), `ref` and `alt`, and the source's own. Raises SourceRefused, ingest.errors.SourceError.
    """
    source = Source(path)
    try:
        head = read_head(source, roles, what=what, optional=optional)
    except BaseException:
        source.close()
        raise
    return TableFile(path, genome, source, head)


def _spelling(alleles: Normalised) -> Spelling:
    return Spelling(alleles.ref_offsets, alleles.ref_bytes, alleles.alt_offsets, alleles.alt_bytes)
