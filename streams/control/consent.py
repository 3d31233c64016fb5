"""Whose cases later releases of knowledge may re-interpret: a decision a sample, of the case's announcement or of a person later.

A sample without a decision takes part. An installation that asks first (`RIVERSEQ_REANALYSIS=opt_in`) writes a refusal for every sample
that comes without one, so that the tables alone say who takes part.
"""

from __future__ import annotations

from collections.abc import Sequence

from schemas.events import Command
from streams.control.desk import Desk

ALLOWED, REFUSED = "allowed", "refused"
ANSWERS = ("", ALLOWED, REFUSED)
"""What an announcement may say; empty: as decided before, else the installation's way."""
_INSTALLATION = "installation"
_ASKS = "nothing was said, and this installation asks first (RIVERSEQ_REANALYSIS=opt_in)"


class Consent:
    """Writes decisions; where one stands already, the same again is not written."""

    def __init__(self, desk: Desk, *, opt_in: bool = False) -> None:
        self._desk = desk
        self._opt_in = opt_in

    def announce(self, sample_ids: Sequence[str], said: str) -> None:
        """What an announcement says of its samples. Before the submission's row, so that a death in between loses no refusal."""
        stands = self._desk.records.releases.reanalysis(sample_ids)
        for sample_id in sample_ids:
            if said:
                self._record(sample_id, said == ALLOWED, stands.get(sample_id), "announcement", "said with the submission")
            elif self._opt_in and sample_id not in stands:
                self._record(sample_id, False, None, _INSTALLATION, _ASKS)

    def decide(self, command: Command, sample_id: str, allowed: bool) -> str:
        """What a person decides of one sample."""
        records = self._desk.records.releases
        self._record(sample_id, allowed, records.reanalysis([sample_id]).get(sample_id), command.actor, command.reason)
        return "releases re-interpret it" if allowed else "stays under its plan; releases do not re-interpret it"

    def settle(self) -> int:
        """At the start of an installation that asks first: a refusal for every current sample of which nothing was decided."""
        left = self._desk.records.releases.undecided() if self._opt_in else []
        for sample_id in left:
            self._record(sample_id, False, None, _INSTALLATION, _ASKS)
        return len(left)

    def _record(self, sample_id: str, allowed: bool, stands: bool | None, actor: str, reason: str) -> None:
        if stands is not allowed:
            self._desk.records.releases.record_reanalysis(sample_id, allowed, actor=actor, reason=reason, at=self._desk.clock.now())
