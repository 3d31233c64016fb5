"""Releases of knowledge as they were asked and as they went, builds whose re-interpretation is paused, and whose cases take no part in it.

Every writer may be repeated. Times are milliseconds since 1970 UTC. The first status of a release is written before its row.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from processors.land.client import Client
from processors.land.keys import record_token
from schemas import identity


class ReleaseState(enum.StrEnum):
    """How a release stands."""

    REQUESTED = "requested"  # admitted; its pack is about to be activated
    RUNNING = "running"  # its pack is active; samples are re-interpreted
    PAUSED = "paused"  # a person stopped the re-interpretation of its build
    HELD = "held"  # something needs a person; `detail` says what
    DONE = "done"  # no current sample that takes part is left under another pack of the kind
    REPLACED = "replaced"  # another pack of the kind took its place before it was done
    REFUSED = "refused"


OPEN = (ReleaseState.REQUESTED, ReleaseState.RUNNING, ReleaseState.PAUSED, ReleaseState.HELD)
"""States that control still moves on."""


@dataclass(frozen=True)
class ReleaseRow:
    """What was asked. `added`, `removed`, `changed` count keys against the pack before; -1: not counted."""

    release_id: str
    build: str
    kind: str
    from_digest: str
    to_digest: str
    name: str
    version: str
    date: str
    direction: str  # forward, rollback
    lane: str  # of the delta chunks: urgent, routine, background
    actor: str
    reason: str
    added: int
    removed: int
    changed: int
    requested_at: int


@dataclass(frozen=True)
class ReleaseStatus:
    """How it stands: `samples` to look at, `samples_done` under the new pack, `samples_touched` with a new revision of their own."""

    state: ReleaseState
    detail: str = ""
    samples: int = 0
    samples_done: int = 0
    samples_touched: int = 0
    alleles: int = 0
    reclassified: Mapping[int, int] = field(default_factory=dict)  # tier → alleles of samples
    changed_at: int = 0


@dataclass(frozen=True)
class Standing:
    """Current samples of a build whose revision holds under one plan: its own, or a later one that changes nothing of it."""

    plan_id: str
    allowed: bool  # take part in re-interpretation
    samples: int


@dataclass(frozen=True)
class Touched:
    """Delta revisions published under some plans since a time."""

    samples: int
    reclassified: Mapping[int, int]


def release_id(command_id: str) -> str:
    """Id of the release that a command asks for."""
    return identity.digest("release", command_id)


# --- releases --------------------------------------------------------------------------------------------------------

_RELEASE = tuple(ReleaseRow.__dataclass_fields__)
_STATUS = tuple(ReleaseStatus.__dataclass_fields__)
_NEWEST = f"""
    SELECT release_id, {", ".join(f"argMax({name}, version) AS {name}" for name in _STATUS)}
    FROM (SELECT *, toString(state) AS state FROM release_status) GROUP BY release_id"""


def record_release(client: Client, row: ReleaseRow) -> None:
    """Write what was asked; after its first status."""
    client.insert_rows("release", _RELEASE, [tuple(asdict(row).values())], record_token("release", row.release_id))


def record_status(client: Client, release: str, status: ReleaseStatus) -> None:
    """Append how a release stands now; the newest counts."""
    values = (release, str(status.state), *[getattr(status, name) for name in _STATUS[1:]])
    reclassified = {str(tier): count for tier, count in sorted(status.reclassified.items())}
    shown = [reclassified if name == "reclassified" else value for name, value in zip(("release_id", *_STATUS), values, strict=True)]
    client.insert_rows("release_status", ("release_id", *_STATUS), [shown], record_token("release_status", *shown))


def release(client: Client, release: str) -> tuple[ReleaseRow, ReleaseStatus] | None:
    """One release and how it stands."""
    found = _releases(client, "WHERE release_id = {id:String}", {"id": release})
    return found[0] if found else None


def releases(client: Client, *, kind: str = "", build: str = "") -> list[tuple[ReleaseRow, ReleaseStatus]]:
    """Releases and how they stand, oldest first; all kinds and builds where none is named."""
    where = "WHERE ({kind:String} = '' OR kind = {kind:String}) AND ({build:String} = '' OR build = {build:String})"
    return _releases(client, where, {"kind": kind, "build": build})


def _releases(client: Client, where: str, parameters: Mapping[str, Any]) -> list[tuple[ReleaseRow, ReleaseStatus]]:
    sql = f"""
        SELECT {", ".join(f"r.{name}" for name in _RELEASE)}, {", ".join(f"s.{name}" for name in _STATUS)}
        FROM (SELECT * FROM release FINAL {where}) AS r
        INNER JOIN ({_NEWEST}) AS s ON s.release_id = r.release_id
        ORDER BY r.requested_at, r.release_id"""
    found = []
    for values in client.rows(sql, parameters):
        row = ReleaseRow(*values[: len(_RELEASE)])
        state, *rest = values[len(_RELEASE) :]
        found.append((row, ReleaseStatus(ReleaseState(state), *rest)))
    return found


# --- samples ---------------------------------------------------------------------------------------------------------

REFUSING = "SELECT sample_id FROM reanalysis GROUP BY sample_id HAVING NOT argMax(allowed, version)"
"""Samples that take no part in re-interpretation."""


def standing(client: Client, build: str) -> list[Standing]:
    """Current samples of a build, counted by the plan under which they hold and by whether they take part."""
    sql = f"""
        SELECT plan_id, sample_id NOT IN ({REFUSING}) AS taking, count() FROM sample_plan
        WHERE build = {{build:String}} GROUP BY plan_id, taking ORDER BY plan_id, taking"""
    return [Standing(str(plan), bool(allowed), int(count)) for plan, allowed, count in client.rows(sql, {"build": build})]


def touched(client: Client, plan_ids: Sequence[str], since: int) -> Touched:
    """What deltas under these plans published since a time."""
    revisions = """
        SELECT revision_id FROM publication
        WHERE plan_id IN {plans:Array(String)} AND root != revision_id AND kind = 'live' AND published_at >= {since:Int64}"""
    parameters = {"plans": list(plan_ids), "since": since}
    samples = client.value(f"SELECT uniqExact(sample_id) FROM publication WHERE revision_id IN ({revisions})", parameters)
    tiers = client.rows(
        f"SELECT tier, count() FROM reclassified FINAL WHERE revision_id IN ({revisions}) AND tier > 0 GROUP BY tier ORDER BY tier",
        parameters,
    )
    return Touched(int(samples), {int(tier): int(count) for tier, count in tiers})


def alleles_of(client: Client, evidence_keys: Sequence[str]) -> int:
    """Alleles that went through the stages anew under plans with these evidence keys."""
    sql = "SELECT uniqExact(allele_id, spelling) FROM evidence WHERE evidence_key IN {keys:Array(String)}"
    return int(client.value(sql, {"keys": list(evidence_keys)}))


# --- pause and consent -----------------------------------------------------------------------------------------------


def record_pause(client: Client, build: str, paused: bool, *, actor: str, reason: str, at: int) -> None:
    """Stop or continue the re-interpretation of a build's samples."""
    columns = ("build", "paused", "actor", "reason", "changed_at")
    client.insert_rows("reanalysis_pause", columns, [(build, paused, actor, reason, at)], record_token("pause", build, paused, actor, at))


