"""What stands in ClickHouse of one allele of one sample, and where it comes from, for `riverseq explain`.

Every function takes `Asked`: a client, the SELECTs of the views moved to the time that is asked (or as they are), and who and what.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from processors.land import store
from processors.land.asof import plan_dates
from processors.land.client import Client
from schemas.chunks import Flag, Scored
from schemas.plan import Plan, changed_kinds

_ALLELE = """sample_id = {sample:String} AND allele_id = {allele:UInt64}
    AND ref = {ref:String} AND alt = {alt:String}"""
NEAR = 1
"""Bases beside a place within which other calls are told of, where the allele itself is not called."""


@dataclass(frozen=True)
class Asked:
    """Who and what. `start` 0-based; `allele` is identity.allele_id of the normalised allele."""

    client: Client
    move: Callable[[str], str]
    sample: str
    contig: str
    start: int
    ref: str
    alt: str
    allele: int

    def records(self, sql: str, **more: Any) -> list[dict[str, Any]]:
        """Rows of a SELECT on the views, with the parameters sample, contig, start, ref, alt, allele."""
        names = ("sample", "contig", "start", "ref", "alt", "allele")
        return self.client.records(self.move(sql), {name: getattr(self, name) for name in names} | more)


def standing(client: Client, move: Callable[[str], str], sample: str) -> dict[str, Any] | None:
    """The revision shown and the plan that is in force for it; None where there is none."""
    sql = """SELECT s.revision_id AS revision_id, s.submission_id AS submission_id, s.number AS number, s.ordinal AS ordinal,
            s.build AS build, s.root AS root, s.complete AS complete, s.published_at AS published_at, s.score_key AS score_key,
            p.plan_id AS plan_id, p.published_plan_id AS published_plan_id
        FROM sample_current AS s INNER JOIN sample_plan AS p ON p.sample_id = s.sample_id WHERE s.sample_id = {sample:String}"""
    found = client.records(move(sql), {"sample": sample})
    return found[0] if found else None


def calls(asked: Asked) -> list[dict[str, Any]]:
    """The sample's calls of the allele: one a record that holds it."""
    sql = f"""SELECT record, alt_index, filter, if(isNaN(qual), NULL, qual) AS qual, haplotypes, ploidy, other_alts, missing, phased,
            nullIf(phase_set, -1) AS phase_set, nullIf(depth, -1) AS depth, nullIf(quality, -1) AS quality,
            nullIf(depth_ref, -1) AS depth_ref, nullIf(depth_alt, -1) AS depth_alt, flags, chunk
        FROM calls_current WHERE {_ALLELE} ORDER BY record, alt_index"""
    return [
        {
            "genotype": genotype(**{name: row.pop(name) for name in ("haplotypes", "ploidy", "other_alts", "missing", "phased")}),
            **row,
            "flags": [flag.name.lower() for flag in Flag if flag.name and row["flags"] & flag],
        }
        for row in asked.records(sql)
    ]


def genotype(haplotypes: int, ploidy: int, other_alts: int, missing: int, phased: bool) -> str:
    """A call in the letters of VCF, with 1 for this ALT, 2 for any other, `.` for what is missing; `haplotypes` and the like are bits."""
    letters = ["1" if haplotypes >> k & 1 else "2" if other_alts >> k & 1 else "." if missing >> k & 1 else "0" for k in range(ploidy)]
    return ("|" if phased else "/").join(letters)


def variant(asked: Asked) -> dict[str, Any] | None:
    """The row of the view `variant`: the pick, and what all sources say together."""
    sql = f"""SELECT gene, gene_id, transcript, consequence, impact, region, zygosity, clinvar, clinvar_stars, clinvar_answer, frequency,
            frequency_answer, frequency_source FROM variant WHERE {_ALLELE} ORDER BY record LIMIT 1"""
    found = asked.records(sql)
    return found[0] if found else None


def knowledge(asked: Asked) -> list[dict[str, Any]]:
    """What each allele-keyed source of the plan in force answers."""
    sql = f"""SELECT kind, source, version, digest, date, licence, answer, value, said, row FROM knowledge
        WHERE {_ALLELE} ORDER BY record, kind LIMIT 1 BY kind"""
    return asked.records(sql)


