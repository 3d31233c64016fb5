"""Several sources at once: each answers for itself, frequencies are taken together, and an absent source is not an absent allele."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.annotate.lookup import look_up, look_up_all
from processors.annotate.stage import annotate
from processors.knowledge.lookup import Spelling
from processors.knowledge.pack import PackError
from processors.knowledge.source import Looked, Request
from processors.knowledge.sources import frequency
from processors.resources import Resources, plan_for
from schemas.chunks import NO_SOURCE, NONE, Answer, sources_of
from schemas.plan import MACHINERY, STAGE_CODE, Component, Plan, changed_kinds, differ_in_knowledge_alone
from tests.processors.test_chain import chunks_of

if TYPE_CHECKING:
    from tests.processors.conftest import World

FOUND, ABSENT, UNKNOWN, NOT_LOADED = Answer.FOUND, Answer.ABSENT, Answer.UNKNOWN, Answer.NOT_LOADED
NOTHING = Spelling(np.zeros(1, np.int32), np.zeros(1, np.uint8), np.zeros(1, np.int32), np.zeros(1, np.uint8))


@dataclass(frozen=True)
class Told:
    """A source that says of n alleles what it was told to."""

    answers: list[tuple[Answer, float]]
    default: Answer

    def query(self, ids: Any, spelled: Any) -> Looked:
        rows = [5 * number if answer is FOUND else NONE for number, (answer, _) in enumerate(self.answers)]
        return Looked(
            np.array([a for a, _ in self.answers], np.uint8), np.array([v for _, v in self.answers], np.float32), np.array(rows, np.uint32)
        )


def asked(*sources: tuple[Told, bool]) -> list[dict[str, Any]]:
    """One row an allele."""
    n = len(sources[0][0].answers) if sources else 1
    told: list[Any] = [source for source, _ in sources]
    columns = look_up_all(told, [mine for _, mine in sources], np.arange(n, dtype=np.uint64), NOTHING)
    names = ("frequency_answer", "frequency", "frequency_source", "looked_up")
    return [dict(zip(names, row, strict=True)) for row in zip(*(column.to_pylist() for column in columns), strict=True)]


def one(answer: Answer, value: float = float("nan"), default: Answer = UNKNOWN) -> Told:
    return Told([(answer, value)], default)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ([one(FOUND, 0.01), one(FOUND, 0.2), one(FOUND, 0.1)], (FOUND, 0.2, 1)),
        ([one(FOUND, 0.1), one(FOUND, 0.1)], (FOUND, 0.1, 0)),
        ([one(ABSENT), one(FOUND, 0.0)], (FOUND, 0.0, 1)),
        ([one(UNKNOWN), one(ABSENT)], (ABSENT, None, NO_SOURCE)),
        ([one(UNKNOWN), one(UNKNOWN)], (UNKNOWN, None, NO_SOURCE)),
        ([], (NOT_LOADED, None, NO_SOURCE)),
    ],
)
def test_of_several_frequencies_the_greatest_counts_and_absence_must_be_claimed_by_a_source(
    said: list[Told], wanted: tuple[Answer, float | None, int]
) -> None:
    (row,) = asked(*((source, True) for source in said))
    value = None if np.isnan(row["frequency"]) else pytest.approx(row["frequency"])
    assert (row["frequency_answer"], value, row["frequency_source"]) == wanted


def test_a_source_of_another_kind_answers_beside_and_is_no_frequency() -> None:
    (row,) = asked((one(FOUND, 0.9, ABSENT), False), (one(UNKNOWN), True), (one(ABSENT), True))
    assert (row["frequency_answer"], row["frequency_source"]) == (ABSENT, NO_SOURCE)
    assert [(said["source"], said["answer"]) for said in row["looked_up"]] == [(0, FOUND), (2, ABSENT)]
    (alone,) = asked((one(FOUND, 0.9, ABSENT), False))
    assert alone["frequency_answer"] == NOT_LOADED


@given(st.lists(st.tuples(st.sampled_from(Answer), st.sampled_from(Answer), st.sampled_from(Answer)), min_size=1, max_size=8))
def test_what_is_left_out_is_the_default_of_its_source_and_nothing_else(answers: list[tuple[Answer, ...]]) -> None:
    defaults = (ABSENT, UNKNOWN, UNKNOWN)
    told = [Told([(row[k], 0.5 if row[k] is FOUND else float("nan")) for row in answers], default) for k, default in enumerate(defaults)]
    for number, row in enumerate(asked(*((source, True) for source in told))):
        said = dict(enumerate(defaults)) | {entry["source"]: Answer(entry["answer"]) for entry in row["looked_up"]}
        assert tuple(said.values()) == answers[number]
        assert [entry["source"] for entry in row["looked_up"]] == sorted(entry["source"] for entry in row["looked_up"])
        assert all(entry["row"] == 5 * number for entry in row["looked_up"] if entry["answer"] == FOUND)
        assert row["frequency_answer"] == min(answers[number])


@pytest.fixture(scope="module")
def many(small_world: World, tmp_path_factory: pytest.TempPathFactory) -> Resources:
    """The small world with three more sources, one of them a laboratory's own."""
    packs = small_world.packs
    genome = small_world.genome()
    plan = plan_for(packs, "small")
    extra = []
    folder = tmp_path_factory.mktemp("many")
    for kind, every, scale in (("gnomad_exomes", 3, 0.3), ("gnomad_genomes", 5, 0.1), ("dbsnp", 2, 1.0)):
        lines = [
            f"chrA\t{p}\t.\t{r}\t{a}\t.\tPASS\tAF={scale / (1 + k % 7):.6f}"
            for k, (p, r, a) in enumerate(small_world.sites)
            if k % every == 0
        ]
        path = folder / f"{kind}.vcf"
        path.write_text("\n".join(["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO", *lines]) + "\n")
        extra.append(frequency.build(Request(kind, (path,), packs, "small", "1", genome, name=kind)))
    more = tuple(Component(pack.kind, pack.name, pack.version, pack.digest) for pack in extra)
    return Resources.load(Plan("small", (*plan.components, *more)), packs, "cpu")


