"""As of: results as they were, by what was known at a date, by what was published at a time, or by both.

Of a sample's published revisions the one is shown that the view `sample_current` would choose, had only those been published that fit: with
a plan whose newest moving source (`plan_dates`) is of the date or before, published at the time or before. A study, which is never current,
stands in where it knows more than every live revision that fits. A plan to which a revision was carried counts where it fits itself; if
none does, the plan of publication counts. Deleted samples are never shown. Dates are of UTC; times are milliseconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from processors.land.client import Client, StoreError
from processors.land.shadow import renamed, shadowed, views

ROOT = "sample_current"
_FITTING, _HISTORY, _CARRIED = "publication_as_of", "publication_history", "carried_as_of"
_FIRST = date(1900, 1, 1)
"""What `plan_dates` says of a plan in which nothing moves: it fits any date."""


class NotATime(StoreError):
    """A date or time that is none, or that lies ahead."""


@dataclass(frozen=True)
class AsOf:
    """What is asked: `knowledge`, the last day whose knowledge counts, and `known_at`, the last millisecond of publication."""

    knowledge: date | None = None
    known_at: int | None = None

    def __bool__(self) -> bool:
        return self.knowledge is not None or self.known_at is not None

    def words(self) -> str:
        """As a sentence names it."""
        said = [f"knowledge of {self.knowledge} or before"] if self.knowledge else []
        if self.known_at is not None:
            said.append(f"published at {datetime.fromtimestamp(self.known_at / 1000, UTC).isoformat(timespec='seconds')} or before")
        return ", ".join(said)


@dataclass(frozen=True)
class Dated:
    """A source of a plan with its date, as text; empty where it is not known."""

    kind: str
    name: str
    version: str
    digest: str
    date: str


@dataclass(frozen=True)
class PlanDates:
    """What a plan could know. `knowledge` is None where a moving source has no date; `undated` are the kinds of those."""

    plan_id: str
    build: str
    knowledge: date | None
    undated: tuple[str, ...]
    moving: tuple[Dated, ...]
    fixed: tuple[Dated, ...]


@dataclass(frozen=True)
class Notes:
    """What a person must know of an answer. Samples by pseudonym, sorted.

    `none`: no revision fits. `untold`: samples of which a revision may fit, whose plan has a moving source without a date. `shown`:
    samples shown, `studies` those of them by a study. `hindsight`: sources that do not move and are later than the date asked.
    """

    asked: AsOf
    none: tuple[str, ...] = ()
    untold: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    studies: tuple[str, ...] = ()
    shown: int = 0
    hindsight: tuple[Dated, ...] = ()

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "as_of": str(self.asked.knowledge) if self.asked.knowledge else None,
            "known_at": self.asked.known_at,
            "samples_shown": self.shown,
            "samples_by_study": list(self.studies),
            "no_revision_fits": list(self.none),
            "cannot_tell": {sample: list(kinds) for sample, kinds in self.untold.items()},
            "hindsight": [{"kind": s.kind, "name": s.name, "version": s.version, "date": s.date} for s in self.hindsight],
        }


def parse_date(text: str, today: date) -> date:
    """`2017-01-15`. Raises NotATime for what is no date, and for one after `today`."""
    try:
        found = date.fromisoformat(text.strip())
    except ValueError:
        raise NotATime(f"{text!r} is not a date: write YEAR-MONTH-DAY, like 2017-01-15") from None
    if found > today:
        raise NotATime(f"{text} lies ahead (today is {today}): nobody knows what will be known")
    return found


def parse_time(text: str, now: int) -> int:
    """A date (to its last millisecond) or an ISO time, UTC unless it says otherwise, as ms since 1970. Raises NotATime."""
    written = text.strip()
    try:
        if len(written) == 10:
            day = date.fromisoformat(written) + timedelta(days=1)
            found = round(datetime.combine(day, time(), UTC).timestamp() * 1000) - 1
            ahead = found - 86_400_000 >= now
        else:
            moment = datetime.fromisoformat(written)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            found = round(moment.timestamp() * 1000)
            ahead = found > now
    except (ValueError, OverflowError):
        raise NotATime(f"{text!r} is not a time: write a date, or a time like 2017-01-15T14:30:00Z") from None
    if ahead:
        raise NotATime(f"{text} lies ahead: nobody knows what will be published")
    return found


def plan_dates(client: Client) -> dict[str, PlanDates]:
    """Every plan's dates, by plan_id."""
    sql = "SELECT plan_id, build, toString(knowledge_date) AS day, undated, moving, fixed FROM plan_dates"
    return {
        row["plan_id"]: PlanDates(
            row["plan_id"], row["build"], date.fromisoformat(row["day"]) if row["day"] else None, tuple(row["undated"]),
            tuple(Dated(*map(str, one)) for one in row["moving"]), tuple(Dated(*map(str, one)) for one in row["fixed"]),
        )
        for row in client.records(sql)
    }  # fmt: skip


