"""Alleles on file that a release reaches by each key by which a rule may read its kind, beside a plain search over generated data."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from deploy.local.clickhouse.launch import RunningClickHouse
from processors.annotate.stage import call
from processors.delta import keys as delta_keys
from processors.delta.batch import Batch
from processors.delta.changed import OnFile, affected
from processors.delta.chunks import delta_chunks
from processors.delta.derived import DERIVATIONS
from processors.interpret import reads
from processors.interpret.reads import RULES, Key, Reads, keys_read
from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.kinds import KINDS, Keyed, kind_of
from processors.knowledge.pack import Pack, activate
from processors.knowledge.source import Request, build_source
from processors.knowledge.transcript_build import build_transcripts
from processors.land.client import Client, connect
from processors.land.migrations import migrate
from processors.land.publication import PublicationRow, insert_publications
from processors.resources import Resources, plan_for
from schemas import identity
from schemas.chunks import NONE
from schemas.plan import Component, Plan
from streams.control.names import note_names

LENGTH = 60_000
MODELS = {
    # transcript: (gene, contig, first base, last base, first coding base, last coding base), 0-based half-open, one exon
    "T1": ("G1", "1", 10_000, 10_700, 10_030, 10_630),
    "T2": ("G1", "1", 10_100, 10_900, 10_200, 10_800),
    "T3": ("G2", "1", 30_000, 30_600, 30_000, 30_600),
    "T4": ("G3", "2", 12_000, 12_900, 12_090, 12_690),
    "T5": ("G4", "2", 12_600, 13_200, 12_601, 13_188),
}
REACH = 5_000
SPANS = {"1": ((9_900, 11_000), (29_900, 30_700), (40_000, 40_300)), "2": ((11_900, 13_300), (50_000, 50_200))}
"""Where alleles lie: in and beside the genes, and in two places far from all."""
TERMS = ("Pathogenic", "Likely_pathogenic", "Uncertain_significance", "Benign")
REVIEWS = ("criteria_provided,_single_submitter", "reviewed_by_expert_panel")
DOSAGE = (
    "#ClinGen Gene Curation List\n#03 Feb,2025\n#Genomic Locations are reported on GRCh38 (hg38): GCF_000001405.36\n"
    "#Gene Symbol\tGene ID\tcytoBand\tGenomic Location\tHaploinsufficiency Score\tHaploinsufficiency Description\t"
    "Haploinsufficiency PMID1\tTriplosensitivity Score\tTriplosensitivity Description\tDate Last Evaluated\tHaploinsufficiency Disease ID\n"
)
Allele = tuple[str, int, str, str]
"""Contig, 0-based place, REF, ALT."""
Rows = dict[Allele, str]


def transcripts_of(allele: Allele) -> dict[str, int]:
    """Transcripts within reach of an allele → 1-based residue of the first base that it changes, 0 where that is not coding."""
    contig, place, ref, alt = allele
    first = place + (len(ref) > len(alt))
    found = {}
    for name, (_, on, start, end, coding, stop) in MODELS.items():
        if on == contig and first < end + REACH and place + len(ref) > start - REACH:
            found[name] = (first - coding) // 3 + 1 if coding <= first < stop else 0
    return found


def genes_of(allele: Allele) -> set[str]:
    return {MODELS[name][0] for name in transcripts_of(allele)}


def residues_of(allele: Allele) -> set[tuple[str, int]]:
    return {(MODELS[name][0], residue) for name, residue in transcripts_of(allele).items() if residue}


def overlap(allele: Allele, contig: str, start: int, end: int) -> bool:
    return allele[0] == contig and allele[1] < end and allele[1] + len(allele[2]) > start


class World:
    """Two contigs with four genes, two of which overlap; two samples; two releases of each source."""

    def __init__(self, folder: Path, client: Client) -> None:
        self.folder, self.client, self.name = folder, client, uuid.uuid4().hex
        self.packs = folder / "packs"
        self.random = np.random.default_rng(5)
        self.sequence = {contig: "".join(self.random.choice(list("ACGT"), LENGTH)) for contig in ("1", "2")}
        (folder / "g.fa").write_text("".join(f">{contig}\n{text}\n" for contig, text in self.sequence.items()))
        (folder / "m.gff3").write_text("".join(_model(name) for name in MODELS))
        self.genome = Genome(build_genome(folder / "g.fa", self.packs, "toy", self.name))
        models = build_transcripts(folder / "m.gff3", self.packs, self.genome.table, name="m", version=self.name, genome=self.genome)
        for pack in (self.genome.pack, models):
            activate(self.packs, pack)
        self.plan = plan_for(self.packs, "toy")
        self.offsets = {contig.name: contig.offset for contig in self.genome.table.contigs}
        self.alleles = self.some(360)
        self.carried = [{allele for allele in self.alleles if self.random.random() < 0.5} for _ in range(2)]
        self.on_file = self.carried[0] | self.carried[1]
        self.bases = tuple(self._publication(number) for number in range(2))
        self.gene: dict[Allele, str] = {}
        self._land()
        said = {allele: self.said() for allele in self.some(300)}
        moved = {
            allele: self.said() if self.random.random() < 0.05 else text for allele, text in said.items() if self.random.random() < 0.97
        }
        self.clinvar = said, moved | {allele: self.said() for allele in self.some(6)}
        self.clinvar_packs = [self._clinvar(f"{n}", rows) for n, rows in enumerate(self.clinvar)]

    def some(self, count: int) -> list[Allele]:
        """Distinct alleles: substitutions and, one of six, deletions of one to three bases."""
        found: set[Allele] = set()
        while len(found) < count:
            contig = str(self.random.choice(["1", "2"]))
            start, end = SPANS[contig][int(self.random.integers(len(SPANS[contig])))]
            place, text = int(self.random.integers(start, end)), self.sequence[contig]
            if self.random.random() < 1 / 6:
                found.add((contig, place, text[place : place + int(self.random.integers(2, 5))], text[place]))
            else:
                found.add((contig, place, text[place], "ACGT"["CGTA".index(text[place])]))
        return sorted(found)

    def said(self) -> str:
        return f"CLNSIG={self.random.choice(TERMS)};CLNREVSTAT={self.random.choice(REVIEWS)}"

    def id(self, allele: Allele) -> int:
        return identity.allele_id(self.offsets[allele[0]] + allele[1], *allele[2:])

    # --- packs -------------------------------------------------------------------------------------------------------

    def _clinvar(self, version: str, rows: Rows) -> Pack:
        text = "".join(f"{c}\t{p + 1}\t{n}\t{r}\t{a}\t.\t.\t{said}\n" for n, ((c, p, r, a), said) in enumerate(sorted(rows.items()), 1))
        return self.built("clinvar", version, "vcf", f"##fileformat=VCFv4.1\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n{text}")

    def frequency(self, version: str, rows: dict[Allele, float]) -> Pack:
        text = "".join(f"{c}\t{p + 1}\t.\t{r}\t{a}\t.\tPASS\tAF={af}\n" for (c, p, r, a), af in sorted(rows.items()))
        return self.built("frequency", version, "vcf", f"##fileformat=VCFv4.1\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n{text}")

    def dosage(self, version: str, scores: dict[str, int]) -> Pack:
        rows = (f"S{gene}\t{gene[1:]}\t1p1\tchr1:1-2\t{score}\tx\t\t0\tx\t2020-05-06\t\n" for gene, score in scores.items())
        return self.built("dosage", version, "tsv", DOSAGE + "".join(rows))

    def stretches(self, version: str, rows: list[tuple[str, int, int]]) -> Pack:
        (self.folder / "m.toml").write_text('keyed = "region"\n')
        text = "".join(f"{contig}\t{start}\t{end}\n" for contig, start, end in sorted(rows))
        return self.built("user.stretches", version, "bed", text, self.folder / "m.toml")

    def built(self, kind: str, version: str, ending: str, text: str, *also: Path) -> Pack:
        path = self.folder / f"{kind}-{version}.{ending}"
        path.write_text(text)
        build = "any" if kind_of(kind).keyed is Keyed.GENE else "toy"  # type: ignore[union-attr]
        own = f"{version}-{self.name[:8]}"
        return build_source(Request(kind, (path, *also), self.packs, build, own, self.genome, date=f"2020-01-0{int(version) + 1}", jobs=1))

    # --- what is on file ---------------------------------------------------------------------------------------------

    def _publication(self, number: int) -> PublicationRow:
        name = f"{self.name}-{number}"
        return PublicationRow(
            f"r{name}", name, f"s{name}", f"c{name}", self.plan.plan_id, "toy", self.plan.annotation_key,
            "", "", 1, 1, "", "live", 0, True, 1, 1, {}, 0, "", "", 1, f"r{name}",
        )  # fmt: skip

    def _land(self) -> None:
        insert_publications(self.client, self.bases, self.name)
        note_names(self.client, self.packs, self.plan)
        for row, mine in zip(self.bases, self.carried, strict=True):
            self.client.insert("calls", self._rows(sorted(mine), row), f"calls {row.sample_id}")
        resources = Resources.load(self.plan, self.packs, "cpu")
        known = resources.transcripts.gene_id.arrow().to_pylist()
        everything = self._rows(self.alleles, self.bases[0])
        order = np.argsort(everything.column("allele_id").to_numpy())
        for chunk in delta_chunks(Batch(self.plan, self.plan, ()), OnFile(pa.Table.from_batches([everything.take(pa.array(order))])), "x"):
            rows = call(chunk, resources).rows
            lists, ids, genes = rows.column("transcripts"), rows.column("allele_id"), rows.column("gene")
            columns = {"annotation_key": [self.plan.annotation_key] * len(rows), "allele_id": ids, "gene": genes}
            inner = lists.flatten()
            for field in inner.type:
                values = inner.field(field.name)
                columns[f"transcripts.{field.name}"] = pa.ListArray.from_arrays(
                    pa.array(lists.offsets.to_numpy() - lists.offsets[0].as_py(), pa.int32()), values
                )
            self.client.insert("annotation", pa.RecordBatch.from_pydict(columns), f"annotation {self.name} {chunk.header.ordinal}")
            picked = dict(zip(ids.to_pylist(), genes.to_pylist(), strict=True))
            self.gene |= {a: known[picked[self.id(a)]] for a in self.alleles if picked.get(self.id(a), NONE) != NONE}

    def _rows(self, alleles: list[Allele], row: PublicationRow) -> pa.RecordBatch:
        n = len(alleles)
        columns: dict[str, Any] = {name: [getattr(row, name)] * n for name in ("submission_id", "sample_id", "call_set")}
        columns |= {
            "allele_id": np.array([self.id(allele) for allele in alleles], dtype=np.uint64),
            "record": np.arange(n, dtype=np.uint32),
        }
        columns |= {"spelling": np.zeros(n, dtype=np.uint32), "haplotypes": np.ones(n, dtype=np.uint8)}
        contigs, starts, refs, alts = zip(*alleles, strict=True)
        columns |= {"contig": list(contigs), "start": np.array(starts, dtype=np.int32), "ref": list(refs), "alt": list(alts)}
        return pa.RecordBatch.from_pydict(columns)

    # --- what is asked -----------------------------------------------------------------------------------------------

    def reached(self, old: Pack | None, new: Pack | None) -> tuple[set[Allele], dict[str, int]]:
        """Alleles on file that the step from one pack to another reaches, and the counts of keys."""
        plans = [
            Plan("toy", (*self.plan.components, *(Component(p.kind, p.name, p.version, p.digest) for p in (pack,) if p is not None)))
            for pack in (old, new)
        ]
        found = affected(self.client, Batch(plans[0], plans[1], self.bases), self.packs)
        named = {self.id(allele): allele for allele in self.alleles}
        return {named[int(one)] for one in found.alleles.ids}, dict(found.keys)

    def search(self, holds: Callable[[Allele], bool]) -> set[Allele]:
        return {allele for allele in self.on_file if holds(allele)}

    @property
    def changed(self) -> set[Allele]:
        """Alleles of which the two releases of ClinVar say different things."""
        old, new = self.clinvar
        return {allele for allele in old.keys() | new.keys() if old.get(allele) != new.get(allele)}


def _model(name: str) -> str:
    gene, contig, start, end, coding, stop = MODELS[name]
    mine = [model for model in MODELS.values() if model[0] == gene]
    first, last = min(model[2] for model in mine) + 1, max(model[3] for model in mine)
    coded = "biotype=protein_coding"
    lines = [
        f"mRNA\t{start + 1}\t{end}\t.\t+\t.\tID=transcript:{name};Parent=gene:{gene};transcript_id={name};{coded}",
        f"exon\t{start + 1}\t{end}\t.\t+\t.\tParent=transcript:{name}",
        f"CDS\t{coding + 1}\t{stop}\t.\t+\t0\tParent=transcript:{name}",
    ]
    if mine[0] is MODELS[name]:
        lines.insert(0, f"gene\t{first}\t{last}\t.\t+\t.\tID=gene:{gene};gene_id={gene};Name=S{gene};{coded}")
    return "".join(f"{contig}\t.\t{line}\n" for line in lines)


@pytest.fixture(scope="module")
def world(clickhouse: RunningClickHouse, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with connect(clickhouse.dsn("admin")) as client:
        migrate(client)
        yield World(tmp_path_factory.mktemp("derived"), client)


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Rules that read a kind by some keys, in the place of today's."""

    def put(kind: str, *keys: Key) -> None:
        monkeypatch.setattr(reads, "RULES", tuple(Reads(f"rule of {key}", key, frozenset({kind})) for key in keys))

    return put


