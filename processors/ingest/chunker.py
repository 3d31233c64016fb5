"""Ingest: a call set in, chunks out, a manifest last. Deterministic: the same file under the same plan gives the same bytes.

Chunks of alleles and of faults are numbered together, in the order of the record that ended each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from processors.ingest.batches import Digested, Digester
from processors.ingest.buildcheck import LOOK_AHEAD, BuildCheck
from processors.ingest.context import ContextKeeper, Window
from processors.ingest.contigs import ContigResolver
from processors.ingest.cutting import AlleleRule, Cut, Cutter, FaultRule, Spans
from processors.ingest.errors import (
    ContigsScattered,
    DigestMismatch,
    NoSamples,
    StageVersionMismatch,
    UnknownOption,
    UnknownSample,
)
from processors.ingest.manifest import Ledger
from processors.ingest.parser import BLOCK, Parser
from processors.ingest.quality import Quality
from processors.ingest.rows import Alleles, Faults
from processors.ingest.source import Source, take_header
from processors.knowledge.genome import Genome
from schemas import identity
from schemas.assembly import canonical_build
from schemas.chunks import Chunk, ChunkHeader, ChunkKind
from schemas.events import SampleManifest
from schemas.plan import STAGE_CODE, Plan

NORMALISER_VERSION = STAGE_CODE["ingest"]
"""Raised when the same file would give other chunks; enters every chunk_id."""
_NO_SPANS: Spans = np.empty((0, 2), dtype=np.int64)


@dataclass(frozen=True)
class Emitted:
    """A chunk, and the share of the source's bytes (0 to 1) that had been read when it was ready."""

    chunk: Chunk
    fraction: float


def ingest(
    path: Path,
    *,
    genome: Genome,
    build: str,
    samples: Sequence[tuple[str, str]],
    submission_id: str,
    revision_id: str,
    plan: Plan,
    lane: str,
    epoch: int,
    options: Mapping[str, str],
    announced_digest: str = "",
    boundaries: Mapping[str, Spans] | None = None,
    coding_exons: Mapping[str, Spans] | None = None,
    block: int = BLOCK,
) -> Ingestion:
    """Begin to read a call set; iterate the result for chunks, then ask it for its manifest.

    `samples` are (name in the file, sample_id) in the order in which chunks number them. `boundaries`: contig name → merged coding spans,
    which a cut avoids when it can, and `coding_exons`: merged coding bases; together they say which rows travel along as context. `block`:
    bytes of text read at a time; it never changes the chunks. Raises SourceError (also while iterating), StageVersionMismatch,
    UnknownOption.
    """
    return Ingestion(
        path, genome, build, samples, submission_id, revision_id, plan, lane, epoch, options, announced_digest, boundaries, coding_exons,
        block,
    )  # fmt: skip


@dataclass(frozen=True)
class _Placed:
    """A chunk's rows, their contig (-1 for faults), and what the chunk knows of those before it (None for faults)."""

    cut: Cut[Alleles] | Cut[Faults]
    contig: int = -1
    window: Window | None = None