def other_sources(client: Client, plan_id: str) -> list[dict[str, Any]]:
    """The sources of a plan that are keyed by gene or by region."""
    sql = """SELECT kind, name AS source, version, digest, date, licence, keyed FROM plan_source
        WHERE plan_id = {plan:String} AND keyed IN ('gene', 'region') ORDER BY kind"""
    return client.records(sql, {"plan": plan_id})


def score(asked: Asked, standing: dict[str, Any], plan: Plan | None) -> dict[str, Any]:
    """The model's answer: scored, failed, no_model, or not_applicable: no row lands of an allele that the model is not asked about."""
    component = plan.component("model") if plan else None
    said = {"model": store.model_name(plan) if plan else "", "digest": component.digest if component else ""}
    if component is None:
        return {**said, "answer": "no_model", "score": None, "provider": ""}
    sql = """SELECT scored, score, provider FROM score FINAL WHERE score_key = {key:String} AND allele_id = {allele:UInt64}
        AND (spelling = 0 OR spelling IN (
            SELECT spelling FROM annotation WHERE allele_id = {allele:UInt64} AND ref = {ref:String} AND alt = {alt:String}
        )) LIMIT 1"""
    found = asked.records(sql, key=standing["score_key"])
    if not found:
        return {**said, "answer": Scored.NOT_APPLICABLE.name.lower(), "score": None, "provider": ""}
    answer = Scored(found[0]["scored"])
    return {
        **said,
        "answer": answer.name.lower(),
        "score": found[0]["score"] if answer is Scored.SCORED else None,
        "provider": found[0]["provider"],
    }


def finding(asked: Asked) -> dict[str, Any] | None:
    """The finding with its reasons and times (ms since 1970 UTC), and the revision that last changed its row; None: the allele is none."""
    sql = f"""SELECT class, reasons, gene, transcript, hgvsc, hgvsp, zygosity, first_seen, evidence_changed, revision_id
        FROM finding_current WHERE {_ALLELE} ORDER BY record LIMIT 1"""
    found = asked.records(sql)
    return found[0] if found else None


def source_digest(client: Client, root: str) -> str:
    """SHA-256 of the file that a revision, or the one on which it stands, was read from; empty where it is not on record."""
    found = client.rows("SELECT source_digest FROM manifest FINAL WHERE revision_id = {id:String}", {"id": root})
    return str(found[0][0]) if found else ""


def history(client: Client, sample: str, shown: str) -> list[dict[str, Any]]:
    """Published revisions of a sample in order of publication, and the plans to which each was carried; what changed in each.

    `shown` is the revision asked about. Studies stand beside the order of the others: they change nothing.
    """
    dates = plan_dates(client)
    plans = {plan.plan_id: plan for plan in store.plans(client)}
    sql = """SELECT revision_id, number, ordinal, kind, plan_id, published_at AS at, 'published' AS what FROM publication FINAL
            WHERE sample_id = {sample:String}
            AND epoch >= (SELECT max(epoch) FROM sample_epoch WHERE sample_id = {sample:String})
        UNION ALL
        SELECT c.revision_id, p.number, p.ordinal, p.kind, c.plan_id, c.carried_at, 'carried' FROM (SELECT * FROM carried FINAL) AS c
        INNER JOIN (SELECT * FROM publication FINAL) AS p ON p.revision_id = c.revision_id AND p.sample_id = c.sample_id
        WHERE c.sample_id = {sample:String}"""
    told: list[dict[str, Any]] = []
    before: Plan | None = None
    for row in sorted(client.records(sql, {"sample": sample}), key=lambda row: (row["at"], row["number"])):
        plan = plans.get(row["plan_id"])
        day = dates[row["plan_id"]].knowledge if row["plan_id"] in dates else None
        told.append(
            {**row, "knowledge_date": str(day) if day else None, "changed": _changed(before, plan), "shown": row["revision_id"] == shown}
        )
        before = plan if row["kind"] == store.LIVE else before
    return told


def _changed(old: Plan | None, new: Plan | None) -> list[dict[str, str]]:
    if old is None or new is None:
        return []
    return [{"kind": kind, "from": _version(old, kind), "to": _version(new, kind)} for kind in sorted(changed_kinds(old, new))]