# --- ClinVar ---------------------------------------------------------------------------------------------------------


def own(world: World) -> set[Allele]:
    return world.changed & world.on_file


def test_a_rule_of_the_own_allele_alone_reaches_no_neighbour(world: World, rules: Any) -> None:
    rules("clinvar", Key.ALLELE)
    found, counts = world.reached(*world.clinvar_packs)
    assert found == own(world) != set()
    assert counts == {"clinvar": len(world.changed)}


def test_a_neighbour_of_the_residue_is_reached(world: World, rules: Any) -> None:
    rules("clinvar", Key.RESIDUE)
    residues = set().union(*map(residues_of, world.changed))
    found, counts = world.reached(*world.clinvar_packs)
    assert found == own(world) | world.search(lambda allele: not residues.isdisjoint(residues_of(allele)))
    assert found > own(world)
    assert counts == {"clinvar": len(world.changed), "clinvar by residue": len(residues)}


def test_every_allele_of_the_gene_is_reached(world: World, rules: Any) -> None:
    rules("clinvar", Key.GENE)
    old, _ = world.clinvar
    chosen = next(allele for allele in sorted(old) if genes_of(allele) == {"G2"})
    pack = world._clinvar("2", {**old, chosen: "CLNSIG=drug_response;CLNREVSTAT=practice_guideline"})
    found, counts = world.reached(world.clinvar_packs[0], pack)
    assert found == world.search(lambda allele: "G2" in genes_of(allele)) != world.on_file
    assert counts == {"clinvar": 1, "clinvar by gene": 1}


