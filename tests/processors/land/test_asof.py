"""As of a date or a time: which revision of a sample is shown, and what is said beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from deploy.local.clickhouse.launch import RunningClickHouse
from processors.knowledge.kinds import KINDS
from processors.land import store
from processors.land.asof import AsOf, NotATime, Shadows, parse_date, parse_time, plan_dates
from processors.land.client import Client, connect
from processors.land.shadow import NotShadowed
from schemas.plan import Component, Plan


def hexadecimal(name: str) -> str:
    return name.encode().hex().ljust(32, "0")


@dataclass
class Books:
    """Plans, publications and findings, written by hand: what is under test is which of them a reader sees."""

    client: Client

    def plan(self, clinvar: str, **others: str) -> str:
        """A plan with a ClinVar of a date, and other sources by kind and date."""
        dates = {"clinvar": clinvar, "frequency": "2019-06-01"} | others
        components = [Component(kind, kind, day or "0", hexadecimal(kind + day)) for kind, day in dates.items()]
        plan = Plan("GRCh38", (Component("genome", "g", "1", "01"), Component("transcripts", "t", "1", "02"), *components))
        store.record_plan(self.client, plan)
        for one, day in zip(components, dates.values(), strict=True):
            moving = KINDS[one.kind].moving if one.kind in KINDS else True
            columns = ("digest", "kind", "name", "version", "build", "date", "moving")
            self.client.insert_rows("source", columns, [(one.digest, one.kind, one.name, one.version, "GRCh38", day, moving)], one.digest)
        return plan.plan_id

    def publish(self, sample: str, revision: str, plan_id: str, number: int = 1, **given: Any) -> None:
        row = {
            "revision_id": revision, "sample_id": sample, "submission_id": f"{sample}1", "plan_id": plan_id, "build": "GRCh38",
            "ordinal": 1, "number": number, "kind": "live", "epoch": 0, "complete": True, "published_at": 1000 * number, "root": revision,
        } | given  # fmt: skip
        self.client.insert_rows("publication", tuple(row), [tuple(row.values())], f"{sample}{revision}")

    def finding(self, sample: str, revision: str, allele: int, said: str) -> None:
        row = {"revision_id": revision, "sample_id": sample, "submission_id": f"{sample}1", "allele_id": allele, "clinvar": said}
        self.client.insert_rows("finding", tuple(row), [tuple(row.values())], f"{sample}{revision}{allele}")

    def supersede(self, sample: str, revision: str, allele: int, by: str) -> None:
        row = {"revision_id": revision, "sample_id": sample, "allele_id": allele, "by_revision": by}
        self.client.insert_rows("superseded", tuple(row), [tuple(row.values())], f"{sample}{revision}{allele}{by}")


@pytest.fixture
def books(client: Client) -> Books:
    return Books(client)


@pytest.fixture
def reader(client: Client, server: RunningClickHouse) -> Any:
    """A connection with the reader's rights only."""
    with connect(server.dsn("reader")) as opened:
        yield opened


def shown(client: Client, day: str = "", known_at: int | None = None) -> dict[str, str]:
    """Sample → revision."""
    shadows = Shadows(client, AsOf(date.fromisoformat(day) if day else None, known_at))
    return dict(client.rows(shadows.sql("SELECT sample_id, revision_id FROM sample_current")))


def said(client: Client, day: str) -> Sequence[tuple[Any, ...]]:
    shadows = Shadows(client, AsOf(date.fromisoformat(day)))
    return client.rows(shadows.sql("SELECT allele_id, clinvar FROM finding_current ORDER BY allele_id"))


@pytest.fixture
def released(books: Books) -> Books:
    """A sample under three releases: a full revision and two deltas; of allele 2, the second delta goes back to what was said first."""
    for number, day in enumerate(("2016-01-04", "2016-08-02", "2017-01-03"), start=1):
        books.publish("a", f"r{number}", books.plan(day), number, root="r1", base=f"r{number - 1}" if number > 1 else "")
    books.finding("a", "r1", 1, "one")
    books.finding("a", "r1", 2, "one")
    books.finding("a", "r2", 2, "two")
    books.finding("a", "r2", 3, "two")
    books.finding("a", "r3", 2, "one")
    books.supersede("a", "r1", 2, "r2")
    books.supersede("a", "r2", 2, "r3")
    return books