class Shadows:
    """The database's views as of what is asked. Made once a command: it reads the views' texts and the plans' dates."""

    def __init__(self, client: Client, asked: AsOf) -> None:
        self.asked = asked
        self.plans = plan_dates(client)
        self._database = client.database
        texts = dict(
            client.rows("SELECT name, as_select FROM system.tables WHERE database = {d:String} AND engine = 'View'", {"d": client.database})
        )
        placed = views(texts, client.database, ROOT)
        above = {**{name: name for name in placed}, "publication": _HISTORY, "carried": _CARRIED}
        self._definitions = [
            (_FITTING, self._fitting()),
            (_HISTORY, f"SELECT * EXCEPT (kind), 'live' AS kind FROM {client.database}.publication FINAL"),
            (_CARRIED, self._carried()),
            *[
                (name, renamed(texts[name], client.database, {"publication": _FITTING, "carried": _CARRIED} if name == ROOT else above))
                for name in placed
            ],
        ]

    def sql(self, statement: str) -> str:
        """A SELECT that reads the views as of then. Raises NotShadowed."""
        return shadowed(statement, self._definitions, self._database)

    def notes(self, client: Client, samples: Sequence[str] = ()) -> Notes:
        """What to say beside an answer about these samples; empty: about all."""
        chosen = "WHERE sample_id IN {samples:Array(String)}" if samples else ""
        parameters = {"samples": list(samples)}
        # not deleted and published at any time; a sample with studies alone was published before as well
        now = {row[0] for row in client.rows(f"SELECT sample_id FROM sample_current {chosen}", parameters)}
        then = client.rows(
            self.sql(f"SELECT s.sample_id, s.plan_id, d.kind FROM sample_current AS s LEFT ANY JOIN"
                     f" (SELECT revision_id, sample_id, kind FROM publication) AS d USING (revision_id, sample_id) {chosen}"), parameters,
        )  # fmt: skip
        none = tuple(sorted(now - {row[0] for row in then}))
        return Notes(
            self.asked,
            none,
            self._untold(client, none),
            tuple(sorted(row[0] for row in then if row[2] == "study")),
            len(then),
            self._hindsight({row[1] for row in then}),
        )

    def _untold(self, client: Client, samples: Sequence[str]) -> dict[str, tuple[str, ...]]:
        undated = {plan_id: dates.undated for plan_id, dates in self.plans.items() if dates.undated}
        if self.asked.knowledge is None or not undated or not samples:
            return {}
        rows = client.rows(
            "SELECT DISTINCT sample_id, plan_id FROM publication WHERE sample_id IN {s:Array(String)} AND plan_id IN {p:Array(String)}",
            {"s": list(samples), "p": sorted(undated)},
        )
        return {sample: undated[plan_id] for sample, plan_id in sorted(rows)}

    def _hindsight(self, plan_ids: set[str]) -> tuple[Dated, ...]:
        if self.asked.knowledge is None:
            return ()
        fixed = {source for plan_id in plan_ids if plan_id in self.plans for source in self.plans[plan_id].fixed}
        day = str(self.asked.knowledge)
        # texts of dates compare as dates do; one of a year or a month is later only where it begins later
        return tuple(sorted((s for s in fixed if s.date and s.date > day[: len(s.date)]), key=lambda s: (s.kind, s.name, s.version)))

    def _days(self) -> dict[str, int]:
        """Plans that fit, with their day since 1900."""
        asked = self.asked.knowledge
        fit = {
            plan_id: dates.knowledge for plan_id, dates in self.plans.items() if dates.knowledge and (not asked or dates.knowledge <= asked)
        }
        return {plan_id: (day - _FIRST).days for plan_id, day in sorted(fit.items())}

    def _conditions(self, published: str) -> str:
        conditions = []
        if self.asked.knowledge is not None:
            conditions.append(f"plan_id IN ({', '.join(map(_text, self._days())) or _text('')})")
        if self.asked.known_at is not None:
            conditions.append(f"{published} <= {int(self.asked.known_at)}")
        return " AND ".join(conditions) or "1"

    def _fitting(self) -> str:
        """Publications that `sample_current` may choose from: live ones that fit, or instead of them a study that knows more than all."""
        table = f"{self._database}.publication"
        fit = self._conditions("published_at")
        if self.asked.knowledge is None:
            return f"SELECT * FROM {table} FINAL WHERE kind = 'live' AND {fit}"
        days = self._days()
        day = f"transform(plan_id, [{', '.join(map(_text, days))}], [{', '.join(map(str, days.values()))}], 0)" if days else "0"
        return f"""SELECT * EXCEPT (kind), 'live' AS kind FROM {table} FINAL WHERE {fit}
            AND (sample_id, submission_id, revision_id) IN (
                SELECT sample_id, submission_id, arrayJoin(if(studied > lived, [study], lives)) AS revision_id FROM (
                    SELECT sample_id, submission_id,
                        maxIf(toInt32({day}), kind = 'live') AS lived_day,
                        if(countIf(kind = 'live') = 0, -1, lived_day) AS lived,
                        maxIf(toInt32({day}), kind = 'study') AS studied_day,
                        if(countIf(kind = 'study') = 0, -1, studied_day) AS studied,
                        argMaxIf(revision_id, (toInt32({day}), number), kind = 'study') AS study,
                        groupArrayIf(revision_id, kind = 'live') AS lives
                    FROM {table} FINAL WHERE {fit} GROUP BY sample_id, submission_id
                ) AS known
            )"""

    def _carried(self) -> str:
        return f"SELECT * FROM {self._database}.carried FINAL WHERE {self._conditions('carried_at')}"


def _text(value: str) -> str:
    if not value.isalnum() and value:
        raise NotATime(f"{value!r} is not the id of a plan")  # ids are hexadecimal; nothing else may stand in a query's text
    return f"'{value}'"
