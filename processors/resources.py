"""Everything a plan's stages read, loaded once a worker and shared by its chunks; and the plan of what is active now."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from processors.annotate.cache import AnnotationCache
from processors.annotate.hgvs.style import NOMENCLATURE
from processors.annotate.options import Options, read_options
from processors.annotate.pick import PickOrder, pick_order
from processors.annotate.render import Renderer
from processors.knowledge.genome import Genome
from processors.knowledge.pack import PackError, active_packs, find_pack
from processors.knowledge.sources.clinvar import ClinVar
from processors.knowledge.sources.frequency import Frequency
from processors.knowledge.transcripts import Transcripts
from processors.score.models import Model, load_model
from processors.score.session import Wanted
from schemas.assembly import canonical_build
from schemas.plan import Component, Plan

REQUIRED = ("genome", "transcripts")
KINDS = (*REQUIRED, "options", "clinvar", "frequency", "model")


@dataclass(frozen=True)
class Resources:
    """The packs of one plan. `clinvar`, `frequency` and `model` are None where the plan has none."""

    plan: Plan
    genome: Genome
    transcripts: Transcripts
    clinvar: ClinVar | None
    frequency: Frequency | None
    model: Model | None
    options: Options = field(default_factory=Options)
    cache: AnnotationCache | None = None
    """Rows of alleles called before, shared by all plans of a worker; None: everything is computed."""

    @classmethod
    def load(cls, plan: Plan, packs: Path, provider: str = Wanted.AUTO, cache: AnnotationCache | None = None) -> Resources:
        """The packs of a plan below `packs`. `provider`: `cuda` (required), `cpu`, `auto`.

        Raises PackError where a digest is not on this machine (a worker waits for it), session.ProviderRefused, models.ModelRefused.
        """
        found = {component.kind: find_pack(packs, component.digest) for component in plan.components if component.kind in KINDS}
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
        return cls(
            plan=plan,
            genome=genome,
            transcripts=transcripts,
            clinvar=ClinVar(found["clinvar"]) if "clinvar" in found else None,
            frequency=Frequency(found["frequency"]) if "frequency" in found else None,
            model=load_model(found["model"], provider) if "model" in found else None,
            options=read_options(found["options"]) if "options" in found else Options(),
            cache=cache,
        )

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


def plan_for(packs: Path, build: str) -> Plan:
    """The plan of what is active for a build now. Raises PackError where its genome or gene models are missing."""
    build = canonical_build(build)
    active = active_packs(packs, build)
    for kind in REQUIRED:
        if kind not in active:
            raise PackError(
                f"{build} has no {kind} below {packs}; register it with `riverseq reference add {build} --fasta F --transcripts GFF3`"
            )
    components = tuple(Component(kind, active[kind].name, active[kind].version, active[kind].digest) for kind in KINDS if kind in active)
    return Plan(build, components)
