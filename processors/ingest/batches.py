"""What becomes of a parsed batch: normalised alleles by contig, and faults. Column work, no loop over variants in Python."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from processors.ingest import layout
from processors.ingest.buildcheck import BuildCheck
from processors.ingest.contigs import ContigResolver
from processors.ingest.faults import Fault
from processors.ingest.normalise import normalise
from processors.ingest.parser import Batch, Names
from processors.ingest.rows import Alleles, Faults, Ragged
from processors.ingest.structural_info import kept_sites
from processors.knowledge.genome import Genome
from processors.knowledge.strings import read_only
from schemas import identity
from schemas.chunks import Flag

Array = npt.NDArray[Any]

SITE_BYTES = 4096
"""Of a faulty record's CHROM to INFO, as much is kept."""


@dataclass(frozen=True)
class Run:
    """Alleles of one contig that stand together in a batch."""

    contig: int
    alleles: Alleles


@dataclass(frozen=True)
class Digested:
    """A batch's outcome: alleles in file order, faults in file order, reference blocks, malformed records."""

    runs: tuple[Run, ...]
    faults: Faults
    reference_blocks: int
    malformed: int


class Digester:
    """Turns batches of one source into alleles and faults."""

    def __init__(self, genome: Genome, resolver: ContigResolver, check: BuildCheck, samples: int) -> None:
        self._genome = genome
        self._resolver = resolver
        self._check = check
        self._samples = samples
        self._contigs = np.zeros(0, dtype=np.int32)
        self._contig_faults = np.zeros(0, dtype=np.uint8)
        self._offsets = np.array([c.offset for c in genome.table.contigs], dtype=np.int64)
        self._seen = Seen()

    def digest(self, batch: Batch, names: Names) -> Digested:
        """Alleles and faults of a batch."""
        self._resolve(names)
        records, rows = batch.records, batch.alleles
        readable = records["kind"] != layout.MALFORMED
        self._count_contigs(names, records["contig"][readable])

        owner = rows["record"]
        fault = rows["fault"].copy()
        name = records["contig"][owner]
        lost = (self._contig_faults[name] > 0) & (fault == 0)
        fault[lost] = self._contig_faults[name][lost]

        sound = np.flatnonzero(fault == 0)
        mine = records[owner[sound]]
        contigs = self._contigs[mine["contig"]]
        normal = normalise(
            self._genome,
            batch.text,
            contigs,
            np.ascontiguousarray(mine["position"]),
            np.stack([mine["ref"], mine["ref_end"]], axis=1),
            np.stack([rows["alt"][sound], rows["alt_end"][sound]], axis=1),
        )
        fault[sound] = normal.faults
        self._count_references(batch, mine, contigs, normal.faults, normal.flags)
        kept = normal.faults == 0
        if not kept.all():
            sound, mine, contigs = sound[kept], mine[kept], contigs[kept]
        # a faulty allele has an empty REF and ALT, so the bytes of the others stand back to back already
        ref = Ragged(np.concatenate([[0], normal.ref_offsets[1:][kept]]).astype(np.int64), normal.ref_bytes)
        alt = Ragged(np.concatenate([[0], normal.alt_offsets[1:][kept]]).astype(np.int64), normal.alt_bytes)
        landed = fault == 0
        counts = rows["calls"]
        ids = identity.allele_ids(
            self._offsets[contigs] + normal.starts[kept], ref.offsets.astype(np.int32), ref.values, alt.offsets.astype(np.int32), alt.values
        )
        flags = normal.flags[kept]
        flags[mine["alts"] > 1] |= np.uint32(Flag.SPLIT)
        alleles = Alleles(
            record=(batch.first + owner[sound]).astype(np.uint32),
            alt_index=rows["alt_index"][sound],
            allele_id=ids,
            start=normal.starts[kept],
            ref=ref,
            alt=alt,
            flags=flags,
            qual=np.ascontiguousarray(mine["qual"]),
            filter=np.ascontiguousarray(mine["filter"]),
            calls=Ragged(
                np.concatenate([[0], np.cumsum(counts[sound])]).astype(np.int64),
                batch.calls.copy() if landed.all() else batch.calls[np.repeat(landed, counts)],
            ),
        )
        return Digested(
            tuple(self._runs(contigs, alleles)),
            self._faults(batch, fault),
            int(np.count_nonzero(records["kind"] == layout.REFERENCE_BLOCK)),
            int(np.count_nonzero(~readable)),
        )

    def _resolve(self, names: Names) -> None:
        """Resolve the CHROM names that are new since the last batch."""
        for number in range(len(self._contigs), len(names)):
            found = self._resolver.resolve(names.text(number))
            fault = found if isinstance(found, Fault) else Fault.NONE
            self._contigs = np.append(self._contigs, np.int32(-1 if fault else found))
            self._contig_faults = np.append(self._contig_faults, np.uint8(fault))

    def _count_contigs(self, names: Names, seen: Array) -> None:
        if len(seen):
            counts = np.bincount(seen, minlength=len(names))
            for number in np.flatnonzero(counts):
                known = self._contig_faults[number] != Fault.UNKNOWN_CONTIG
                self._check.contig(names.text(int(number)), bool(known), int(counts[number]))

    def _count_references(self, batch: Batch, mine: Array, contigs: Array, faults: Array, flags: Array) -> None:
        wrong = np.flatnonzero(faults)
        self._check.references(int(np.count_nonzero(flags & Flag.REF_UNKNOWN == 0)), len(wrong))
        for row in wrong[: self._check.wants_examples]:
            contig = self._genome.table.contigs[contigs[row]]
            start = int(mine["position"][row])
            ref = batch.text[mine["ref"][row] : mine["ref_end"][row]]
            bases = self._genome.bases(int(contigs[row]))
            if bases is None or start + len(ref) > contig.length:
                there = f"beyond the contig's {contig.length:,} bases"
            else:
                there = f"the reference has {bases[start : start + min(len(ref), 20)].tobytes().decode()}"
            self._check.example(f"{contig.name}:{start + 1} REF {ref[:20].tobytes().decode(errors='replace')}, {there}")

    def _runs(self, contigs: Array, alleles: Alleles) -> Iterator[Run]:
        edges = np.flatnonzero(np.diff(contigs)) + 1
        for a, b in zip([0, *edges], [*edges, len(contigs)], strict=True):
            if b > a:
                run = alleles.slice(a, b)
                contig = int(contigs[a])
                self._seen.mark(contig, run.allele_id, run.flags)
                yield Run(contig, run)

    def _faults(self, batch: Batch, fault: Array) -> Faults:
        rows, records = batch.alleles, batch.records
        wrong = np.flatnonzero(fault)
        broken = np.flatnonzero(records["kind"] == layout.MALFORMED)
        if len(wrong) + len(broken) == 0:
            return NO_FAULTS
        owner = np.concatenate([rows["record"][wrong], broken]).astype(np.int64)
        alt_index = np.concatenate([rows["alt_index"][wrong], np.zeros(len(broken), dtype=np.uint16)])
        code = np.concatenate([fault[wrong], records["fault"][broken]]).astype(np.uint8)
        counts = np.concatenate([rows["calls"][wrong], np.full(len(broken), self._samples, dtype=np.int32)]).astype(np.int64)
        carried = batch.calls["sample"][np.repeat(fault > 0, rows["calls"])]
        everyone = np.tile(np.arange(self._samples, dtype=np.uint32), len(broken))
        samples = Ragged(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), np.concatenate([carried, everyone]).astype(np.uint32))
        order = np.lexsort((code, alt_index, owner))
        if not np.array_equal(order, np.arange(len(order))):
            samples = _reorder(samples, order)
        owner, alt_index, code = owner[order], alt_index[order], code[order]
        return Faults((batch.first + owner).astype(np.uint32), alt_index, code, _sites(batch, owner), samples)


