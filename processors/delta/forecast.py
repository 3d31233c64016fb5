"""What a plan would change of the samples on file, without doing it: the same steps as a delta's, up to the rows of samples.

Alleles that the new plan has not been asked about are computed here and their evidence is kept, once for all: no reader sees it before a
plan in force names it, and the release that follows finds it done.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from processors.annotate.stage import annotate
from processors.delta.batch import Batch
from processors.delta.changed import affected
from processors.delta.chunks import delta_chunks
from processors.delta.landing import evidence_missing
from processors.delta.outcome import outcome
from processors.delta.waiting import Waiting, waiting
from processors.interpret.stage import evidence_of
from processors.knowledge.pack import Pack
from processors.land import releases, store
from processors.land.client import Client
from processors.land.delta import land_delta
from processors.land.publication import publications_of
from processors.resources import Resources, plan_for
from processors.score.stage import score
from schemas.plan import MACHINERY, Component, Plan, differ_in_knowledge_alone

BATCH = 500
"""Samples looked at together."""


@dataclass(frozen=True)
class Forecast:
    """What would change. `seconds` is the time of the same work here, without what is written for samples."""

    samples: int  # current samples that would follow
    touched: int  # of these, with an affected allele
    carried: int  # of these, without one
    opted_out: int
    unreachable: int  # interpreted with another genome, gene models, model or code: a person replays them
    alleles: int  # affected, on file
    keys: Mapping[str, int]  # kind → changed keys
    findings_added: int
    findings_removed: int
    reclassified: Mapping[int, int]  # tier → alleles of samples
    transitions: Mapping[str, int]  # what changed of an allele of a sample → how often
    seconds: float


def plan_with(packs: Path, build: str, pack: Pack) -> Plan:
    """The plan of what is active for a build now, with `pack` in the place of its kind. Raises PackError."""
    plan = plan_for(packs, build)
    fresh = Component(pack.kind, pack.name, pack.version, pack.digest)
    others = [component for component in plan.components if component.kind != pack.kind]
    machinery = [component for component in others if component.kind in MACHINERY]
    knowledge = sorted([*(c for c in others if c.kind not in MACHINERY), fresh], key=lambda component: component.kind)
    return replace(plan, components=(*machinery, *knowledge))


def forecast(
    client: Client, packs: Path, new: Plan, *, provider: str, progress: Callable[[float, str], None] = lambda share, doing: None
) -> Forecast:
    """What `new` would change of its build's current samples. `client` may write. Raises PackError, StoreError."""
    started = time.monotonic()
    waits = waiting(client, {new.build: new.plan_id})
    refusing = releases.refusing(client)
    taking = [one for one in waits if one.sample_id not in refusing]
    counts: Counter[str] = Counter()
    keys: Counter[str] = Counter()
    tiers: Counter[int] = Counter()
    transitions: Counter[str] = Counter()
    alleles: set[tuple[int, int]] = set()
    resources: Resources | None = None
    done = 0
    for old, members in _batches(client, taking, new):
        progress(done / max(len(taking), 1), f"{done} of {len(taking)} samples")
        done += len(members)
        if old is None:
            counts["unreachable"] += len(members)
            continue
        bases = publications_of(client, [(one.sample_id, one.revision_id) for one in members])
        batch = Batch(old, new, bases, {one.sample_id: one.step for one in members})
        found = affected(client, batch, packs)
        missing = evidence_missing(client, batch)
        for chunk in delta_chunks(batch, found.alleles, "background"):
            if missing.isdisjoint(chunk.rows.column("allele_id").to_pylist()):
                continue
            resources = resources or Resources.load(new, packs, provider)
            [scored] = score([annotate(chunk, resources)], resources)
            land_delta(client, scored, evidence_of(scored, resources), new, worker="forecast", provider=resources.provider)
        after = outcome(client, batch, found)
        counts["touched"] += len(after.touched)
        counts["samples"] += len(members)
        keys.update({kind: max(0, count - keys[kind]) for kind, count in found.keys.items()})  # of each batch the same packs
        alleles.update(zip(found.alleles.ids.tolist(), found.alleles.spelling.tolist(), strict=True))
        told = after.reclassified
        tiers.update(tier for tier in told.column("tier").to_pylist() if tier)
        for changes, finding in zip(told.column("changes").to_pylist(), told.column("finding").to_pylist(), strict=True):
            transitions.update(changes)
            counts["added"] += finding == "added"
            counts["removed"] += finding == "removed"
    return Forecast(
        samples=counts["samples"],
        touched=counts["touched"],
        carried=counts["samples"] - counts["touched"],
        opted_out=len(waits) - len(taking),
        unreachable=counts["unreachable"],
        alleles=len(alleles),
        keys=dict(keys),
        findings_added=counts["added"],
        findings_removed=counts["removed"],
        reclassified=dict(sorted(tiers.items())),
        transitions=dict(transitions.most_common()),
        seconds=time.monotonic() - started,
    )


def _batches(client: Client, taking: list[Waiting], new: Plan) -> Iterator[tuple[Plan | None, list[Waiting]]]:
    """(old plan, its samples), at most BATCH at a time; None in place of a plan from which no delta leads to the new one."""
    for plan_id, together in groupby(sorted(taking, key=lambda one: (one.plan_id, one.sample_id)), key=lambda one: one.plan_id):
        members = list(together)
        old = store.plan(client, plan_id)
        reachable = old if old is not None and differ_in_knowledge_alone(old, new) else None
        for first in range(0, len(members), BATCH):
            yield reachable, members[first : first + BATCH]