@pytest.mark.parametrize(
    ("day", "revision"), [("2016-01-03", None), ("2016-01-04", "r1"), ("2016-08-01", "r1"), ("2016-12-31", "r2"), ("2026-01-01", "r3")]
)
def test_the_newest_revision_that_could_not_know_more_is_shown(released: Books, reader: Client, day: str, revision: str | None) -> None:
    assert shown(reader, day).get("a") == revision


def test_of_a_chain_of_deltas_the_rows_up_to_the_chosen_one_are_shown(released: Books, reader: Client) -> None:
    assert said(reader, "2016-07-01") == [(1, "one"), (2, "one")]
    assert said(reader, "2016-10-01") == [(1, "one"), (2, "two"), (3, "two")]
    assert said(reader, "2017-10-01") == [(1, "one"), (2, "one"), (3, "two")]
    assert reader.rows("SELECT allele_id, clinvar FROM finding_current ORDER BY allele_id") == said(reader, "2017-10-01")


def test_a_rollback_shows_the_rows_of_what_it_stands_on(released: Books, reader: Client) -> None:
    released.publish("a", "r4", released.plan("2016-08-02"), 4, root="r1", base="r3")
    assert shown(reader, "2016-12-01") == {"a": "r4"}
    assert said(reader, "2016-12-01") == [(1, "one"), (2, "one"), (3, "two")]
    assert shown(reader, "2020-01-01") == {"a": "r4"}, "as of today is what is current"


def test_known_at_asks_for_what_was_published_by_then(released: Books, reader: Client) -> None:
    assert shown(reader, known_at=999) == {}
    assert shown(reader, known_at=2000) == {"a": "r2"}
    assert shown(reader, "2016-03-01", 3000) == {"a": "r1"}
    assert shown(reader, "2017-03-01", 2000) == {"a": "r2"}


def test_a_study_is_shown_as_of_its_knowledge_and_is_never_current(released: Books, reader: Client) -> None:
    released.publish("a", "study", released.plan("2015-06-01"), 4, kind="study")
    released.publish("a", "between", released.plan("2016-10-01"), 5, kind="study")
    released.finding("a", "study", 9, "study")
    assert shown(reader, "2015-12-01") == {"a": "study"}
    assert said(reader, "2015-12-01") == [(9, "study")]
    assert shown(reader, "2016-03-01") == {"a": "r1"}
    assert shown(reader, "2016-11-01") == {"a": "between"}
    assert shown(reader, "2018-01-01") == {"a": "r3"}, "a study does not stand in for a revision that knew more"
    assert shown(reader, known_at=9000) == {"a": "r3"}, "a study was never what readers saw"
    assert reader.rows("SELECT revision_id FROM sample_current") == [("r3",)]
    assert Shadows(reader, AsOf(date(2015, 12, 1))).notes(reader).studies == ("a",)


def test_a_newer_submission_whose_knowledge_fits_goes_before_an_older_one(books: Books, reader: Client) -> None:
    old = books.plan("2016-01-04")
    books.publish("a", "first", old, 3, published_at=1)
    books.publish("a", "second", old, 1, submission_id="a2", ordinal=2, published_at=2)
    books.publish("a", "third", books.plan("2017-01-03"), 1, submission_id="a3", ordinal=3, published_at=3)
    assert shown(reader, "2016-05-01") == {"a": "second"}


def test_a_deleted_sample_is_not_shown_as_of_any_time(released: Books, reader: Client) -> None:
    released.client.insert_rows("sample_epoch", ("sample_id", "epoch"), [("a", 1)], "deleted")
    shadows = Shadows(reader, AsOf(date(2017, 1, 15)))
    assert shown(reader, "2017-01-15") == {} == shown(reader, known_at=9000)
    assert shadows.notes(reader).none == ()