NO_FAULTS = Faults(
    np.zeros(0, dtype=np.uint32),
    np.zeros(0, dtype=np.uint16),
    np.zeros(0, dtype=np.uint8),
    Ragged(np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.uint8)),
    Ragged(np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.uint32)),
)


def _reorder(lists: Ragged, order: Array) -> Ragged:
    parts = np.split(lists.values, lists.offsets[1:-1])
    lengths = np.diff(lists.offsets)[order]
    return Ragged(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), np.concatenate([parts[number] for number in order]))


def _sites(batch: Batch, owner: Array) -> Ragged:
    """CHROM to INFO of records, at most SITE_BYTES each, as valid UTF-8; what places a structural variant is never cut off."""
    records = batch.records[owner]
    offsets, text = kept_sites(read_only(batch.text), records["line"].astype(np.int64), records["info_end"].astype(np.int64), SITE_BYTES)
    sites = Ragged(offsets, text)
    if (sites.values >= 128).any():
        texts = [sites.values[a:b].tobytes().decode(errors="replace").encode() for a, b in pairwise(offsets)]
        lengths = np.array([len(text) for text in texts], dtype=np.int64)
        joined = np.frombuffer(b"".join(texts), dtype=np.uint8)
        sites = Ragged(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), joined)
    return sites


class Seen:
    """Alleles that came before on the contig at hand; contigs stand together, so one at a time suffices."""

    def __init__(self) -> None:
        self._contig = -1
        self._slots = np.zeros(1 << 12, dtype=np.uint64)
        self._count = 0

    def mark(self, contig: int, ids: npt.NDArray[np.uint64], flags: npt.NDArray[np.uint32]) -> None:
        """Set Flag.REPEAT where an id came before."""
        if contig != self._contig:
            self._contig, self._count = contig, 0
            self._slots[:] = 0
        if 2 * (self._count + len(ids)) > len(self._slots):
            old = self._slots[self._slots > 0]
            size = len(self._slots)
            while 2 * (self._count + len(ids)) > size:
                size *= 2
            self._slots = np.zeros(size, dtype=np.uint64)
            _mark(self._slots, old, np.zeros(len(old), dtype=np.uint32))
        self._count += _mark(self._slots, ids, flags)


@njit(cache=True, nogil=True)
def _mark(slots, ids, flags):  # type: ignore[no-untyped-def]
    mask = np.uint64(slots.shape[0] - 1)
    fresh = 0
    for i in range(ids.shape[0]):
        h = ids[i] * np.uint64(0x9E3779B97F4A7C15)
        at = (h >> np.uint64(20)) & mask
        while slots[at] != 0 and slots[at] != ids[i]:
            at = (at + np.uint64(1)) & mask
        if slots[at] == ids[i]:
            flags[i] |= 1
        else:
            slots[at] = ids[i]
            fresh += 1
    return fresh