def paused_builds(client: Client) -> dict[str, str]:
    """Build → who paused it, and why."""
    sql = """
        SELECT build, argMax(actor, version), argMax(reason, version) FROM reanalysis_pause
        GROUP BY build HAVING argMax(paused, version) ORDER BY build"""
    return {str(build): f"{actor}: {reason}" if reason else str(actor) for build, actor, reason in client.rows(sql)}


def record_reanalysis(client: Client, sample_id: str, allowed: bool, *, actor: str, reason: str, at: int) -> None:
    """Whether a sample takes part in re-interpretation from now on."""
    columns = ("sample_id", "allowed", "actor", "reason", "decided_at")
    values = (sample_id, allowed, actor, reason, at)
    client.insert_rows("reanalysis", columns, [values], record_token("reanalysis", *values))


def reanalysis(client: Client, sample_ids: Sequence[str]) -> dict[str, bool]:
    """What was decided of these samples; one of which nothing was decided is left out, and takes part."""
    sql = "SELECT sample_id, argMax(allowed, version) FROM reanalysis WHERE sample_id IN {ids:Array(String)} GROUP BY sample_id"
    return {str(sample): bool(allowed) for sample, allowed in client.rows(sql, {"ids": list(sample_ids)})}


def refusing(client: Client) -> dict[str, str]:
    """Samples that take no part in re-interpretation → who decided it, and why."""
    sql = """
        SELECT sample_id, argMax(actor, version), argMax(reason, version) FROM reanalysis
        GROUP BY sample_id HAVING NOT argMax(allowed, version)"""
    return {str(sample): f"{actor}: {reason}" if reason else str(actor) for sample, actor, reason in client.rows(sql)}


def undecided(client: Client) -> list[str]:
    """Current samples of which nothing was decided."""
    sql = "SELECT sample_id FROM sample_current WHERE sample_id NOT IN (SELECT sample_id FROM reanalysis) ORDER BY sample_id"
    return [str(sample) for (sample,) in client.rows(sql)]
