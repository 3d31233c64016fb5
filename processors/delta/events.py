"""What a published delta tells the outside: `Reclassified` events, with the sources that were released."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from processors.land.client import Client
from processors.land.publication import PublicationRow
from schemas import identity
from schemas.events import Reclassified, SourceChange
from schemas.plan import Component, Plan, changed_kinds

_COLUMNS = (
    "sample_id", "allele_id", "spelling", "contig", "start", "ref", "alt", "zygosity", "gene", "transcript", "hgvsc", "hgvsp", "tier",
    "basis", "old_class", "new_class", "old_clinvar", "new_clinvar", "changes", "finding", "first_seen", "base_plan_id",
)  # fmt: skip
_TAKEN = ("sample_id", "allele_id", "spelling", "start", "changes", "first_seen", "base_plan_id")
TOLD = "(tier >= 1 OR finding = 'removed')"
"""Which rows are events: a classification that changed, and a finding that is none any more, or readers would keep it for ever."""


def reclassified_of(
    client: Client, rows: Sequence[PublicationRow], plans: Mapping[str, Plan]
) -> Iterator[tuple[PublicationRow, Reclassified]]:
    """The events of published delta revisions, by sample and place, with ids that are the same whenever they are made.

    `plans` by id holds the plan of each row and that of its base.
    """
    by_sample = {row.sample_id: row for row in rows}
    sql = f"""SELECT {", ".join(_COLUMNS)} FROM reclassified FINAL
        WHERE revision_id IN {{revisions:Array(String)}} AND sample_id IN {{samples:Array(String)}} AND {TOLD}
        ORDER BY sample_id, allele_id, spelling"""
    found = client.records(sql, {"revisions": sorted({row.revision_id for row in rows}), "samples": sorted(by_sample)})
    steps = {(record["base_plan_id"], by_sample[record["sample_id"]].plan_id) for record in found}
    sources = {step: source_changes(client, plans[step[0]], plans[step[1]]) for step in sorted(steps)}
    for record in found:
        row = by_sample[record["sample_id"]]
        values = {name: value for name, value in record.items() if name not in _TAKEN}
        seen = 0 if record["finding"] == "none" else record["first_seen"] or row.published_at
        yield (
            row,
            Reclassified(
                id=identity.result_id(row.revision_id, row.sample_id, record["allele_id"], "Reclassified"),
                sample_id=row.sample_id,
                submission_id=row.submission_id,
                revision_id=row.revision_id,
                revision=row.number,
                base=row.base,
                plan_id=row.plan_id,
                base_plan_id=record["base_plan_id"],
                build=row.build,
                position=record["start"] + 1,
                changes=tuple(record["changes"]),
                criteria=(),
                sources=sources[record["base_plan_id"], row.plan_id],
                first_seen=seen,
                evidence_changed=row.published_at,
                time=row.published_at,
                **values,
            ),
        )


def source_changes(client: Client, old: Plan, new: Plan) -> tuple[SourceChange, ...]:
    """The kinds of knowledge in which two plans differ, with name@version and date of each."""
    kinds = sorted(changed_kinds(old, new))
    pairs = [(kind, old.component(kind), new.component(kind)) for kind in kinds]
    digests = [component.digest for _, *both in pairs for component in both if component is not None]
    dates = dict(client.rows("SELECT digest, date FROM source FINAL WHERE digest IN {digests:Array(String)}", {"digests": digests}))

    def date(component: Component | None) -> str:
        return str(dates.get(component.digest, "")) if component else ""

    return tuple(SourceChange(kind, named(before), date(before), named(after), date(after)) for kind, before, after in pairs)


def named(component: Component | None) -> str:
    """`name@version`, empty for none."""
    return f"{component.name}@{component.version}" if component else ""


def tiers_of(client: Client, revisions: Sequence[str]) -> Counter[int]:
    """Tier → alleles of samples that some delta revisions reclassified."""
    sql = "SELECT tier, count() FROM reclassified FINAL WHERE revision_id IN {ids:Array(String)} GROUP BY tier"
    return Counter({int(tier): int(count) for tier, count in client.rows(sql, {"ids": list(revisions)})})
