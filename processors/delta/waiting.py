"""Who waits: current samples that stand under another plan than the assigned one, and samples of which something is in flight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from processors.land.client import Client


@dataclass(frozen=True)
class Waiting:
    """A current sample that stands under another plan than the assigned one. `step`: plans through which its revision was carried."""

    sample_id: str
    revision_id: str
    build: str
    plan_id: str
    step: int


def waiting(client: Client, assigned: Mapping[str, str], samples: Sequence[str] = ()) -> list[Waiting]:
    """Current samples of builds (build → plan_id) that stand under another plan; of these samples only, where some are named."""
    among = "AND sample_id IN {samples:Array(String)}" if samples else ""
    sql = f"""SELECT sample_id, revision_id, build, plan_id, step FROM sample_plan
        WHERE build IN {{builds:Array(String)}} AND plan_id != transform(build, {{builds:Array(String)}}, {{plans:Array(String)}}, '')
        {among} ORDER BY build, plan_id, sample_id"""
    parameters = {"builds": list(assigned), "plans": list(assigned.values()), "samples": list(samples)}
    return [Waiting(*row) for row in client.rows(sql, parameters)]


def busy(client: Client) -> frozenset[str]:
    """Samples of which something is admitted and neither published nor ended; a study is in nobody's way."""
    sql = """SELECT DISTINCT arrayJoin(sample_ids) FROM submission FINAL
        WHERE submission_id NOT IN (SELECT submission_id FROM revision WHERE kind = 'live') OR submission_id IN (
            SELECT submission_id FROM revision
            WHERE kind = 'live' AND revision_id NOT IN (SELECT revision_id FROM publication) AND revision_id IN (
                SELECT revision_id FROM revision_status GROUP BY revision_id HAVING argMax(status, version) = 'open'
            )
        )"""
    return frozenset(row[0] for row in client.rows(sql))


def currents(client: Client, samples: Iterable[str]) -> dict[str, tuple[int, int]]:
    """(ordinal, number) of what readers see of each sample."""
    sql = "SELECT sample_id, ordinal, number FROM sample_current WHERE sample_id IN {samples:Array(String)}"
    return {sample: (ordinal, number) for sample, ordinal, number in client.rows(sql, {"samples": sorted(set(samples))})}