def _version(plan: Plan, kind: str) -> str:
    component = plan.component(kind)
    return f"{component.name}@{component.version}" if component else ""


def reclassified(asked: Asked) -> list[dict[str, Any]]:
    """How releases changed the classification of the allele in this sample, oldest first."""
    sql = """SELECT c.tier AS tier, c.basis AS basis, c.old_class AS old_class, c.new_class AS new_class, c.old_clinvar AS old_clinvar,
            c.new_clinvar AS new_clinvar, c.changes AS changes, c.revision_id AS revision_id, p.published_at AS at
        FROM (SELECT * FROM reclassified FINAL WHERE sample_id = {sample:String} AND allele_id = {allele:UInt64}
            AND ref = {ref:String} AND alt = {alt:String}) AS c
        INNER JOIN (SELECT revision_id, sample_id, published_at FROM publication FINAL) AS p
            ON p.revision_id = c.revision_id AND p.sample_id = c.sample_id ORDER BY at"""
    return asked.records(sql)


def absence(asked: Asked, standing: dict[str, Any], there: Callable[[str], bool]) -> dict[str, Any]:
    """What is known of a place where the sample has no call of the allele; `there` tells whether a file's name is of the contig.

    `faults`: records there that were kept and not interpreted, with the file's first columns; `held`: chunks of the contig in quarantine;
    `called_here`: other alleles called there; `before`, `behind`: the nearest calls (1-based); `contig_calls`: calls on the contig.
    """
    sql = """SELECT record, alt_index, reason, detail, site FROM fault_current WHERE sample_id = {sample:String}
        AND splitByChar('\\t', site)[2] = toString({start:Int64} + 1) ORDER BY record, alt_index"""
    faults = [row for row in asked.records(sql) if there(row["site"].split("\t", 1)[0])]
    held = asked.client.records(
        """SELECT q.ordinal AS chunk, q.stage AS stage, q.reason AS reason FROM (SELECT * FROM quarantine FINAL) AS q
            LEFT ANY JOIN (SELECT * FROM manifest_chunk FINAL) AS m ON m.revision_id = q.revision_id AND m.ordinal = q.ordinal
            WHERE q.revision_id = {root:String} AND m.contig IN ('', {contig:String})
            AND q.ordinal NOT IN (SELECT chunk FROM ledger WHERE revision_id = {root:String}) ORDER BY chunk""",
        {"root": standing["root"], "contig": asked.contig},
    )
    here = asked.records(
        f"""SELECT start + 1 AS position, ref, alt, filter FROM calls_current
            WHERE sample_id = {{sample:String}} AND contig = {{contig:String}} AND start < {{start:Int64}} + length({{ref:String}}) + {NEAR}
            AND start + length(ref) > {{start:Int64}} - {NEAR}
            ORDER BY start, ref, alt LIMIT 20"""
    )
    around = asked.records(
        """SELECT count() AS calls, maxIf(start + 1, start < {start:Int64}) AS before, minIf(start + 1, start > {start:Int64}) AS behind
            FROM calls_current WHERE sample_id = {sample:String} AND contig = {contig:String}"""
    )[0]
    blocks = asked.client.rows("SELECT reference_blocks FROM manifest FINAL WHERE revision_id = {id:String}", {"id": standing["root"]})
    return {
        "faults": faults, "held": held, "called_here": here, "before": around["before"] or None, "behind": around["behind"] or None,
        "contig_calls": around["calls"], "reference_blocks": int(blocks[0][0]) if blocks else None,
    }  # fmt: skip


def by_protein_name(client: Client, move: Callable[[str], str], sample: str, name: str) -> list[dict[str, Any]]:
    """Findings of a sample whose p. name is this one, with or without accession and brackets: (contig, start, ref, alt, hgvsc, hgvsp)."""
    sql = """SELECT DISTINCT contig, start, ref, alt, hgvsc, hgvsp FROM finding_current WHERE sample_id = {sample:String} AND hgvsp != ''
        AND endsWith(concat(':', replaceRegexpAll(hgvsp, '[()]', '')), concat(':', replaceRegexpAll({name:String}, '[()]', '')))"""
    return client.records(move(sql), {"sample": sample, "name": name})
