"""The transcript pack: gene models as memory-mapped arrays, sorted by place, with bins for overlap search.

Coordinates are 0-based half-open on the contig. Row numbers of transcripts and genes are what chunks and tables carry; names are
rendered on read. An extent search looks at the bins that a span touches (2^14 bases each), so a long gene costs nothing elsewhere.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from processors.knowledge.layout import FIELDS, Layout
from processors.knowledge.pack import Pack, PackError
from processors.knowledge.strings import StringTable

BIN_BITS = 14
LAYOUT = 4
"""Raised when the arrays of the pack change; an older pack is refused with a word to build it again."""


class Tag(enum.IntFlag):
    """What the file says of a transcript; bits of `tags`."""

    MANE_SELECT = 1
    MANE_PLUS_CLINICAL = 2
    CANONICAL = 4
    CCDS = 8
    CDS_START_NF = 16
    CDS_END_NF = 32
    BASIC = 64
    MANE_UNVERIFIED = 128  # MANE of GRCh38 by a name alone: another build or another version, so the sequence may differ
    MRNA_START_NF = 256
    MRNA_END_NF = 512
    SELENO = 1024
    PRIMARY = 2048


class Status(enum.IntFlag):
    """What is unusual about a transcript; bits of `status`. A consequence of such a transcript may not be sure, and says so."""

    START_INCOMPLETE = 1  # the file says that the coding sequence begins before the transcript does, or its phase is not 0
    END_INCOMPLETE = 2  # no stop codon at the end, or a length that is not a multiple of three
    START_NOT_ATG = 4  # complete, and begins with another codon
    STOP_INSIDE = 8  # a stop codon before the end that is no selenocysteine
    UNKNOWN_BASES = 16  # N within the spliced sequence of a coding transcript
    CODING_GAPPED = 32  # the file's CDS parts leave out exonic bases between them (ribosomal slippage, or a broken model)
    DIFFERS_FROM_GENOME = 64  # its own sequence has other bases than the genome
    PHASE_BROKEN = 128  # phases of the CDS parts contradict their lengths


@dataclass(frozen=True)
class Transcripts:
    """A loaded pack. Rows are sorted by (contig, start, end, name)."""

    pack: Pack

    def __post_init__(self) -> None:
        if self.pack.kind != "transcripts":
            raise PackError(f"{self.pack.path}: kind `{self.pack.kind}`, not `transcripts`")
        if self.pack.extra.get("layout") != LAYOUT:
            raise PackError(
                f"{self.pack.path}: transcript layout {self.pack.extra.get('layout')}, this version reads {LAYOUT}; compile it again with "
                f"`riverseq reference add {self.pack.build}`"
            )

    def _array(self, name: str) -> npt.NDArray[Any]:
        return np.asarray(self.pack.array(name))

    @cached_property
    def layout(self) -> Layout:
        return Layout.of({name: self._array(name) for name in FIELDS})

    def _table(self, name: str) -> StringTable:
        return StringTable(self._array(f"{name}_offsets"), self._array(f"{name}_data"))

    @cached_property
    def name(self) -> StringTable:
        """Transcript name, with its version where the file has one."""
        return self._table("name")

    @cached_property
    def name_rank(self) -> npt.NDArray[np.uint32]:
        """Place of each transcript's name in the order of all names by code point; of one name twice, the earlier row comes first."""
        return self._array("name_rank")

    @cached_property
    def gene_id(self) -> StringTable:
        return self._table("gene_id")

    @cached_property
    def gene_symbol(self) -> StringTable:
        return self._table("gene_symbol")

    @cached_property
    def biotypes(self) -> tuple[str, ...]:
        """Biotype names; `biotype` holds numbers of these."""
        return tuple(self.pack.extra["biotypes"])

    @cached_property
    def biotype(self) -> npt.NDArray[np.uint16]:
        return self._array("biotype")

    @cached_property
    def tags(self) -> npt.NDArray[np.uint16]:
        """`Tag` bits."""
        return self._array("tags")

    @cached_property
    def support(self) -> npt.NDArray[np.uint8]:
        """Transcript support level 1 to 5, 0 where the file gives none."""
        return self._array("support")

    @cached_property
    def appris(self) -> npt.NDArray[np.uint8]:
        """APPRIS, 1 (principal 1) to 7 (alternative 2), 0 where the file gives none."""
        return self._array("appris")

    @property
    def length(self) -> npt.NDArray[np.int32]:
        """Bases of the spliced transcript."""
        return self.layout.length

    @cached_property
    def protein(self) -> StringTable:
        """Protein name as the file has it, with its version where the file gives one; empty where there is none.

        A version that is not known is left out: Ensembl VEP reading the same GFF3 writes `.1`, which names another protein.
        """
        return self._table("protein")

    @cached_property
    def mane_partner(self) -> StringTable:
        """The other set's transcript of a MANE pair, with version (Ensembl → RefSeq, RefSeq → Ensembl); empty where there is none.

        The pair holds on GRCh38; where `tags` says MANE_UNVERIFIED, this transcript's sequence is not checked against it.
        """
        return self._table("mane_partner")

    @cached_property
    def cds_length(self) -> npt.NDArray[np.int32]:
        return self._array("cds_length")

    @property
    def exon_count(self) -> npt.NDArray[np.int64]:
        return np.diff(self.layout.exon_offsets)

    def coding_spans(self, contig: int) -> npt.NDArray[np.int64]:
        """int64[m, 2]: merged, sorted, 0-based half-open spans of the coding transcripts of a contig; a chunk is not cut inside one."""
        layout = self.layout
        chosen = (layout.contig == contig) & (layout.cds_start >= 0)
        return _merged(layout.start[chosen].astype(np.int64), layout.end[chosen].astype(np.int64))

    def coding_exons(self, contig: int) -> npt.NDArray[np.int64]:
        """int64[m, 2]: merged, sorted, 0-based half-open spans of coding bases of a contig."""
        layout = self.layout
        owner = np.repeat(np.arange(len(layout.start)), np.diff(layout.exon_offsets))
        starts = np.maximum(layout.exon_starts, layout.cds_start[owner]).astype(np.int64)
        ends = np.minimum(layout.exon_ends, layout.cds_end[owner]).astype(np.int64)
        chosen = (layout.contig[owner] == contig) & (layout.cds_start[owner] >= 0) & (starts < ends)
        starts, ends = starts[chosen], ends[chosen]
        order = np.argsort(starts, kind="stable")
        return _merged(starts[order], ends[order])

    def __len__(self) -> int:
        return self.pack.rows


def _merged(starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """int64[m, 2]: spans sorted by their start, those that touch joined."""
    if len(starts) == 0:
        return np.empty((0, 2), dtype=np.int64)
    ends = np.maximum.accumulate(ends)
    opens = np.ones(len(starts), dtype=np.bool_)
    opens[1:] = starts[1:] > ends[:-1]
    first = np.flatnonzero(opens)
    return np.stack([starts[first], ends[np.append(first[1:] - 1, len(ends) - 1)]], axis=1)