def test_whatever_overlaps_a_changed_place_is_reached(world: World, rules: Any) -> None:
    rules("clinvar", Key.REGION)
    places = [(contig, place, place + len(ref)) for contig, place, ref, _ in world.changed]
    found, _ = world.reached(*world.clinvar_packs)
    assert found == own(world) | world.search(lambda allele: any(overlap(allele, *place) for place in places))
    assert found > own(world)


def test_a_partner_in_the_same_sample_is_reached(world: World, rules: Any) -> None:
    rules("clinvar", Key.PARTNER)
    old, _ = world.clinvar
    inside = [allele for allele in sorted(world.carried[0] - world.carried[1]) if world.gene.get(allele) == "G2"]
    pack = world._clinvar("3", {**old, inside[0]: "CLNSIG=drug_response;CLNREVSTAT=practice_guideline"})
    found, counts = world.reached(world.clinvar_packs[0], pack)
    assert found == {allele for allele in world.carried[0] if world.gene.get(allele) == "G2"}
    assert counts == {"clinvar": 1, "clinvar by partner": 1}


def test_rules_of_several_keys_reach_what_each_reaches(world: World, rules: Any) -> None:
    expected = set()
    for key in (Key.ALLELE, Key.RESIDUE, Key.REGION, Key.PARTNER):
        rules("clinvar", key)
        expected |= world.reached(*world.clinvar_packs)[0]
    rules("clinvar", Key.ALLELE, Key.RESIDUE, Key.REGION, Key.PARTNER)
    assert world.reached(*world.clinvar_packs)[0] == expected


