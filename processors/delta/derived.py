"""Keys that a release changes beside the alleles of its own rows: the residues, genes, places and partners by which rules read it.

Only what a rule reads of a changed kind is derived: without such a rule no pack is opened here, and the consequence engine is not loaded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from processors.delta.batch import Batch
from processors.delta.keys import Keys, of_alleles
from processors.interpret.reads import Key, keys_read
from processors.knowledge.kinds import Keyed, kind_of
from processors.knowledge.pack import Pack, find_pack
from processors.knowledge.source import open_source
from schemas.chunks import NONE

if TYPE_CHECKING:
    from processors.knowledge.diff import Changes
    from processors.knowledge.diff_keys import ChangedKeys
    from processors.resources import Resources

U64 = npt.NDArray[np.uint64]
Found = Mapping[Key, U64] | None
"""Changed keys as `Keys` has them; None: every allele on file is affected."""

READ_BY_RULES: Mapping[str, tuple[str, ...]] = {"clinvar": ("significance", "stars", "terms", "conflict")}
"""Kind → the fields that rules read of it, where these are not all: a new name of a condition reaches nobody's neighbours."""
_ENGINE = ("genome", "transcripts", "options")


@dataclass(frozen=True)
class Derived:
    """Changed keys of all kinds together, and `KIND by KEY` → how many. `everything`: of which of these all on file are affected."""

    everything: frozenset[str]
    keys: Keys
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Release:
    """One kind of knowledge between a batch's two plans. `own`: alleles whose own answer changed, None where its rows are of no allele."""

    kind: str
    batch: Batch
    packs: Path
    own: U64 | None
    engine: Engine

    @cached_property
    def both(self) -> tuple[Pack | None, Pack | None]:
        components = (plan.component(self.kind) for plan in (self.batch.old, self.batch.new))
        old, new = (None if one is None else find_pack(self.packs, one.digest) for one in components)
        return old, new

    @cached_property
    def keyed(self) -> frozenset[Keyed]:
        """What its packs are keyed by; of a laboratory's own table the new one may have other keys than the old one."""
        return frozenset(keyed_by(pack) for pack in self.both if pack is not None)

    @cached_property
    def changes(self) -> Changes:
        from processors.knowledge.diff import diff

        return diff(*self.both, fields=READ_BY_RULES.get(self.kind))

    @cached_property
    def changed(self) -> ChangedKeys:
        from processors.knowledge.diff_keys import changed_keys

        return changed_keys(self.changes, self.engine.resources)

    @property
    def covers_otherwise(self) -> bool:
        """Whether alleles without a row, which no comparison lists, are answered otherwise: their residues and genes are not known."""
        return self.changes.everything or len(self.changes.regions) > 0


@dataclass(frozen=True)
class Engine:
    """What the consequence engine reads of a batch's plans, which do not differ in it; loaded when it is asked for."""

    batch: Batch
    packs: Path

    @cached_property
    def resources(self) -> Resources:
        from processors.resources import Resources

        components = tuple(one for one in self.batch.new.components if one.kind in _ENGINE)
        return Resources.load(replace(self.batch.new, components=components), self.packs)


def derived(batch: Batch, packs: Path, kinds: Iterable[str], own: Mapping[str, U64]) -> Derived:
    """What rules read of changed kinds by other keys than the allele's own row. `own`: kind → alleles (of the release or on file) whose own
    answer changed, for each kind that is keyed by allele.

    Raises PackError where a pack is not on this machine.
    """
    engine = Engine(batch, packs)
    found: dict[Key, list[U64]] = defaultdict(list)
    counts: dict[str, int] = {}
    everything = set()
    for kind in sorted(kinds):
        wanted = keys_read(kind) - ({Key.ALLELE} if kind in own else frozenset())
        release = Release(kind, batch, packs, own.get(kind), engine)
        for key in sorted(wanted):
            name = f"{kind} by {key}"
            rows = _derive(release, key)
            if rows is None:
                everything.add(name)
                continue
            for by, changed in rows.items():
                found[by].append(changed)
            counts[name] = sum(len(changed) for changed in rows.values())
    keys = Keys({key: np.unique(np.concatenate(parts), axis=0) for key, parts in sorted(found.items())})
    return Derived(frozenset(everything), keys, counts)


def keyed_by(pack: Pack) -> Keyed:
    """What a pack is keyed by: what it says itself, else its kind."""
    known = kind_of(pack.kind)
    return Keyed(pack.extra.get("keyed", known.keyed if known is not None else Keyed.ALLELE))


def _derive(release: Release, key: Key) -> Found:
    if len(release.keyed) != 1:
        return None
    [keyed] = release.keyed
    return DERIVATIONS[keyed, key](release)


