"""The pinned plan: which version of everything interprets a sample, chosen once, at admission."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas import identity

STAGE_CODE = {"ingest": 2, "annotate": 2, "score": 1, "interpret": 2}
"""Code version of each stage, raised by hand when its output changes; a golden-output test fails when one is forgotten."""


@dataclass(frozen=True)
class Component:
    """One pinned thing: `kind` is `genome`, `transcripts`, `options`, `clinvar`, `frequency` or `model`."""

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
    """Every component digest, the code version of each stage, and the cutting rule. Equal plans have equal `plan_id`s."""

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