def test_clinvar_that_comes_reaches_whoever_reads_its_neighbours(world: World, rules: Any) -> None:
    rules("clinvar", Key.ALLELE, Key.RESIDUE)
    found, counts = world.reached(None, world.clinvar_packs[0])
    assert found == world.on_file
    assert counts["clinvar by residue"] == len(world.on_file)


def test_what_no_rule_reads_of_clinvar_reaches_nobody(world: World, rules: Any) -> None:
    rules("clinvar", *Key)
    old, _ = world.clinvar
    renamed = world._clinvar("4", {allele: f"{text};CLNDN=another_name" for allele, text in old.items()})
    assert world.reached(world.clinvar_packs[0], renamed)[0] == set()


# --- other sources of alleles ----------------------------------------------------------------------------------------


def test_another_source_of_alleles_reaches_its_neighbours_too(world: World, rules: Any) -> None:
    before = dict.fromkeys(world.some(200), 0.25)
    after = {allele: 0.5 if number % 40 == 0 else af for number, (allele, af) in enumerate(sorted(before.items())) if number % 60 != 1}
    packs = world.frequency("0", before), world.frequency("1", after)
    changed = {allele for allele in before if before[allele] != after.get(allele)}
    rules("frequency", Key.ALLELE)
    alone, _ = world.reached(*packs)
    assert alone == changed & world.on_file
    rules("frequency", Key.ALLELE, Key.RESIDUE)
    residues = set().union(*map(residues_of, changed))
    found, _ = world.reached(*packs)
    assert found == alone | world.search(lambda allele: not residues.isdisjoint(residues_of(allele)))
    rules("frequency", Key.PARTNER)
    partners = set()
    for mine in world.carried:
        touched = {world.gene[allele] for allele in changed & mine if allele in world.gene}
        partners |= {
            one for one in mine
            if world.gene.get(one) in touched and any(world.gene.get(c) == world.gene[one] and c != one for c in changed & mine)
        }  # fmt: skip
    assert world.reached(*packs)[0] == alone | partners