class Ingestion:
    """One reading of one source. Iterate once; `manifest()` afterwards; `close()` (or `with`) frees the file at any time."""

    def __init__(
        self,
        path: Path,
        genome: Genome,
        build: str,
        samples: Sequence[tuple[str, str]],
        submission_id: str,
        revision_id: str,
        plan: Plan,
        lane: str,
        epoch: int,
        options: Mapping[str, str],
        announced_digest: str,
        boundaries: Mapping[str, Spans] | None,
        coding_exons: Mapping[str, Spans] | None,
        block: int,
    ) -> None:
        if plan.code.get("ingest") != NORMALISER_VERSION:
            raise StageVersionMismatch(
                f"the plan wants ingest {plan.code.get('ingest')}, this worker is {NORMALISER_VERSION}; plan the sample anew"
            )
        if options:
            raise UnknownOption(f"ingest knows no option {sorted(options)}; submit without it")
        if canonical_build(build) != genome.table.build:
            raise ValueError(f"declared build {build}, genome pack of {genome.table.build}; take the plan's genome")
        self._genome = genome
        self._plan = plan
        self._boundaries = boundaries
        self._exons = coding_exons
        self._block = block
        self._announced = announced_digest
        self._ids = tuple(sample_id for _, sample_id in samples)
        self._names = (submission_id, revision_id, plan.plan_id, lane, epoch)
        self._source = Source(path)
        try:
            header, self._begun = take_header(self._source)
            if not header.samples:
                raise NoSamples(path, "has no sample columns; a sites-only file holds nothing to interpret")
            for name, _ in samples:
                if name not in header.samples:
                    raise UnknownSample(path, f"has no sample {name!r}, but {', '.join(header.samples[:5])}; name one of its own")
            if not samples:
                raise UnknownSample(path, "no sample was asked for; name at least one")
            place = {name: number for number, (name, _) in enumerate(samples)}
            self._check = BuildCheck(path, genome.table)
            self._check.header(header)
        except BaseException:
            self._source.close()
            raise
        self._parser = Parser([place.get(name, -1) for name in header.samples], len(samples))
        self._digester = Digester(genome, ContigResolver(genome.table, header.contigs), self._check, len(samples))
        self._quality = Quality(genome.table, len(samples))
        self._ledger = Ledger(len(samples))
        self._faults: Cutter[Faults] = Cutter(FaultRule())
        self._alleles: Cutter[Alleles] | None = None
        self._keeper = ContextKeeper(None, None)
        self._contig = -1
        self._closed: set[int] = set()
        self._filters: list[str] = []
        self._reference_blocks = 0
        self._malformed = 0
        self._manifest: SampleManifest | None = None

    def __enter__(self) -> Ingestion:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the file; harmless when done twice."""
        self._source.close()

    def manifest(self) -> SampleManifest:
        """What was emitted. Only after the last chunk."""
        if self._manifest is None:
            raise RuntimeError("the manifest is known only after the last chunk")
        return self._manifest

    def __iter__(self) -> Iterator[Emitted]:
        try:
            held: list[_Placed] = []
            checked = False
            for batch in self._parser.batches(self._source, self._begun, self._block):
                held += self._take(self._digester.digest(batch, self._parser.contigs))
                if not checked and self._parser.records < LOOK_AHEAD:
                    continue
                if not checked:
                    self._check.decide()
                    checked = True
                for placed in held:
                    yield self._emit(placed)
                held = []
            self._check.decide()
            held += self._end_contig(self._parser.records)
            held += [_Placed(cut) for cut in self._faults.flush(self._parser.records)]
            for placed in held:
                yield self._emit(placed)
            if self._contig >= 0:
                self._genome.release(self._contig)
            self._finish()
        finally:
            self.close()

    def _take(self, digested: Digested) -> list[_Placed]:
        """Chunks that a batch completes, in the order of the records that ended them."""
        self._reference_blocks += digested.reference_blocks
        self._malformed += digested.malformed
        cuts: list[_Placed] = []
        for run in digested.runs:
            if run.contig != self._contig:
                cuts += self._end_contig(int(run.alleles.record[0]))
                self._begin_contig(run.contig, int(run.alleles.record[0]))
            self._quality.add(run.contig, run.alleles)
            assert self._alleles is not None
            cuts += [_Placed(cut, run.contig, self._keeper.next(cut.rows, last=False)) for cut in self._alleles.add(run.alleles)]
        cuts += [_Placed(cut) for cut in self._faults.add(digested.faults)]
        return sorted(cuts, key=lambda placed: placed.cut.trigger)

    def _begin_contig(self, contig: int, record: int) -> None:
        name = self._genome.table.contigs[contig].name
        if self._contig >= 0:
            self._genome.release(self._contig)
        if contig in self._closed:
            raise ContigsScattered(
                self._source.path, f"records of {name} do not stand together; sort the file (bcftools sort)", record=record
            )
        self._contig = contig
        self._closed.add(contig)
        spans = None if self._boundaries is None else self._boundaries.get(name, _NO_SPANS)
        self._alleles = Cutter(AlleleRule(self._plan.cutting, spans))
        self._keeper = ContextKeeper(spans, None if self._exons is None else self._exons.get(name, _NO_SPANS))

    def _end_contig(self, trigger: int) -> list[_Placed]:
        if self._alleles is None:
            return []
        return [_Placed(cut, self._contig, self._keeper.next(cut.rows, last=True)) for cut in self._alleles.flush(trigger)]

    def _emit(self, placed: _Placed) -> Emitted:
        cut, contig, window = placed.cut, placed.contig, placed.window
        submission, revision, plan, lane, epoch = self._names
        ordinal = len(self._ledger.chunks)
        name = self._genome.table.contigs[contig].name if contig >= 0 else ""
        chunk_id = identity.chunk_id(submission, NORMALISER_VERSION, self._plan.cutting.key(), name, ordinal)
        if isinstance(cut.rows, Alleles):
            kind = ChunkKind.ALLELES
            self._ledger.alleles(chunk_id, name, cut.rows)
            names = self._parser.filters
            self._filters += [names.text(number) for number in range(len(self._filters), len(names))]
            rows = cut.rows.arrow(self._filters)
            context = window.context.arrow(self._filters) if window is not None and window.context is not None else None
        else:
            kind = ChunkKind.FAULTS
            self._ledger.faults(chunk_id, cut.rows)
            rows, context = cut.rows.arrow(), None
        header = ChunkHeader(
            chunk_id, submission, revision, plan, self._genome.table.build, kind, name, ordinal, lane, epoch, self._ids
        )  # fmt: skip
        if window is not None:
            header = replace(header, window=window.window, complete_from=window.complete_from, late=window.late)
        return Emitted(Chunk(header, rows, context), self._source.fraction)

    def _finish(self) -> None:
        digest = self._source.digest()
        if self._announced and digest != self._announced.lower():
            raise DigestMismatch(
                self._source.path,
                f"was announced with SHA-256 {self._announced}, read as {digest}: it changed since; announce it again",
            )
        parser = self._parser
        figures = [
            self._quality.figures(number, parser.tally[number], parser.depth_bins[number], parser.quality_bins[number])
            for number in range(len(self._ids))
        ]
        submission, revision, plan, _, _ = self._names
        self._manifest = SampleManifest(
            submission_id=submission,
            revision_id=revision,
            plan_id=plan,
            source_digest=digest,
            records=parser.records,
            reference_blocks=self._reference_blocks,
            uncarried=parser.uncarried,
            chunks=tuple(self._ledger.chunks),
            samples=self._ledger.samples(self._ids, parser.tally["units"].astype(np.int64) + self._malformed, figures),
        )
