"""Rows that are picked, reduced and chosen, and columns that are asked for."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from processors.annotate.hgvs.style import Style
from processors.annotate.options import OptionRefused, Options, parse_distance
from processors.annotate.pick import Criterion
from processors.output.table import COLUMNS, EXTRA_COLUMNS, Group, Picking
from processors.pipeline import Choices, OutputRefused, annotate_file

if TYPE_CHECKING:
    from tests.processors.conftest import World

Rows = list[dict[str, str]]


def annotated(small_world: World, tmp_path: Path, choices: Choices) -> Rows:
    lines = [f"A\t{p}\tv{k}\t{r}\t{a}\t.\t.\t." for k, (p, r, a) in enumerate(small_world.sites[:400])]
    twice = [f"A\t{p}\tm{k}\t{r}\t{a},{r}TTT\t.\t.\t." for k, (p, r, a) in enumerate(small_world.sites[:100]) if len(r) == 1]
    source = small_world.vcf("picked.vcf", [*lines, *twice])
    annotate_file(source, tmp_path / "out.tsv", small_world.resources(), choices=choices)
    with (tmp_path / "out.tsv").open() as handle:
        return list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))


def groups(rows: Rows, group: Group) -> dict[tuple[str, ...], Rows]:
    found: defaultdict[tuple[str, ...], Rows] = defaultdict(list)
    for row in rows:
        key = {Group.RECORD: (row["id"],), Group.ALLELE: (row["id"], row["alt"]), Group.GENE: (row["id"], row["alt"], row["gene"])}[group]
        found[key].append(row)
    return found


@pytest.mark.parametrize("group", list(Group))
def test_one_row_of_each_group_is_marked_and_reducing_keeps_just_those(group: Group, small_world: World, tmp_path: Path) -> None:
    every = annotated(small_world, tmp_path, Choices(picking=Picking(group)))
    for rows in groups(every, group).values():
        assert sum(row["pick"] == "1" for row in rows) == 1
    reduced = annotated(small_world, tmp_path, Choices(picking=Picking(group, reduce=True)))
    assert reduced == [row for row in every if row["pick"] == "1"]


def test_the_order_decides_who_speaks(small_world: World, tmp_path: Path) -> None:
    def chosen(*order: Criterion) -> dict[tuple[str, ...], str]:
        rows = annotated(small_world, tmp_path, Choices(options=Options(order=order)))
        return {key: next(r["consequence"] for r in found if r["pick"] == "1") for key, found in groups(rows, Group.ALLELE).items()}

    by_rank = chosen(Criterion.RANK)
    rows = annotated(small_world, tmp_path, Choices())
    severity = ["HIGH", "MODERATE", "LOW", "MODIFIER"]
    for key, found in groups(rows, Group.ALLELE).items():
        worst = min(severity.index(row["impact"]) for row in found)
        assert worst == min(severity.index(r["impact"]) for r in found if r["consequence"] == by_rank[key])


def test_distances_up_and_downstream_are_told_apart(small_world: World, tmp_path: Path) -> None:
    def farthest(options: Options) -> dict[str, int]:
        found: defaultdict[str, int] = defaultdict(int)
        for row in annotated(small_world, tmp_path, Choices(options=options)):
            for term in ("upstream_gene_variant", "downstream_gene_variant"):
                if row["consequence"] == term:
                    found[term] = max(found[term], int(row["distance"]))
        return found

    both = farthest(Options())
    assert 4_000 < both["upstream_gene_variant"] <= 5_000
    apart = farthest(Options(upstream=2_000, downstream=300))
    assert 300 < apart["upstream_gene_variant"] <= 2_000
    assert 0 < apart["downstream_gene_variant"] <= 300
    assert farthest(Options(0, 0)) == {}


@pytest.mark.parametrize(("text", "distances"), [("5000", (5000, 5000)), ("10,20", (10, 20)), ("0", (0, 0))])
def test_a_distance_reads_as_vep_reads_it(text: str, distances: tuple[int, int]) -> None:
    assert parse_distance(text) == distances


@pytest.mark.parametrize("text", ["", "-1", "1,2,3", "x", "1,"])
def test_a_distance_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(OptionRefused):
        parse_distance(text)


def test_columns_come_as_asked_and_unknown_ones_are_refused(small_world: World, tmp_path: Path) -> None:
    every = annotated(small_world, tmp_path, Choices())
    assert tuple(every[0]) == (*COLUMNS, *EXTRA_COLUMNS)
    few = annotated(small_world, tmp_path, Choices(columns=("hgvsc", "id", "score")))
    assert [list(row.items()) for row in few] == [[(name, row[name]) for name in ("hgvsc", "id", "score")] for row in every]
    for columns, said in ((("id", "nothing"), "nothing"), (("id", "id"), "twice")):
        with pytest.raises(OutputRefused, match=said):
            annotated(small_world, tmp_path, Choices(columns=columns))


def test_a_laboratorys_spelling_changes_names_and_nothing_else(small_world: World, tmp_path: Path) -> None:
    plain = annotated(small_world, tmp_path, Choices())
    own = annotated(small_world, tmp_path, Choices(style=Style(parentheses=True, star=True)))
    assert any(row["hgvsp"] != "." for row in plain)
    for before, after in zip(plain, own, strict=True):
        assert {name: value for name, value in before.items() if name != "hgvsp"} == {n: v for n, v in after.items() if n != "hgvsp"}
        if before["hgvsp"] != "." and "?" not in before["hgvsp"]:
            assert after["hgvsp"] == before["hgvsp"].replace(":p.", ":p.(").replace("Ter", "*") + ")"
