"""What a release changes: the hand-made pair, packs of other kinds, and the four real releases against a plain dictionary."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from processors.annotate.options import Options
from processors.annotate.pick import pick_order
from processors.knowledge.diff import Change, Changes, diff
from processors.knowledge.diff_keys import changed_keys
from processors.knowledge.diff_summary import summary
from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.pack import Pack, PackError
from processors.knowledge.source import Request, build_source
from processors.knowledge.sources import clinvar, frequency
from processors.knowledge.sources.clinvar import ClinVar
from processors.knowledge.sources.clinvar_terms import parse_codes
from processors.knowledge.transcript_build import build_transcripts
from processors.knowledge.transcripts import Transcripts
from schemas.identity import decode_allele
from tests.processors.knowledge.releases import NEW, OLD, compiled, genome
from tests.processors.knowledge.toy import BUILD, gff3


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pack, Pack]:
    folder = tmp_path_factory.mktemp("pair")
    loaded = genome(folder)
    return compiled(folder, OLD, version="2023-12", of=loaded), compiled(folder, NEW, version="2024-06", of=loaded)


def by_record(changes: Changes, old: Pack, new: Pack) -> dict[str, tuple[str, set[str]]]:
    """Record → (kind of change, changed fields)."""
    sources = (ClinVar(old), ClinVar(new))
    found = {}
    for row in range(len(changes.ids)):
        source, place = (sources[1], changes.new_row[row]) if changes.new_row[row] >= 0 else (sources[0], changes.old_row[row])
        found[source.record[int(place)]] = (Change(int(changes.change[row])).name.lower(), set(changes.fields_of(row)))
    return found


def test_each_change_of_the_hand_made_pair_is_named_and_nothing_else(pair: tuple[Pack, Pack]) -> None:
    changes = diff(*pair)
    found = by_record(changes, *pair)
    wanted = {
        "101": {"significance", "stars", "terms", "review"},
        "102": {"significance", "terms", "conflict", "review", "submissions"},
        "103": {"significance", "stars", "terms", "conflict", "review", "submissions"},
        "105": {"stars", "review"},
        "106": {"stars", "review"},
        "107": {"significance", "terms"},
        "108": {"significance", "terms"},
        "109": {"conditions", "per_condition"},
        "111": {"significance", "terms"},
        "112": {"significance", "terms"},
        "115": {"significance", "stars", "terms", "flagged", "review"},
        "120": {"significance", "stars", "terms", "review"},
    }
    assert {record: fields for record, (kind, fields) in found.items() if kind == "changed"} == wanted
    assert {record for record, (kind, _) in found.items() if kind == "added"} == {"119"}
    assert {record for record, (kind, _) in found.items() if kind == "removed"} == {"118"}
    assert not changes.everything


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ("104", "the wording of 2023 and 2024, the tally in another order"),
        ("110", "conditions in another order"),
        ("113", "ONC and SCI appeared"),
        ("114", "a record of ONC alone"),
        ("116", "two records of one allele in another order"),
        ("121", "an indel written elsewhere in its repeat"),
        ("122", "a somatic record that went"),
    ],
)
def test_what_is_no_change(pair: tuple[Pack, Pack], record: str, why: str) -> None:
    assert record not in by_record(diff(*pair), *pair), why


def test_the_same_content_in_another_order_and_twice_is_no_change(tmp_path: Path) -> None:
    loaded = genome(tmp_path)
    lines = NEW.read_text().splitlines()
    head = [line for line in lines if line.startswith("#")]
    rows = lines[len(head) :]
    (tmp_path / "turned.vcf").write_text("\n".join([*head, *reversed(rows), rows[0]]) + "\n")
    old, new = compiled(tmp_path, NEW, of=loaded), compiled(tmp_path, tmp_path / "turned.vcf", of=loaded)
    assert old.digest != new.digest
    changes = diff(old, new)
    assert len(changes) == 0
    assert not changes


def test_a_source_that_is_loaded_or_taken_away_affects_everything(pair: tuple[Pack, Pack]) -> None:
    for changes, change in ((diff(None, pair[1]), Change.ADDED), (diff(pair[1], None), Change.REMOVED)):
        assert changes.everything
        assert len(changes) == pair[1].rows
        assert set(changes.change.tolist()) == {change}
    assert not diff(pair[0], pair[0])
    with pytest.raises(PackError, match="neither pack"):
        diff(None, None)


def test_long_alleles_are_spelled_and_short_ones_read_from_their_ids(pair: tuple[Pack, Pack]) -> None:
    changes = diff(*pair)
    source = changes.spelled
    seen = []
    for row in range(len(changes.ids)):
        ref = source.ref_bytes[source.ref_offsets[row] : source.ref_offsets[row + 1]].tobytes().decode()
        alt = source.alt_bytes[source.alt_offsets[row] : source.alt_offsets[row + 1]].tobytes().decode()
        short = decode_allele(int(changes.ids[row]))
        assert short in (None, (int(changes.linear[row]), ref, alt))
        assert (short is None) == (int(changes.spellings[row]) != 0)
        seen.append((ref, alt))
    assert any(len(alt) - len(ref) == 12 for ref, alt in seen)
    assert ("GAA", "CTC") in seen
    taken = changes.take(np.array([2, 0], dtype=np.int64)).spelled
    texts = [taken.alt_bytes[taken.alt_offsets[k] : taken.alt_offsets[k + 1]].tobytes().decode() for k in range(2)]
    assert texts == [seen[2][1], seen[0][1]]


def test_fields_choose_the_alleles_that_a_reader_reads(pair: tuple[Pack, Pack]) -> None:
    changes = diff(*pair)
    assert set(by_record(changes.of("conditions"), *pair)) == {"109", "118", "119"}
    with pytest.raises(KeyError, match="no field starz"):
        changes.of("starz")


def test_a_summary_counts_transitions_tiers_and_words(pair: tuple[Pack, Pack]) -> None:
    said = summary(diff(*pair), *pair)
    assert (said["added"], said["removed"], said["changed"]) == (1, 1, 12)
    assert said["fields"]["significance"] == 9
    assert {"old": "Uncertain_significance", "new": "Pathogenic", "alleles": 2} in said["transitions"]
    assert {"old": "absent", "new": "Pathogenic", "alleles": 1} in said["transitions"]
    assert "classification:Conflicting_interpretations_of_pathogenicity,_other" in said["vocabulary"]["gone"]
    assert said["vocabulary"]["appeared"]["classification:Likely_risk_allele"] == 1
    assert sum(said["tiers"].values()) == 14
    assert said["tiers"]["1"] == 2  # 101 and 107: uncertain to pathogenic; 119, new without a star, is one lower


def sites(folder: Path, name: str, *rows: str) -> Path:
    path = folder / name
    path.write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + "".join(f"{row}\n" for row in rows))
    return path


def test_any_other_pack_of_alleles_is_compared_by_its_columns(tmp_path: Path) -> None:
    loaded = genome(tmp_path)

    def built(name: str, version: str, *rows: str, **options: str) -> Pack:
        request = Request("frequency", (sites(tmp_path, name, *rows),), tmp_path / "packs", BUILD, version, loaded, options=options)
        return frequency.build(request)

    old = built("a.vcf", "1", "1\t30\t.\tC\tT\t.\tPASS\tAF=0.1", "1\t31\t.\tG\tA\t.\tPASS\tAF=0.2", "1\t33\t.\tT\tC\t.\tPASS\tAF=0.3")
    new = built("b.vcf", "2", "1\t30\t.\tC\tT\t.\tPASS\tAF=0.1", "1\t31\t.\tG\tA\t.\tPASS\tAF=0.25", "1\t36\t.\tC\tT\t.\tPASS\tAF=0.3")
    changes = diff(old, new)
    assert [Change(int(one)).name for one in changes.change] == ["CHANGED", "REMOVED", "ADDED"]
    assert not changes.everything
    assert len(changes.fields_of(0)) == 1
    floor = built("c.vcf", "3", "1\t30\t.\tC\tT\t.\tPASS\tAF=0.1", floor="0.01")
    assert diff(old, floor).everything  # what neither holds is answered otherwise


def test_regions_that_only_one_pack_has_are_changed_spans(tmp_path: Path) -> None:
    loaded, mapping = genome(tmp_path), tmp_path / "panel.toml"
    mapping.write_text('keyed = "region"\n[columns.what]\nfrom = 4\ntype = "word"\n')

    def built(version: str, text: str) -> Pack:
        path = tmp_path / f"{version}.bed"
        path.write_text(text)
        return build_source(Request("user.panel", (path, mapping), tmp_path / "packs", BUILD, version, loaded))

    old = built("1", "1\t10\t20\tA\n1\t30\t40\tB\n1\t60\t70\tC\n")
    new = built("2", "1\t10\t20\tA\n1\t30\t45\tB\n1\t60\t70\tD\n")
    changes = diff(old, new)
    assert changes.regions.tolist() == [[30, 45], [60, 70]]
    assert summary(changes, old, new)["bases"] == 25
    assert not diff(old, built("3", "1\t60\t70\tC\n1\t30\t40\tB\n1\t10\t20\tA\n"))


@dataclass(frozen=True)
class Read:
    """What the engine reads of a plan."""

    genome: Genome
    transcripts: Transcripts
    options: Options
    pick_order: Any


def test_changed_alleles_change_their_residues_and_genes(tmp_path: Path, pair: tuple[Pack, Pack]) -> None:
    loaded = genome(tmp_path)
    (tmp_path / "m.gff3").write_text(
        gff3("T1", ("exon", 1, 143, "."), ("CDS", 21, 83, "0"), contig="1", attributes="biotype=protein_coding")
    )
    transcripts = Transcripts(
        build_transcripts(tmp_path / "m.gff3", tmp_path / "packs", loaded.table, name="m", version="1", genome=loaded)
    )
    read: Any = Read(loaded, transcripts, Options(), pick_order(transcripts))
    changes = diff(*pair)
    keys = changed_keys(changes, read)
    assert keys.gene_names == ("GT1", "ST1")
    # 101, 102, 103: codon 4; 105: 6; 106: 7; 107: 8; 108: 9; 109: 11; 111: 12; 112: 13; 115: 16; 118: 18; 119: 19; 120: 20
    assert {4, 6, 7, 8, 9, 11, 12, 13, 16, 18, 19, 20} <= set(keys.residues[:, 1].tolist())
    assert 14 not in keys.residues[:, 1]  # 113: ONC alone changed
    assert np.array_equal(keys.ids, changes.ids)
    assert keys.regions[0].tolist() == [29, 31]
    assert changed_keys(diff(None, pair[1]), read).everything


RELEASES = ("2016-01-04", "2016-08-31", "2017-01-04", "2017-04-04")
COUNTED = [(21_624, 255, 4_432), (91_655, 3_242, 11_788), (21_972, 2_402, 5_726)]
"""Alleles added, removed and reclassified from each release to the next."""


@pytest.mark.real_data
@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.soak)])
def test_real_releases_change_what_a_plain_dictionary_says(real_data: Path, tmp_path: Path, count: int) -> None:
    (tmp_path / "unknown.fa").write_text(">21\n" + "N" * 48_129_894 + "A\n")
    loaded = Genome(build_genome(tmp_path / "unknown.fa", tmp_path / "packs", "GRCh37", "1"))
    packs, plain = [], []
    for release in RELEASES[:count]:
        path = real_data / f"grch37/clinvar_{release}.GRCh37.vcf.gz"
        packs.append(clinvar.build(Request("clinvar", (path,), tmp_path / "packs", "GRCh37", release, loaded)))
        plain.append(dictionary(path))
    counted = []
    for old, new, before, after in zip(packs, packs[1:], plain, plain[1:], strict=False):
        changes = diff(old, new)
        kinds = Counter(changes.change.tolist())
        both = before.keys() & after.keys()
        assert kinds[Change.ADDED] == len(after.keys() - both)
        assert kinds[Change.REMOVED] == len(before.keys() - both)
        read = changes.of("significance")
        assert int((read.change == Change.CHANGED).sum()) == sum(before[key][0] != after[key][0] for key in both)
        per = changes.of("per_condition")
        assert int((per.change == Change.CHANGED).sum()) == sum(before[key][1] != after[key][1] for key in both)
        said = summary(changes, old, new)
        plainly = Counter((before[key][0], after[key][0]) for key in both if before[key][0] != after[key][0])
        moved = sum(pair["alleles"] for pair in said["transitions"] if "absent" not in (pair["old"], pair["new"]))
        assert moved == sum(plainly.values())
        counted.append((kinds[Change.ADDED], kinds[Change.REMOVED], moved))
    assert counted == COUNTED[: count - 1]


def dictionary(path: Path) -> dict[tuple[str, ...], tuple[int, frozenset[tuple[str, str]]]]:
    """Allele → (classification, conditions with their codes), line by line; of two records the later."""
    found: dict[tuple[str, ...], tuple[int, frozenset[tuple[str, str]]]] = {}
    with gzip.open(path, "rt") as lines:
        for line in lines:
            if line.startswith("#"):
                continue
            chrom, position, _, ref, alt, _, _, info = line.rstrip("\n").split("\t")
            values = dict(re.findall(r"(\w+)=([^;]*)", info))
            codes, names = values["CLNSIGCODE"], values.get("CLNDBN", "")
            parts, each = [name for name in names.split("|") if name], codes.split("|")
            named = [re.sub(r"\\x(..)", lambda m: chr(int(m[1], 16)), name).replace("_", " ") for name in parts]
            paired = zip(named, each if len(each) == len(named) else [""] * len(named), strict=True)
            found[chrom, position, ref, alt] = (int(parse_codes(codes)[0]), frozenset(paired))
    return found
