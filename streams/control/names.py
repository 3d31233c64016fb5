"""Names behind the numbers of a plan's packs, and its sources, written to ClickHouse before the first revision under it."""

from __future__ import annotations

import threading
from pathlib import Path

from processors.annotate.terms import NAMES
from processors.knowledge.genome import Genome
from processors.knowledge.pack import find_pack
from processors.knowledge.source import open_source
from processors.knowledge.sources.clinvar_terms import LABELS
from processors.knowledge.transcripts import Transcripts
from processors.land.client import Client
from processors.land.knowledge import note_sources
from processors.land.names import GeneNames, TranscriptNames, named, record_names
from schemas.chunks import Effect
from schemas.plan import MACHINERY, Plan

_ONE = threading.Lock()
"""A sample that is admitted while a release is noted waits for that, and does not do it a second time."""


def note_names(client: Client, packs: Path, plan: Plan) -> None:
    """Write the names of a plan, and its sources as far as they are not on record, once. Raises PackError, StoreError."""
    if named(client, plan):
        return
    with _ONE:
        if not named(client, plan):
            _note(client, packs, plan)


def _note(client: Client, packs: Path, plan: Plan) -> None:
    found = {component.kind: find_pack(packs, component.digest) for component in plan.components}
    note_sources(client, [open_source(pack) for kind, pack in found.items() if kind not in MACHINERY])
    genome, transcripts = Genome(found["genome"]), Transcripts(found["transcripts"])
    layout, biotypes = transcripts.layout, transcripts.biotypes
    significances = [""] * (max(LABELS) + 1)
    for code, label in LABELS.items():
        significances[int(code)] = label
    record_names(
        client,
        plan,
        contigs=genome.table,
        transcripts=TranscriptNames(
            name=transcripts.name.arrow().to_pylist(),
            gene=layout.gene,
            biotype=[biotypes[number] for number in transcripts.biotype],
            contig=layout.contig,
            start=layout.start,
            end=layout.end,
        ),
        genes=GeneNames(transcripts.gene_id.arrow().to_pylist(), transcripts.gene_symbol.arrow().to_pylist()),
        consequences=NAMES,
        effects=[effect.name.lower() for effect in Effect if effect.name],
        significances=significances,
    )