def test_a_plan_of_many_sources_answers_from_each_by_the_order_of_its_components(small_world: World, many: Resources) -> None:
    assert [source.pack.kind for source in many.allele_sources] == ["frequency", "gnomad_exomes", "gnomad_genomes", "dbsnp"]
    assert [source.pack.kind for source in many.frequencies] == ["frequency", "gnomad_exomes", "gnomad_genomes"]
    chunks = [annotate(chunk, many) for chunk in chunks_of(small_world, many)]
    assert sources_of(chunks[0].rows.schema) == tuple(source.pack.digest for source in many.allele_sources)
    rows = [row for chunk in chunks for row in chunk.rows.to_pylist()]
    by_number = {int(row["record"]): row for row in rows}
    for number, row in by_number.items():
        there = {0: number % 2 == 1, 1: number % 3 == 0, 2: number % 5 == 0, 3: number % 2 == 0}
        assert {said["source"] for said in row["looked_up"] if said["answer"] == FOUND} == {s for s, is_in in there.items() if is_in}
        values = {said["source"]: said["value"] for said in row["looked_up"] if said["source"] < 3}
        if values:
            assert row["frequency"] == max(values.values())
            assert values[row["frequency_source"]] == row["frequency"]
        else:
            assert (row["frequency_answer"], row["frequency_source"]) == (UNKNOWN, NO_SOURCE)


def test_every_active_pack_of_a_known_kind_is_in_the_plan_and_a_doubled_kind_is_refused(small_world: World, many: Resources) -> None:
    plan = many.plan
    doubled = Plan("small", (*plan.components, replace(plan.components[-1], name="again")))
    with pytest.raises(PackError, match="two components of the kind dbsnp"):
        Resources.load(doubled, small_world.packs, "cpu")
    strange = Plan("small", (*plan.components, Component("horoscope", "h", "1", plan.components[0].digest)))
    with pytest.raises(PackError, match=r"a pack of the kind genome, which the plan .* takes for horoscope"):
        Resources.load(strange, small_world.packs, "cpu")


def test_plans_tell_in_which_kinds_they_differ(many: Resources) -> None:
    plan = many.plan
    other = replace(plan, components=tuple(replace(c, digest="f" * 32) if c.kind == "gnomad_exomes" else c for c in plan.components[:-1]))
    assert changed_kinds(plan, other) == {"gnomad_exomes", "dbsnp"}
    assert differ_in_knowledge_alone(plan, other)
    assert (plan.annotation_key, plan.score_key) == (other.annotation_key, other.score_key)
    assert plan.evidence_key != other.evidence_key
    for kind in MACHINERY:
        moved = replace(plan, components=tuple(replace(c, digest="f" * 32) if c.kind == kind else c for c in plan.components))
        assert differ_in_knowledge_alone(plan, moved) is (plan.component(kind) is None)
    older = replace(plan, code={**STAGE_CODE, "interpret": 0})
    assert not differ_in_knowledge_alone(plan, older)
    assert older.evidence_key != plan.evidence_key


def test_a_plan_lists_its_components_in_any_order_under_one_id(many: Resources) -> None:
    plan = many.plan
    assert replace(plan, components=tuple(reversed(plan.components))).plan_id == plan.plan_id


def test_without_any_source_every_answer_says_not_loaded(small_world: World) -> None:
    resources = SimpleNamespace(clinvar=None, allele_sources=(), is_frequency=())
    (chunk, *_) = chunks_of(small_world, small_world.resources())
    rows = look_up(chunk, resources).rows  # type: ignore[arg-type]
    assert set(rows.column("frequency_answer").to_pylist()) == set(rows.column("clinvar_answer").to_pylist()) == {NOT_LOADED}
    assert rows.column("looked_up").flatten().to_pylist() == []
