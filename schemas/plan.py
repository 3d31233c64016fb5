"""The pinned plan: which version of everything interprets a sample, chosen once, at admission."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas import identity

STAGE_CODE = {"ingest": 2, "annotate": 3, "score": 1, "interpret": 2}
"""Code version of each stage, raised by hand when its output changes; a golden-output test fails when one is forgotten."""

MACHINERY = ("genome", "transcripts", "options", "model")
"""Kinds of component that are no knowledge of alleles, genes or regions: what they change is computed anew, from the file on."""


@dataclass(frozen=True)
class Component:
    """One pinned thing. `kind` is one of MACHINERY or a kind of knowledge (`processors.knowledge.kinds`, also `user.NAME`)."""

    kind: str
    name: str
    version: str
    digest: str


@dataclass(frozen=True)
class CuttingRule:
    """Where a chunk ends: at the first of these, moved to where no coding transcript spans the cut if one is near.

    `alleles` rows, `cells` calls (a wide cohort file is cut by these), `size` bytes of uncompressed REF, ALT and calls. An insert costs
    ClickHouse about 10 ms of CPU beside its rows, and a chunk makes seven: 65,536 alleles need 3.4 µs each there, 16,384 need 8.9.
    """

    alleles: int = 65_536
    cells: int = 131_072
    size: int = 5 * 1024 * 1024

    def key(self) -> str:
        """Text that enters `chunk_id` and `plan_id`."""
        return f"{self.alleles}/{self.cells}/{self.size}"


@dataclass(frozen=True)
class Plan:
    """Every component, one of a kind, the code version of each stage, and the cutting rule. Equal plans have equal `plan_id`s."""

    build: str
    components: tuple[Component, ...]
    code: Mapping[str, int] = field(default_factory=lambda: dict(STAGE_CODE))
    cutting: CuttingRule = CuttingRule()

    @property
    def plan_id(self) -> str:
        rows = [(c.kind, c.name, c.version, c.digest) for c in self.components]
        return identity.plan_id([("build", self.build, "", ""), *rows], self.code, self.cutting.key())

    def component(self, kind: str) -> Component | None:
        """The plan's only component of a kind, None where it has none."""
        found = [c for c in self.components if c.kind == kind]
        return found[0] if found else None

    def key(self, stage: str, *kinds: str) -> str:
        """Key of a once-only store: the stage's code version and the digest of everything it reads."""
        read = sorted(c.digest for c in self.components if c.kind in kinds)
        return identity.digest("store", stage, self.code[stage], *read)

    @property
    def annotation_key(self) -> str:
        return self.key("annotate", "genome", "transcripts", "options")

    @property
    def lookup_key(self) -> str:
        return self.key("annotate", "clinvar", "frequency")

    @property
    def score_key(self) -> str:
        return self.key("score", "genome", "transcripts", "options", "model")

    @property
    def evidence_key(self) -> str:
        """Key of what a plan says of an allele: everything that annotate, score and interpret read, their code included."""
        code = [self.code[stage] for stage in ("annotate", "score", "interpret")]
        return identity.digest("store", "evidence", *code, *sorted(c.digest for c in self.components))


def changed_kinds(old: Plan, new: Plan) -> frozenset[str]:
    """Kinds of component that one plan has and the other has not, or has with another digest."""
    before, after = ({c.kind: c.digest for c in plan.components} for plan in (old, new))
    return frozenset(kind for kind in before.keys() | after.keys() if before.get(kind) != after.get(kind))


def differ_in_knowledge_alone(old: Plan, new: Plan) -> bool:
    """Whether two plans read the same file, genome, gene models, options and model with the same code, and differ in knowledge only."""
    same = (old.build, dict(old.code), old.cutting) == (new.build, dict(new.code), new.cutting)
    return same and changed_kinds(old, new).isdisjoint(MACHINERY)
