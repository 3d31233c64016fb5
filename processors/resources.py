"""Everything a plan's stages read, loaded once a worker and shared by its chunks; and the plan of what is active now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from processors.annotate.cache import AnnotationCache
from processors.annotate.hgvs.style import NOMENCLATURE
from processors.annotate.options import Options, read_options
from processors.annotate.pick import PickOrder, pick_order
from processors.annotate.render import Renderer
from processors.knowledge.genome import Genome
from processors.knowledge.kinds import Keyed, kind_of
from processors.knowledge.pack import Pack, PackError, active_packs, find_pack
from processors.knowledge.source import AlleleSource, GeneSource, RegionSource, open_source
from processors.knowledge.sources.clinvar import ClinVar
from processors.knowledge.transcripts import Transcripts
from processors.score.models import Model, load_model
from processors.score.session import Wanted
from schemas.assembly import canonical_build
from schemas.plan import MACHINERY, Component, Plan

REQUIRED = ("genome", "transcripts")


@dataclass(frozen=True)
class Resources:
    """The packs of one plan. `clinvar` and `model` are None where the plan has none.

    `allele_sources` are in the order of the plan's components, without ClinVar; `genes` and `regions` by kind.
    """

    plan: Plan
    genome: Genome
    transcripts: Transcripts
    clinvar: ClinVar | None
    model: Model | None
    allele_sources: tuple[AlleleSource, ...] = ()
    genes: Mapping[str, GeneSource] = field(default_factory=dict)
    regions: Mapping[str, RegionSource] = field(default_factory=dict)
    options: Options = field(default_factory=Options)
    cache: AnnotationCache | None = None
    """Rows of alleles called before, shared by all plans of a worker; None: everything is computed."""

    @classmethod
    def load(cls, plan: Plan, packs: Path, provider: str = Wanted.AUTO, cache: AnnotationCache | None = None) -> Resources:
        """The packs of a plan below `packs`. `provider`: `cuda` (required), `cpu`, `auto`.

        Raises PackError where a digest is not on this machine (a worker waits for it), session.ProviderRefused, models.ModelRefused.
        """
        found: dict[str, Pack] = {}
        for component in plan.components:
            if component.kind in found:
                raise PackError(f"the plan {plan.plan_id} has two components of the kind {component.kind}; a plan has one of each")
            pack = find_pack(packs, component.digest)
            if pack.kind != component.kind:
                raise PackError(f"{pack.path}: a pack of the kind {pack.kind}, which the plan {plan.plan_id} takes for {component.kind}")
            found[component.kind] = pack
        for kind in REQUIRED:
            if kind not in found:
                raise PackError(f"the plan {plan.plan_id} has no {kind}; register it with `riverseq reference add {plan.build}`")
        for kind, pack in found.items():
            if pack.build not in (plan.build, "any"):
                raise PackError(f"{pack.path}: {kind} of {pack.build} in a plan of {plan.build}")
        transcripts = Transcripts(found["transcripts"])
        genome = Genome(found["genome"])
        contigs = len(transcripts.layout.bin_base) - 1
        if contigs != len(genome.table.contigs):
            raise PackError(
                f"{transcripts.pack.path}: made for {contigs} contigs, the genome {genome.pack.path.name} has {len(genome.table.contigs)}; "
                "compile the gene models with this genome's contig table"
            )
        knowledge = {kind: pack for kind, pack in found.items() if kind not in MACHINERY}
        opened = {kind: open_source(pack) for kind, pack in knowledge.items()}
        keyed = {kind: keyed_by(pack) for kind, pack in knowledge.items()}
        return cls(
            plan=plan,
            genome=genome,
            transcripts=transcripts,
            clinvar=opened.get("clinvar"),
            allele_sources=tuple(source for kind, source in opened.items() if kind != "clinvar" and keyed[kind] is Keyed.ALLELE),
            genes={kind: source for kind, source in opened.items() if keyed[kind] is Keyed.GENE},
            regions={kind: source for kind, source in opened.items() if keyed[kind] is Keyed.REGION},
            model=load_model(found["model"], provider) if "model" in found else None,
            options=read_options(found["options"]) if "options" in found else Options(),
            cache=cache,
        )

    @cached_property
    def is_frequency(self) -> tuple[bool, ...]:
        """Which of `allele_sources` are of allele frequencies."""
        kinds = [kind_of(source.pack.kind) for source in self.allele_sources]
        return tuple(kind is not None and kind.frequency for kind in kinds)

    @property
    def frequencies(self) -> tuple[AlleleSource, ...]:
        """The sources of allele frequencies; a chunk's `frequency_source` counts these."""
        return tuple(source for source, mine in zip(self.allele_sources, self.is_frequency, strict=True) if mine)

    @cached_property
    def annotation_key(self) -> str:
        """What the rows of alleles depend on."""
        return f"{self.plan.annotation_key} {self.options.upstream} {self.options.downstream}"

    @cached_property
    def pick_order(self) -> PickOrder:
        """Which transcript speaks for an allele, see `annotate.pick`."""
        return pick_order(self.transcripts, self.options.order)

    @cached_property
    def renderer(self) -> Renderer:
        """Names as findings and queries show them: the nomenclature's spelling, nothing where there is nothing to say."""
        return Renderer(self.transcripts, self.genome, style=NOMENCLATURE)

    @property
    def provider(self) -> str:
        """Execution provider that scores; empty where there is no model."""
        return self.model.provider if self.model is not None else ""

    @cached_property
    def boundaries(self) -> dict[str, npt.NDArray[np.int64]]:
        """Contig → merged coding spans, where ingest does not cut a chunk."""
        spans = {contig.name: self.coding_spans(number) for number, contig in enumerate(self.genome.table.contigs)}
        return {name: found for name, found in spans.items() if len(found)}

    @cached_property
    def coding_exons(self) -> dict[str, npt.NDArray[np.int64]]:
        """Contig → merged coding exons: alleles in these travel to the chunk with which their span is called."""
        exons = {contig.name: self.transcripts.coding_exons(number) for number, contig in enumerate(self.genome.table.contigs)}
        return {name: found for name, found in exons.items() if len(found)}

    def coding_spans(self, contig: int) -> npt.NDArray[np.int64]:
        """Merged coding spans of a contig by number, see `Transcripts.coding_spans`; kept, since every chunk asks."""
        spans = self._spans
        if contig not in spans:
            spans[contig] = self.transcripts.coding_spans(contig)
        return spans[contig]

    @cached_property
    def _spans(self) -> dict[int, npt.NDArray[np.int64]]:
        return {}

    def bases(self, contig: str) -> npt.NDArray[np.uint8] | None:
        """Bases of a contig by name, None where the genome has no sequence of it."""
        number = self.genome.table.resolve(contig)
        return None if number is None else self.genome.bases(number)


def keyed_by(pack: Pack) -> Keyed:
    """What a pack of knowledge is keyed by: what it says itself, else its kind. Raises PackError for a kind that there is not."""
    kind = kind_of(pack.kind)
    if kind is None:
        raise PackError(f"{pack.path}: there is no kind of knowledge {pack.kind!r} in this version; deactivate the pack")
    return Keyed(pack.extra.get("keyed", kind.keyed))


def plan_for(packs: Path, build: str) -> Plan:
    """The plan of what is active for a build now: every pack whose kind is known here. Raises PackError without genome or gene models."""
    build = canonical_build(build)
    active = active_packs(packs, build)
    for kind in REQUIRED:
        if kind not in active:
            raise PackError(
                f"{build} has no {kind} below {packs}; register it with `riverseq reference add {build} --fasta F --transcripts GFF3`"
            )
    chosen: dict[str, Any] = {kind: active[kind] for kind in MACHINERY if kind in active}
    chosen |= {kind: pack for kind, pack in active.items() if kind_of(kind) is not None}
    return Plan(build, tuple(Component(kind, pack.name, pack.version, pack.digest) for kind, pack in chosen.items()))
