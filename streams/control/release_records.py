"""What control keeps of releases, pauses and consent: `processors.land.releases` on one connection, which threads may share."""

from __future__ import annotations

from collections.abc import Sequence

from processors.land import releases
from processors.land.client import Client
from processors.land.releases import ReleaseRow, ReleaseStatus, Standing, Touched


class ReleaseRecords:
    """Calls block; a connection's errors propagate, and repeating a call is harmless."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def release(self, release_id: str) -> tuple[ReleaseRow, ReleaseStatus] | None:
        return releases.release(self._client, release_id)

    def of_kind(self, build: str, kind: str) -> list[tuple[ReleaseRow, ReleaseStatus]]:
        """Releases of a kind for a build, oldest first."""
        return releases.releases(self._client, kind=kind, build=build)

    def all(self) -> list[tuple[ReleaseRow, ReleaseStatus]]:
        """Every release, oldest first."""
        return releases.releases(self._client)

    def record(self, row: ReleaseRow, status: ReleaseStatus) -> None:
        """Write a release with its first status. A death between the two leaves no release."""
        releases.record_status(self._client, row.release_id, status)
        releases.record_release(self._client, row)

    def record_status(self, release_id: str, status: ReleaseStatus) -> None:
        releases.record_status(self._client, release_id, status)

    def standing(self, build: str) -> list[Standing]:
        return releases.standing(self._client, build)

    def touched(self, plan_ids: Sequence[str], since: int) -> Touched:
        return releases.touched(self._client, plan_ids, since)

    def alleles_of(self, evidence_keys: Sequence[str]) -> int:
        return releases.alleles_of(self._client, evidence_keys)

    def record_pause(self, build: str, paused: bool, *, actor: str, reason: str, at: int) -> None:
        releases.record_pause(self._client, build, paused, actor=actor, reason=reason, at=at)

    def paused(self) -> dict[str, str]:
        """Build → who paused its re-interpretation, and why."""
        return releases.paused_builds(self._client)

    def record_reanalysis(self, sample_id: str, allowed: bool, *, actor: str, reason: str, at: int) -> None:
        releases.record_reanalysis(self._client, sample_id, allowed, actor=actor, reason=reason, at=at)

    def reanalysis(self, sample_ids: Sequence[str]) -> dict[str, bool]:
        """What was decided of these samples; one of which nothing was decided is left out, and takes part."""
        return releases.reanalysis(self._client, sample_ids)

    def undecided(self) -> list[str]:
        """Current samples of which nothing was decided."""
        return releases.undecided(self._client)