# --- sources of genes ------------------------------------------------------------------------------------------------


def test_a_release_of_genes_reaches_the_alleles_of_the_genes_that_changed(world: World, rules: Any) -> None:
    packs = world.dosage("0", {"G1": 3, "G2": 1, "G3": 30}), world.dosage("1", {"G1": 3, "G2": 1, "G4": 2})
    rules("dosage", Key.GENE)
    found, counts = world.reached(*packs)
    assert found == world.search(lambda allele: bool({"G3", "G4"} & genes_of(allele))) != set()
    assert counts == {"dosage by gene": 2}
    rules("validity", Key.GENE)
    assert world.reached(*packs) == (set(), {})


def test_a_source_of_genes_that_comes_or_goes_reaches_every_allele(world: World, rules: Any) -> None:
    rules("dosage", Key.GENE)
    pack = world.dosage("2", {"G1": 3})
    assert world.reached(None, pack)[0] == world.reached(pack, None)[0] == world.on_file


# --- a laboratory's own ----------------------------------------------------------------------------------------------


def test_a_changed_stretch_reaches_what_overlaps_it(world: World, rules: Any) -> None:
    kept = [("1", 9_000, 10_500), ("1", 10_400, 10_450), ("2", 0, 60_000)]
    gone, fresh = [("1", 10_420, 10_600), ("2", 12_100, 12_101)], [("1", 30_100, 30_300), ("1", 30_250, 30_400)]
    packs = world.stretches("0", kept + gone), world.stretches("1", kept + fresh)
    rules("user.*", Key.REGION)
    found, counts = world.reached(*packs)
    assert found == world.search(lambda allele: any(overlap(allele, *stretch) for stretch in gone + fresh)) != set()
    assert counts == {"user.stretches by region": 3}
    rules("user.stretches", Key.GENE)
    assert world.reached(*packs)[0] == world.search(lambda allele: bool({"G1", "G2", "G3", "G4"} & genes_of(allele)))
    rules("user.other", Key.REGION)
    assert world.reached(*packs) == (set(), {})


# --- nothing is left out ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", Key)
def test_every_key_by_which_a_rule_may_read_a_kind_is_derived(key: Key) -> None:
    keyed = {known.keyed for known in KINDS.values()} | set(Keyed)  # a laboratory's own table is keyed as its mapping says
    assert {(one, key) for one in keyed} <= DERIVATIONS.keys()
    assert key in delta_keys._SQL


def test_every_rule_reads_kinds_that_there_are_by_keys_that_are_derived() -> None:
    for rule in RULES:
        assert rule.key in Key
        assert all(kind == reads.USER or kind_of(kind) is not None for kind in rule.kinds)
    assert keys_read("user.mine") == frozenset()


def test_without_a_rule_of_neighbours_the_consequence_engine_is_not_loaded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr(Resources, "load", refuse)
    monkeypatch.setattr("processors.knowledge.diff.diff", refuse)
    found, counts = world.reached(*world.clinvar_packs)
    assert found == own(world)
    assert counts == {"clinvar": len(world.changed)}
