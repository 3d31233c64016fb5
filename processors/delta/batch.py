"""A batch: some samples that stand under one plan and are to stand under another, and the SQL that names them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from processors.land.publication import PublicationRow
from schemas import identity
from schemas.plan import Plan


@dataclass(frozen=True)
class Batch:
    """`bases` are the samples' current publications, by sample; `steps` how many plans each was carried through so far.

    `old` is the plan in force (that of the base, or the last one under which it was carried), `new` the assigned one.
    """

    old: Plan
    new: Plan
    bases: tuple[PublicationRow, ...]
    steps: Mapping[str, int] = field(default_factory=dict, hash=False)

    @cached_property
    def delta_id(self) -> str:
        """The same work again is the same delta."""
        return identity.delta_id(self.old.plan_id, self.new.plan_id, [(row.sample_id, row.revision_id) for row in self.bases])

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """Query parameters of MEMBERS, CHAIN and CALLS."""
        return {
            "delta": self.delta_id,
            "samples": [row.sample_id for row in self.bases],
            "bases": [row.revision_id for row in self.bases],
            "annotation": self.new.annotation_key,
            "evidence": self.new.evidence_key,
        }

    def revisions(self, touched: Iterable[PublicationRow]) -> dict[str, str]:
        """Sample → id of the revision that this step makes of it. Samples of one file that stand on one base share one.

        It depends on the samples that are touched, not on which others were looked at with them: whatever was done already when a
        process died, the same revisions follow.
        """
        together: dict[tuple[str, str], list[str]] = {}
        for row in touched:
            together.setdefault((row.submission_id, row.revision_id), []).append(row.sample_id)
        return {
            sample: identity.delta_revision_id(submission, self.old.plan_id, self.new.plan_id, base, samples)
            for (submission, base), samples in together.items()
            for sample in samples
        }


MEMBERS = """SELECT sample_id, revision_id, submission_id, call_set, root, number, epoch FROM publication FINAL
    WHERE (sample_id, revision_id) IN (
        SELECT member, base FROM (SELECT {samples:Array(String)} AS members, {bases:Array(String)} AS revisions)
        ARRAY JOIN members AS member, revisions AS base
    )"""
"""The samples of a batch on their bases."""

CHAIN = f"""SELECT p.sample_id AS sample_id, p.revision_id AS revision_id, p.published_at AS published_at
    FROM publication AS p FINAL
    INNER JOIN ({MEMBERS}) AS m ON m.sample_id = p.sample_id AND m.submission_id = p.submission_id AND m.root = p.root
    WHERE p.sample_id IN {{samples:Array(String)}} AND p.kind = 'live' AND p.number <= m.number"""
"""The revisions that together are the current one of each sample of a batch."""

CALLS = f"(submission_id, sample_id, call_set) IN (SELECT submission_id, sample_id, call_set FROM ({MEMBERS}))"
"""Condition: a row of `calls` is of a sample of a batch."""
