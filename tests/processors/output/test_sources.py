"""Columns of the sources of a build: what each has of an allele, and nothing where it has none."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from processors.knowledge.source import Request, build_source
from processors.pipeline import Choices, OutputRefused, annotate_file
from processors.resources import Resources, plan_for
from schemas.plan import Component, Plan
from tests.processors.conftest import BUILD

if TYPE_CHECKING:
    from tests.processors.conftest import World

HEAD = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
COLUMNS = ("pos", "ref", "alt", "clinvar", "clinvar_stars", "dbsnp", "user.seen", "user.word")


def loaded(world: World, folder: Path) -> Resources:
    """The world with ClinVar, dbSNP and two sources of one's own, which hold the first of the sites and not the fifth."""
    first = [f"A\t{p}\trs{3_000_000_000 + k}\t{r}\t{a}" for k, (p, r, a) in enumerate(world.sites[:4])]
    reviewed = "CLNSIG=Pathogenic;CLNREVSTAT=reviewed_by_expert_panel"
    (folder / "clinvar.vcf").write_text(HEAD.replace("#C", '##INFO=<ID=CLNSIG,Number=.,Type=String,Description="x">\n#C') + "".join(
        f"{line.replace('rs', '')}\t.\t.\t{reviewed}\n" for line in first
    ))  # fmt: skip
    (folder / "dbsnp.vcf").write_text(HEAD + "".join(f"{line}\t.\t.\t.\n" for line in first))
    rows = [[str(p), r, a, text] for (p, r, a), text in zip(world.sites[:4], ("0.25", "1e-06", "3", "0"), strict=True)]
    (folder / "own.tsv").write_text(
        "chr\tpos\tref\talt\tvalue\tword\n" + "".join("\t".join(["A", *row, f"w{row[0]}"]) + "\n" for row in rows)
    )
    place = '[place]\ncontig = "chr"\nposition = "pos"\nref = "ref"\nalt = "alt"\n'
    (folder / "seen.toml").write_text(f'keyed = "allele"\nmain = "value"\n{place}[columns.value]\nfrom = "value"\ntype = "number"\n')
    (folder / "word.toml").write_text(f'keyed = "allele"\n{place}[columns.word]\nfrom = "word"\ntype = "word"\n')
    given = {
        "clinvar": ("clinvar.vcf",), "dbsnp": ("dbsnp.vcf",), "user.seen": ("own.tsv", "seen.toml"), "user.word": ("own.tsv", "word.toml")
    }  # fmt: skip
    plan, genome = plan_for(world.packs, BUILD), world.genome()
    kept = [part for part in plan.components if part.kind in ("genome", "transcripts")]
    for kind, names in given.items():
        request = Request(kind, tuple(folder / name for name in names), world.packs, plan.build, "1", genome, jobs=1)
        pack = build_source(request)
        kept.append(Component(kind, pack.name, pack.version, pack.digest))
    return Resources.load(Plan(plan.build, tuple(kept)), world.packs, "cpu")


def test_each_source_has_a_column_by_its_kind_and_a_point_where_it_has_nothing(small_world: World, tmp_path: Path) -> None:
    resources = loaded(small_world, tmp_path)
    source = small_world.vcf("sources.vcf", [f"A\t{p}\t.\t{r}\t{a},*\t.\t.\t." for p, r, a in small_world.sites[:5]])
    annotate_file(source, tmp_path / "out.tsv", resources, choices=Choices(columns=COLUMNS))
    with (tmp_path / "out.tsv").open() as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    assert tuple(rows[0]) == COLUMNS
    said = {(int(row["pos"]), row["alt"]): tuple(row[name] for name in COLUMNS[3:]) for row in rows}
    shown = ("0.25", "0.000001", "3", "0")
    for k, (p, _, a) in enumerate(small_world.sites[:4]):
        label, stars, rs, value, word = said[p, a]
        assert (label, stars, rs, float(value), word) == ("Pathogenic", "3", str(3_000_000_000 + k), float(shown[k]), f"w{p}")
        assert said[p, "*"] == (".",) * 5
    assert said[small_world.sites[4][0], small_world.sites[4][2]] == (".",) * 5
    annotate_file(source, tmp_path / "out.vcf.gz", resources, choices=Choices(columns=("consequence", "user.word")))
    text = gzip.decompress((tmp_path / "out.vcf.gz").read_bytes()).decode()
    assert "Consequence|" in text
    assert f"|w{small_world.sites[0][0]}" in text


def test_a_column_of_a_source_that_is_not_loaded_is_refused_with_those_that_are(small_world: World, tmp_path: Path) -> None:
    resources = loaded(small_world, tmp_path)
    source = small_world.vcf("sources.vcf", ["A\t10\t.\tA\tC\t.\t.\t."])
    with pytest.raises(OutputRefused, match=r"no column 'cadd'.*of the sources of this build clinvar_stars, dbsnp, user\.seen, user\.word"):
        annotate_file(source, tmp_path / "out.tsv", resources, choices=Choices(columns=("pos", "cadd")))
    assert not (tmp_path / "out.tsv").exists()
