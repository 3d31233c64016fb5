"""Events of the control plane as values. Their Avro schemas lie beside this file; `streams/wire.py` encodes and decodes them.

Times are milliseconds since 1970 UTC; ids as in `schemas.identity`; 64-bit sums are 0 to 2^64 - 1 here, two's complement on the wire.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class Lane(enum.StrEnum):
    URGENT = "urgent"
    ROUTINE = "routine"
    BACKGROUND = "background"


@dataclass(frozen=True)
class SourceFile:
    """A call set to read. `digest` (SHA-256, hex) empty: not announced, ingest computes it."""

    uri: str
    digest: str = ""
    size: int = -1


@dataclass(frozen=True)
class CompletionEvent:
    """`run.events`: a sample's calls are complete (CloudEvents attributes first). `id` is `identity.event_id` of the content."""

    id: str
    source: str
    type: str  # riverseq.sample.ready or riverseq.sequencing.completed
    time: int
    run_id: str
    build: str
    file: SourceFile
    samples: tuple[str, ...] = ()  # names in the file; empty: all of them
    family: str = ""  # pedigree, PED text
    hpo: tuple[str, ...] = ()
    panel: str = ""
    lane: Lane = Lane.ROUTINE
    options: dict[str, str] = field(default_factory=dict)  # options that change calls
    reanalysis: str = ""  # allowed, refused: may later releases re-interpret the samples; empty: as decided before, else the setting


@dataclass(frozen=True)
class Command:
    """`run.events`: what a person asks of the control plane."""

    id: str
    time: int
    kind: str  # cancel, delete, acknowledge, replay, reanalysis, release, rollback, pause, resume
    sample: str  # sample name or sample_id; empty where the kind is about no sample
    actor: str
    reason: str = ""
    arguments: dict[str, str] = field(default_factory=dict)  # what the kind needs besides


@dataclass(frozen=True)
class ChunkCount:
    """One chunk as the manifest promises it: rows of `calls` (or of faults) and their summed hash."""

    ordinal: int
    chunk_id: str
    kind: str
    contig: str
    alleles: int
    calls: int
    hash_sum: int


@dataclass(frozen=True)
class SampleCount:
    """One sample as the manifest promises it: `variants_in = landed + sum(quarantined)`, unit (record number, ALT index)."""

    sample_id: str
    variants_in: int
    landed: int
    quarantined: dict[str, int]
    hash_sum: int
    quality: dict[str, float]


@dataclass(frozen=True)
class SampleManifest:
    """`run.events`: what ingest emitted, sent after the last chunk. Sites that carry nothing are counted apart."""

    submission_id: str
    revision_id: str
    plan_id: str
    source_digest: str
    records: int
    reference_blocks: int
    uncarried: int
    chunks: tuple[ChunkCount, ...]
    samples: tuple[SampleCount, ...]


@dataclass(frozen=True)
class SampleName:
    name: str
    sample_id: str


@dataclass(frozen=True)
class Job:
    """`work*`: read this file under this plan as this revision."""

    kind: str  # ingest
    submission_id: str
    revision_id: str
    plan_id: str
    lane: Lane
    build: str
    file: SourceFile
    samples: tuple[SampleName, ...]
    epoch: int
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PlanComponent:
    kind: str
    name: str
    version: str
    digest: str


@dataclass(frozen=True)
class AnnotationPlan:
    """`plans`: a pinned plan, see `schemas.plan.Plan`."""

    plan_id: str
    build: str
    components: tuple[PlanComponent, ...]
    code: dict[str, int]
    cut_alleles: int
    cut_cells: int
    cut_size: int


@dataclass(frozen=True)
class Receipt:
    """`receipts`: what one stage did with one chunk (or, with an empty chunk_id, with a whole job). A hint, never the truth."""

    submission_id: str
    revision_id: str
    chunk_id: str
    ordinal: int
    stage: str  # ingest, land
    outcome: str  # done, quarantined, failed, cancelled
    rows: int
    size: int  # bytes of the message
    fraction: float  # of the source file read so far, 0 to 1; -1 where it does not apply
    worker: str
    provider: str  # execution provider of the score stage
    reason: str
    time: int