def test_a_carried_revision_keeps_its_date_and_shows_the_plan_that_fits(books: Books, reader: Client) -> None:
    old, new = books.plan("2016-01-04"), books.plan("2016-08-02")
    books.publish("a", "r1", old)
    columns = ("sample_id", "revision_id", "step", "plan_id", "delta_id", "carried_at")
    books.client.insert_rows("carried", columns, [("a", "r1", 1, new, "d", 2000)], "carried")
    for day, plan_id in (("2016-05-01", old), ("2016-09-01", new)):
        shadows = Shadows(reader, AsOf(date.fromisoformat(day)))
        assert reader.rows(shadows.sql("SELECT revision_id, plan_id FROM sample_plan")) == [("r1", plan_id)], day


def test_samples_without_a_fitting_revision_are_named(books: Books, reader: Client) -> None:
    books.publish("a", "ra", books.plan("2016-01-04"))
    books.publish("b", "rb", books.plan("2017-01-03"))
    books.publish("c", "rc", books.plan(""))
    notes = Shadows(reader, AsOf(date(2016, 5, 1))).notes(reader)
    assert (notes.none, notes.shown) == (("b", "c"), 1)
    assert notes.untold == {"c": ("clinvar",)}, "a moving source without a date: nobody can tell"
    assert Shadows(reader, AsOf(date(2016, 5, 1))).notes(reader, ["b"]).none == ("b",)


def test_what_does_not_move_and_is_later_is_hindsight(books: Books, reader: Client) -> None:
    books.publish("a", "ra", books.plan("2016-01-04", gnomad_exomes="2020", revel=""))
    found = Shadows(reader, AsOf(date(2017, 1, 15))).notes(reader).hindsight
    assert [(one.kind, one.date) for one in found] == [("frequency", "2019-06-01"), ("gnomad_exomes", "2020")]
    assert Shadows(reader, AsOf(date(2021, 1, 1))).notes(reader).hindsight == ()


def test_the_date_of_a_plan_is_the_greatest_of_what_moves(books: Books, reader: Client) -> None:
    plans = {
        books.plan("2016-01-04", dosage="2017-02"): date(2017, 2, 28),
        books.plan("2016-01-04", validity="2015"): date(2016, 1, 4),
        books.plan("yesterday"): None,
        books.plan("2016-01-04", **{"user.ours": ""}): None,
    }
    found = plan_dates(reader)
    assert {plan_id: found[plan_id].knowledge for plan_id in plans} == plans


def test_a_plan_without_anything_that_moves_fits_any_date(books: Books, reader: Client) -> None:
    plan = Plan("GRCh38", (Component("genome", "g", "1", "01"), Component("frequency", "f", "1", "03")))
    store.record_plan(books.client, plan)
    books.publish("a", "ra", plan.plan_id)
    assert shown(reader, "1999-01-01") == {"a": "ra"}


def test_kinds_that_move_are_the_same_in_sql(books: Books, reader: Client) -> None:
    components = tuple(Component(kind, kind, "1", hexadecimal(kind)) for kind in KINDS)
    plan = Plan("GRCh38", components)
    store.record_plan(books.client, plan)
    assert set(plan_dates(reader)[plan.plan_id].undated) == {kind.name for kind in KINDS.values() if kind.moving}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT revision_id FROM sample_current",
        "WITH mine AS (SELECT revision_id FROM sample_current) SELECT * FROM mine",
        "/* WITH */ -- SELECT\nWITH 'variant' AS t, mine AS (SELECT * FROM sample_current) SELECT revision_id FROM mine WHERE t != ''",
        "WITH RECURSIVE n AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM n WHERE x < 2) SELECT any(revision_id) FROM sample_current, n",
        "SELECT revision_id FROM riverseq.sample_current",
        'SELECT `riverseq`.`sample_current`.revision_id FROM `riverseq`."sample_current" -- sample_current',
        "SELECT any(revision_id) FROM (SELECT revision_id FROM sample_current UNION ALL SELECT revision_id FROM revision_current)",
        "SELECT revision_id FROM publication WHERE revision_id IN (SELECT revision_id FROM sample_current)",
        "(SELECT revision_id FROM sample_current) UNION DISTINCT (SELECT revision_id FROM sample_current)",
        "SELECT revision_id FROM sample_current WHERE 'riverseq.sample_current; DROP TABLE publication' != $$it's$$ ORDER BY 1 LIMIT 5;",
        "SELECT revision_id FROM sample_current SETTINGS max_threads = 1",
    ],
)
def test_any_select_is_moved_to_the_date(released: Books, reader: Client, sql: str) -> None:
    assert reader.rows(Shadows(reader, AsOf(date(2016, 5, 1))).sql(sql)) == [("r1",)]