# --- sources of alleles ----------------------------------------------------------------------------------------------


def _own(release: Release) -> Found:
    return {Key.ALLELE: of_alleles(_told(release))}


def _partners(release: Release) -> Found:
    """Of a source that is not asked about the alleles on file, the fields that rules read."""
    if release.kind not in READ_BY_RULES:
        return {Key.PARTNER: of_alleles(_told(release))}
    return None if release.changes.everything else {Key.PARTNER: of_alleles(np.unique(release.changes.ids))}


def _residues(release: Release) -> Found:
    return None if release.covers_otherwise else {Key.RESIDUE: _pairs(release.changed.residues)}


def _genes_of_alleles(release: Release) -> Found:
    return None if release.covers_otherwise else {Key.GENE: _genes(release.changed.genes)}


def _places(release: Release) -> Found:
    changes = release.changes
    if changes.everything:
        return None
    own = np.stack([changes.linear, changes.linear + np.diff(changes.spelled.ref_offsets)], axis=1)
    return {Key.REGION: _pairs(np.concatenate([own, changes.regions]))}


def _told(release: Release) -> U64:
    assert release.own is not None, f"nobody asked {release.kind} about alleles"
    return release.own


# --- sources of genes ------------------------------------------------------------------------------------------------


def _answered_genes(release: Release) -> Found:
    """Genes of the plan of which the two packs, asked as rules ask them, do not say the same: by ids, symbols and former symbols.

    All that a rule can read of a gene's row, by whatever key, lies within the alleles of the gene.
    """
    old, new = release.both
    if old is None or new is None:
        return None
    known = release.engine.resources.transcripts
    names = known.gene_id.arrow().to_pylist(), known.gene_symbol.arrow().to_pylist()
    texts = [_records(open_source(pack), *names) for pack in (old, new)]
    changed = [gene for gene, (before, after) in enumerate(zip(*texts, strict=True)) if before != after]
    return {Key.GENE: _genes(np.array(changed, dtype=np.uint32))}


def _records(source: Any, gene_ids: list[str], symbols: list[str]) -> list[str | None]:
    """What a pack says of each gene, None where nothing."""
    return [None if row < 0 else source.raw(row) for row in source.query(gene_ids, symbols).tolist()]


# --- sources of regions ----------------------------------------------------------------------------------------------


def _regions(release: Release) -> Found:
    return None if release.changes.everything else {Key.REGION: _pairs(release.changes.regions)}


def _genes_of_regions(release: Release) -> Found:
    """Genes of which a transcript, with the reach of its gene models, overlaps a changed stretch; its residues and partners lie within."""
    changes = release.changes
    if changes.everything:
        return None
    resources = release.engine.resources
    layout, reach = resources.transcripts.layout, resources.options.reach
    offsets = np.array([contig.offset for contig in resources.genome.table.contigs], dtype=np.int64)[np.asarray(layout.contig)]
    low, high = offsets + np.asarray(layout.start) - reach, offsets + np.asarray(layout.end) + reach
    # merged stretches do not touch: of those that begin before the transcript ends, the last one ends last
    place = np.searchsorted(changes.regions[:, 0], high, side="left") - 1
    ends = changes.regions[:, 1][place] if len(changes.regions) else np.zeros(len(place), dtype=np.int64)
    return {Key.GENE: _genes(np.asarray(layout.gene)[(place >= 0) & (ends > low)])}


def _pairs(rows: npt.NDArray[np.int64]) -> U64:
    return rows.astype(np.uint64).reshape(-1, 2)


def _genes(rows: npt.NDArray[np.uint32]) -> U64:
    """Genes as keys. What lies in no gene is of no gene."""
    genes = np.unique(rows[rows != NONE]).astype(np.uint64)
    return np.stack([genes, np.zeros_like(genes)], axis=1)


DERIVATIONS: Mapping[tuple[Keyed, Key], Callable[[Release], Found]] = {
    (Keyed.ALLELE, Key.ALLELE): _own,
    (Keyed.ALLELE, Key.RESIDUE): _residues,
    (Keyed.ALLELE, Key.REGION): _places,
    (Keyed.ALLELE, Key.GENE): _genes_of_alleles,
    (Keyed.ALLELE, Key.PARTNER): _partners,
    **{(Keyed.GENE, key): _answered_genes for key in Key},
    (Keyed.REGION, Key.ALLELE): _regions,
    (Keyed.REGION, Key.REGION): _regions,
    (Keyed.REGION, Key.RESIDUE): _genes_of_regions,
    (Keyed.REGION, Key.GENE): _genes_of_regions,
    (Keyed.REGION, Key.PARTNER): _genes_of_regions,
}
"""How the changed keys of each kind of source are found, by the key by which a rule reads it."""