@dataclass(frozen=True)
class StageProgress:
    name: str
    done: int
    total: int  # -1: not known yet
    rate: float  # a second


@dataclass(frozen=True)
class SampleState:
    """`sample.state` (compacted by sample_id): what board, `status` and `--wait` show."""

    sample_id: str
    submission_id: str
    revision_id: str
    plan_id: str
    build: str
    lane: Lane
    state: str  # queued, ingesting, interpreting, verifying, published, incomplete, failed, rejected, cancelled, deleted
    reason: str
    variants_in: int
    landed: int
    quarantined: int
    revision: int
    stages: tuple[StageProgress, ...]
    eta: int  # -1: not known
    provider: str
    submitted_at: int
    updated_at: int


@dataclass(frozen=True)
class Finding:
    """`results`: one allele of one sample that a person should see. `class_` is `not_assessed` until ACMG evidence exists."""

    id: str
    sample_id: str
    submission_id: str
    revision_id: str
    revision: int
    plan_id: str
    build: str
    contig: str
    position: int  # 1-based, of REF
    ref: str
    alt: str
    gene: str
    transcript: str
    consequence: str  # comma-separated SO terms
    zygosity: str  # heterozygous, homozygous, hemizygous
    clinvar: str
    frequency: float | None
    frequency_answer: str
    score: float | None
    score_answer: str
    model: str
    class_: str
    reasons: tuple[str, ...]
    time: int
    impact: str = ""  # HIGH, MODERATE, LOW, MODIFIER
    hgvsc: str = ""  # of the picked transcript; empty: none
    hgvsp: str = ""
    first_seen: int = 0  # when the allele became a finding of this sample
    evidence_changed: int = 0


@dataclass(frozen=True)
class SampleInterpreted:
    """`results`: a sample's revision is complete and current."""

    id: str
    sample_id: str
    submission_id: str
    revision_id: str
    revision: int
    plan_id: str
    build: str
    variants_in: int
    landed: int
    quarantined: dict[str, int]
    findings: int
    complete: bool  # False: published as acknowledged incomplete
    time: int
    base: str = ""  # of a delta: the revision that it changes
    reclassified: int = 0


@dataclass(frozen=True)
class SourceChange:
    """One released source: `name@version` and ISO date before and after; empty: there was or is none."""

    kind: str
    old: str
    old_date: str
    new: str
    new_date: str


@dataclass(frozen=True)
class Reclassified:
    """`results`: a release changed the classification of an allele that a sample carries, or took a finding away."""

    id: str
    sample_id: str
    submission_id: str
    revision_id: str
    revision: int
    base: str
    plan_id: str
    base_plan_id: str
    build: str
    contig: str
    position: int  # 1-based, of REF
    ref: str
    alt: str
    zygosity: str
    gene: str
    transcript: str
    hgvsc: str
    hgvsp: str
    tier: int  # 1 act now, 2 look, 3 note, 0 no change of class
    basis: str  # class, clinvar, finding
    old_class: str
    new_class: str
    old_clinvar: str
    new_clinvar: str
    finding: str  # added, removed, changed, kept, none
    changes: tuple[str, ...]
    criteria: tuple[str, ...]
    sources: tuple[SourceChange, ...]
    first_seen: int
    evidence_changed: int
    time: int


@dataclass(frozen=True)
class KnowledgeRelease:
    """`knowledge.releases` (compacted by build/kind/name@version): a version of a source and its state for a build."""

    release_id: str
    build: str
    kind: str
    name: str
    version: str
    digest: str
    date: str
    licence: str
    uri: str  # folder of the pack, below the packs folder
    rows: int
    state: str  # active, retired, refused
    direction: str  # forward, rollback
    replaces: str  # digest of the pack that was active before; empty: none
    added: int  # keys that the pack before does not have; -1: not counted
    removed: int
    changed: int
    actor: str
    reason: str
    time: int