def test_strings_and_comments_are_left_alone(released: Books, reader: Client) -> None:
    shadows = Shadows(reader, AsOf(date(2016, 5, 1)))
    assert reader.rows(shadows.sql("SELECT 'riverseq.sample_current' AS a /* riverseq.variant */")) == [("riverseq.sample_current",)]
    assert shadows.sql("SELECT 1 /* variant */") == "SELECT 1 /* variant */"


def test_tables_tell_their_whole_history_as_of_any_date(released: Books, reader: Client) -> None:
    sql = Shadows(reader, AsOf(date(2016, 5, 1))).sql(
        "SELECT count() FROM publication WHERE sample_id IN (SELECT sample_id FROM sample_current)"
    )
    assert reader.rows(sql) == [(3,)]


@pytest.mark.parametrize(
    "sql",
    [
        "SHOW TABLES", "EXPLAIN SELECT 1", "", "INSERT INTO publication SELECT * FROM publication",
        "SELECT * FROM view(SELECT * FROM variant)", "SELECT * FROM merge('riverseq', 'variant')",
        "WITH variant AS (SELECT 1) SELECT * FROM variant",
    ],
)  # fmt: skip
def test_what_would_read_the_present_is_refused(released: Books, reader: Client, sql: str) -> None:
    with pytest.raises(NotShadowed):
        Shadows(reader, AsOf(date(2016, 5, 1))).sql(sql)


def test_every_view_above_the_current_sample_answers_as_of_a_date(released: Books, reader: Client) -> None:
    shadows = Shadows(reader, AsOf(date(2016, 5, 1), 9000))
    names = [row[0] for row in reader.rows("SELECT name FROM system.tables WHERE database = 'riverseq' AND engine = 'View'")]
    assert {"variant", "finding_current", "calls_current", "compound_current", "structural_current", "fault_current"} <= set(names)
    for name in names:
        reader.rows(shadows.sql(f"SELECT * FROM {name}"))


@pytest.mark.parametrize("text", ["", "2017", "2017-13-01", "15.01.2017", "2017-01-15'; DROP TABLE x", "2026-02-01"])
def test_a_date_that_is_none_or_lies_ahead_is_refused(text: str) -> None:
    with pytest.raises(NotATime, match=r"date|ahead"):
        parse_date(text, date(2026, 1, 31))


@pytest.mark.parametrize("text", ["", "noon", "2017-01-15T25:00", "1970-01-03", "1970-01-02T00:00:01Z", "1970-01-02T01:00:00+00:30"])
def test_a_time_that_is_none_or_lies_ahead_is_refused(text: str) -> None:
    with pytest.raises(NotATime, match=r"time|ahead"):
        parse_time(text, 86_400_000)


def test_a_date_as_a_time_is_its_last_millisecond_and_zones_count() -> None:
    now = 4 * 86_400_000
    assert parse_time("1970-01-02", now) == 2 * 86_400_000 - 1
    assert parse_time("1970-01-01T01:00:00", now) == 3_600_000 == parse_time("1970-01-01T03:00:00+02:00", now)
    assert parse_time("1970-01-01", 5) == 86_400_000 - 1, "today, as far as it has come"
