"""The manifest: what was emitted, chunk by chunk and sample by sample, with conservation proven before it is given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

from processors.ingest.faults import Fault
from processors.ingest.rows import Alleles, Faults
from schemas import identity
from schemas.events import ChunkCount, SampleCount

U64 = npt.NDArray[np.uint64]


class ConservationBroken(RuntimeError):
    """Variants in are not landed plus quarantined: a fault of this program, never of the file. Nothing may be published."""


class Ledger:
    """Counts what leaves, per chunk and per sample."""

    def __init__(self, samples: int) -> None:
        self.chunks: list[ChunkCount] = []
        self._landed = np.zeros(samples, dtype=np.int64)
        self._sums = np.zeros(samples, dtype=np.uint64)
        self._quarantined = np.zeros((samples, max(Fault) + 1), dtype=np.int64)

    def alleles(self, chunk_id: str, contig: str, rows: Alleles) -> None:
        """Count a chunk of alleles."""
        calls = rows.calls.values
        per_row = np.diff(rows.calls.offsets)
        hashes = identity.call_hashes(
            {
                "allele_id": np.repeat(rows.allele_id, per_row),
                "record": np.repeat(rows.record, per_row),
                "alt_index": np.repeat(rows.alt_index, per_row),
                **{name: calls[name] for name in identity.CALL_HASH_COLUMNS[3:]},
            }
        )
        _add(self._landed, self._sums, np.ascontiguousarray(calls["sample"]), hashes)
        total = signed(identity.sum_mod64(hashes))
        self.chunks.append(ChunkCount(len(self.chunks), chunk_id, "alleles", contig, len(rows), len(calls), total))

    def faults(self, chunk_id: str, rows: Faults) -> None:
        """Count a chunk of faults; its `calls` are (fault, sample) pairs, its hash is 0."""
        codes = np.repeat(rows.code, np.diff(rows.samples.offsets))
        np.add.at(self._quarantined, (rows.samples.values, codes), 1)
        self.chunks.append(ChunkCount(len(self.chunks), chunk_id, "faults", "", len(rows), len(codes), 0))

    def samples(self, ids: Sequence[str], units: npt.NDArray[np.int64], quality: Sequence[dict[str, float]]) -> tuple[SampleCount, ...]:
        """Counts of every sample; `units` is what was read, counted by the parser. Raises ConservationBroken."""
        counts = []
        for number, sample_id in enumerate(ids):
            landed, came = int(self._landed[number]), int(units[number])
            row = self._quarantined[number]
            quarantined = {Fault(int(code)).reason: int(row[code]) for code in np.flatnonzero(row)}
            if came != landed + sum(quarantined.values()):
                raise ConservationBroken(f"sample {sample_id}: {came:,} variants in, {landed:,} landed, quarantined {quarantined}")
            total = signed(int(self._sums[number]))
            counts.append(SampleCount(sample_id, came, landed, quarantined, total, quality[number]))
        return tuple(counts)


def signed(value: int) -> int:
    """A 64-bit sum as signed two's complement, as Avro's `long` carries it."""
    return value - 2**64 if value >= 2**63 else value


@njit(cache=True, nogil=True)
def _add(landed, sums, samples, hashes):  # type: ignore[no-untyped-def]
    for i in range(samples.shape[0]):
        landed[samples[i]] += 1
        sums[samples[i]] += hashes[i]
