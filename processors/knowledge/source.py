"""What every knowledge source can do: be built from its own file, be asked, and say where it comes from.

A module of `processors.knowledge.sources` has `build(Request) -> Pack` and `open_pack(Pack) -> AlleleSource | GeneSource | RegionSource`.
What `build` writes into the pack's `extra`, for all kinds: `keyed`, `source` (file name), `sha256`, `licence` (kinds.Licence), `date` (ISO,
of the release), `counts` (reason → number of rows left out or noted), `columns` (name → {"title", "unit"} of what `details` gives).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from processors.knowledge.kinds import kind_of
from processors.knowledge.pack import Pack, PackError

if TYPE_CHECKING:
    from processors.knowledge.genome import Genome
    from processors.knowledge.lookup import Spelled
    from schemas.chunks import Answer


@dataclass(frozen=True)
class Request:
    """What `build` is asked to do. `genome` is None for sources keyed by gene. `options` are the source's own (`--option KEY=VALUE`)."""

    kind: str
    files: tuple[Path, ...]
    root: Path
    build: str
    version: str
    genome: Genome | None = None
    name: str = ""  # empty: the kind's
    date: str = ""  # ISO date of the release; empty: what the file says
    licence: str = ""  # empty: the kind's
    options: Mapping[str, str] = field(default_factory=dict)
    jobs: int = 0  # processes; 0: as many as there are cores
    progress: Callable[[float, str], None] | None = None  # (share done 0 to 1, what is being done)


class Looked(NamedTuple):
    """What a source says of n alleles: `chunks.Answer` (uint8), its main value (float32, NaN where not found), its row (uint32, NONE)."""

    answer: npt.NDArray[np.uint8]
    value: npt.NDArray[np.float32]
    row: npt.NDArray[np.uint32]


class Source(Protocol):
    """A loaded pack of any kind."""

    @property
    def pack(self) -> Pack: ...

    def details(self, row: int) -> dict[str, Any]:
        """Everything the pack holds at a row, by column, as JSON values; for `explain`."""
        ...

    def meta(self) -> dict[str, Any]:
        """Source, version, digest, date, licence, rows, counts: what stands beside a value as its provenance."""
        ...


class AlleleSource(Source, Protocol):
    """Keyed by allele."""

    @property
    def default(self) -> Answer:
        """What an allele that the pack does not hold is answered outside covered regions: ABSENT or UNKNOWN."""
        ...

    def query(self, ids: npt.NDArray[np.uint64], spelled: Spelled) -> Looked:
        """Answers of n alleles, in any order; fast where the ids ascend."""
        ...


class GeneSource(Source, Protocol):
    """Keyed by gene."""

    def query(self, gene_ids: Sequence[str], symbols: Sequence[str]) -> npt.NDArray[np.int64]:
        """Row of each gene, -1: none. Ensembl or HGNC ids without version go first, then symbols."""
        ...


class RegionSource(Source, Protocol):
    """Keyed by stretch of a contig."""

    def query(self, linear: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """First row that overlaps each half-open span in linear coordinates of the build's table, -1: none."""
        ...


def build_source(request: Request) -> Pack:
    """Build a pack of any kind. Raises PackError for an unknown kind, sources.sites.SourceRefused for a file that cannot become a pack."""
    pack: Pack = _module(request.kind).build(request)
    return pack


def open_source(pack: Pack) -> Any:
    """The AlleleSource, GeneSource or RegionSource of a pack. Raises PackError."""
    return _module(pack.kind).open_pack(pack)


_MODULES: dict[str, Callable[[], Any]] = {
    "clinvar": lambda: import_module("processors.knowledge.sources.clinvar"),
    "frequency": lambda: import_module("processors.knowledge.sources.frequency"),
    "gnomad_exomes": lambda: import_module("processors.knowledge.sources.gnomad"),
    "gnomad_genomes": lambda: import_module("processors.knowledge.sources.gnomad"),
    "gnomad_joint": lambda: import_module("processors.knowledge.sources.gnomad"),
    "thousand_genomes": lambda: import_module("processors.knowledge.sources.thousand_genomes"),
    "dbsnp": lambda: import_module("processors.knowledge.sources.dbsnp"),
    "dbnsfp": lambda: import_module("processors.knowledge.sources.dbnsfp"),
    "revel": lambda: import_module("processors.knowledge.sources.revel"),
    "cadd": lambda: import_module("processors.knowledge.sources.cadd"),
    "alphamissense": lambda: import_module("processors.knowledge.sources.alphamissense"),
    "spliceai": lambda: import_module("processors.knowledge.sources.spliceai"),
    "constraint": lambda: import_module("processors.knowledge.sources.constraint"),
    "dosage": lambda: import_module("processors.knowledge.sources.dosage"),
    "validity": lambda: import_module("processors.knowledge.sources.validity"),
    "hpo_genes": lambda: import_module("processors.knowledge.sources.hpo_genes"),
    "user": lambda: import_module("processors.knowledge.sources.user"),
}
"""Kind → its module, imported when it is asked for."""


def _module(kind: str) -> Any:
    known = kind_of(kind)
    if known is None:
        raise PackError(f"there is no kind of knowledge {kind!r}; see `riverseq knowledge build --help`")
    return _MODULES["user" if kind.startswith("user.") else kind]()
