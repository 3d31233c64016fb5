"""`explain` and `query` as of a date, on real packs and landed chunks of a small world: a sample under two releases of ClinVar."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deploy.local.clickhouse.launch import running_clickhouse
from processors import warm_world
from processors.annotate.stage import annotate
from processors.ingest.chunker import ingest
from processors.interpret.stage import screen
from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.pack import Pack, activate, find_pack
from processors.knowledge.source import Request, build_source
from processors.knowledge.sources import clinvar, frequency
from processors.knowledge.transcript_build import build_transcripts
from processors.land.client import Client, connect
from processors.land.insert import land_chunk, land_faults
from processors.land.manifests import record_manifest
from processors.land.migrations import migrate
from processors.land.publication import publish
from processors.land.store import RevisionRow, RevisionStatus, SubmissionRow, record_plan, record_revision, record_submission
from processors.resources import Resources, plan_for
from processors.score.models import bundled_model_pack
from processors.score.stage import score
from schemas import identity
from schemas.chunks import ChunkKind
from schemas.events import Lane, SampleName, SourceFile
from streams.cli.app import run
from streams.cli.explain import _one
from streams.cli.failures import WrongUse
from streams.control.names import note_names

BUILD = "toy"
SAMPLE, EARLY = uuid.uuid4().hex, uuid.uuid4().hex
KNOWN, NEW, PLAIN, HELD = 2_080, 2_090, 2_100, 2_110  # 1-based: in both releases, in the second, in none, contradicts the genome


@dataclass
class Stand:
    """Where it all lies, and the lines of the sample's file."""

    folder: Path
    dsn: str
    sequence: str
    packs: dict[str, Pack] = field(default_factory=dict)
    capture: Any = None

    def snv(self, position: int) -> tuple[str, str]:
        base = self.sequence[position - 1]
        return base, "ACGT"["ACGT".index(base) - 1]

    def name(self, position: int) -> str:
        ref, alt = self.snv(position)
        return f"1-{position}-{ref}-{alt}"


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    folder = tmp_path_factory.mktemp("explain")
    with running_clickhouse(folder / "clickhouse" / "state") as server:
        made = Stand(folder, server.dsn("reader"), warm_world._sequence())
        with connect(server.dsn("admin")) as client:
            migrate(client)
            world(made)
            for number, (version, day) in enumerate((("old", "2016-01-04"), ("new", "2017-01-03")), start=1):
                activate(folder / "packs", made.packs[version])
                land(client, made, SAMPLE, number, f"0{number}", 1_480_000_000_000 + number, day)
            land(client, made, EARLY, 1, "11", 1_480_000_000_009, "2017-01-03")
        yield made


def world(made: Stand) -> None:
    """Genome, gene models, model, two releases of ClinVar, frequencies that are later than both."""
    folder, packs = made.folder, made.folder / "packs"
    (folder / "genome.fa").write_text(f">1\n{made.sequence}\n")
    (folder / "genes.gff3").write_text(warm_world._models())
    genome = build_genome(folder / "genome.fa", packs, BUILD, "1")
    opened = Genome(genome)
    activate(packs, genome)
    activate(packs, build_transcripts(folder / "genes.gff3", packs, opened.table, name="genes", version="1", genome=opened))
    activate(packs, bundled_model_pack(packs))

    def said(position: int, word: str) -> str:
        ref, alt = made.snv(position)
        return (
            f"1\t{position}\t{position}\t{ref}\t{alt}\t.\t.\tCLNSIG={word};CLNREVSTAT=criteria_provided,_single_submitter;CLNDN=a_disease"
        )

    releases = {
        "old": ("2016-01-04", [said(KNOWN, "Uncertain_significance")]),
        "new": ("2017-01-03", [said(KNOWN, "Pathogenic"), said(NEW, "Pathogenic")]),
    }
    for version, (day, lines) in releases.items():
        file = warm_world._vcf(folder / f"{version}.vcf", lines)
        made.packs[version] = clinvar.build(Request("clinvar", (file,), packs, BUILD, version, opened, date=day))
    ref, alt = made.snv(KNOWN)
    file = warm_world._vcf(folder / "frequency.vcf", [f"1\t{KNOWN}\t.\t{ref}\t{alt}\t.\tPASS\tAF=0.0025"])
    activate(packs, frequency.build(Request("frequency", (file,), packs, BUILD, "1", opened, date="2019-06-01")))
    (folder / "masked.bed").write_text(f"1\t{KNOWN - 5}\t{KNOWN}\trepeat\n")
    (folder / "masked.toml").write_text('keyed = "region"\ndate = "2015-01-01"\n[columns.what]\nfrom = 4\ntype = "word"\n')
    (folder / "panel.tsv").write_text("gene\tid\ttier\nS0\tG0\tgreen\n")
    (folder / "panel.toml").write_text(
        'keyed = "gene"\ndate = "2015-01-01"\n[place]\nid = "id"\nsymbol = "gene"\n[columns.tier]\nfrom = "tier"\ntype = "word"\n'
    )
    for kind, table in (("masked", "masked.bed"), ("panel", "panel.tsv")):
        files = (folder / table, folder / f"{kind}.toml")
        activate(packs, build_source(Request(f"user.{kind}", files, packs, BUILD, "1", opened)))


def land(client: Client, made: Stand, sample: str, number: int, salt: str, at: int, day: str) -> None:
    """A sample's file through every stage under what is active, landed and published."""
    lines = []
    for position in (KNOWN, NEW, PLAIN, HELD):
        ref, alt = made.snv(position)
        ref = alt if position == HELD else ref  # not what the genome has
        lines.append(
            f"1\t{position}\t.\t{ref}\t{made.snv(position)[0] if position == HELD else alt}\t30\tPASS\t.\tGT:GQ:DP:AD:PS\t0|1:30:20:9,11:5"
        )
    file = warm_world._vcf(made.folder / f"{sample}.vcf", lines, "person")
    plan = plan_for(made.folder / "packs", BUILD)
    resources = Resources.load(plan, made.folder / "packs", "cpu")
    submission = identity.submission_id([sample], "content", BUILD, {}, 1)
    revision = identity.revision_id(submission, plan.plan_id, salt)
    record_plan(client, plan)
    note_names(client, made.folder / "packs", plan)
    names = (SampleName("person", sample),)
    record_submission(
        client,
        SubmissionRow(
            submission,
            "e",
            1,
            "c",
            0,
            int(salt),
            BUILD,
            Lane.ROUTINE,
            SourceFile(file.as_uri(), "", 1),
            names,
            {},
            "",
            "",
            "",
            (),
            "",
            1,
            2,
        ),
    )
    record_revision(client, RevisionRow(revision, submission, plan.plan_id, "", number, "live", 0, RevisionStatus.OPEN, "", 3))
    reading = ingest(
        file, genome=resources.genome, build=BUILD, samples=[("person", sample)], submission_id=submission, revision_id=revision,
        plan=plan, lane="routine", epoch=0, options={}, boundaries=resources.boundaries, coding_exons=resources.coding_exons,
    )  # fmt: skip
    with reading:
        for emitted in reading:
            chunk = emitted.chunk
            if chunk.header.kind is ChunkKind.FAULTS:
                land_faults(client, chunk, plan, worker="w")
                continue
            [scored] = score([annotate(chunk, resources)], resources)
            land_chunk(client, scored, screen(scored, resources), plan, worker="w", provider=resources.provider)
        record_manifest(client, reading.manifest())
    publish(client, submission, revision, at=at)


@pytest.fixture
def say(stand: Stand, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run a command and give (exit code, output, what stood on standard error)."""
    monkeypatch.setenv("RIVERSEQ_CLICKHOUSE", stand.dsn.removesuffix("/riverseq"))
    monkeypatch.setenv("RIVERSEQ_PACKS", str(stand.folder / "packs"))

    def command(*arguments: str) -> tuple[int, str, str]:
        code = run([*arguments, "--state", str(stand.folder / "state")])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return command


def told(say: Callable[..., Any], *arguments: str) -> dict[str, Any]:
    code, shown, error = say("explain", *arguments, "--json")
    assert code == 0, error
    found: dict[str, Any] = json.loads(shown)
    return found


def source(found: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(row for row in found["sources"] if row["kind"] == kind)


def test_every_value_names_where_it_comes_from(stand: Stand, say: Callable[..., Any]) -> None:
    found = told(say, SAMPLE, stand.name(KNOWN))
    [call] = found["calls"]
    assert (call["genotype"], call["depth"], call["depth_ref"], call["depth_alt"], call["quality"]) == ("0|1", 20, 9, 11, 30)
    assert len(found["file_digest"]) == 64
    said = source(found, "clinvar")
    assert (said["answer"], said["said"], said["version"], said["date"]) == ("found", "Pathogenic", "new", "2017-01-03")
    assert said["digest"] == stand.packs["new"].digest
    assert said["details"]["record"] == str(KNOWN)
    assert source(found, "frequency")["value"] == pytest.approx(0.0025)
    assert found["transcripts"][0]["pick"]
    assert found["transcripts"][0]["hgvsc"].startswith("T0.1:c.")
    assert found["finding"]["reasons"]
    assert found["score"]["answer"] in ("scored", "not_applicable")
    model = next(one for one in plan_for(stand.folder / "packs", BUILD).components if one.kind == "model")
    assert found["score"]["digest"] == model.digest
    assert [row["knowledge_date"] for row in found["history"]] == ["2016-01-04", "2017-01-03"]
    assert found["history"][1]["changed"] == [{"kind": "clinvar", "from": "clinvar@old", "to": "clinvar@new"}]
    assert [row["shown"] for row in found["history"]] == [False, True]


def test_an_absent_source_is_not_an_absent_allele(stand: Stand, say: Callable[..., Any]) -> None:
    found = told(say, SAMPLE, stand.name(PLAIN))
    assert source(found, "clinvar")["answer"] == "absent"
    assert source(found, "frequency")["answer"] in ("absent", "unknown")
    for kind in ("gnomad_exomes", "revel", "validity"):
        assert source(found, kind)["answer"] == "not_loaded"
        assert "says nothing of the allele" in source(found, kind)["words"]


def test_sources_of_genes_and_of_regions_answer_too(stand: Stand, say: Callable[..., Any]) -> None:
    inside, beside = told(say, SAMPLE, stand.name(KNOWN)), told(say, SAMPLE, stand.name(NEW))
    assert source(inside, "user.masked")["details"] == {"contig": "1", "start": KNOWN - 4, "end": KNOWN, "what": "repeat"}
    assert source(beside, "user.masked")["answer"] == "absent"
    for found in (inside, beside):
        panel = source(found, "user.panel")
        assert (panel["answer"], panel["date"], panel["details"]["records"][0]["tier"]) == ("found", "2015-01-01", "green")


def test_an_explanation_as_of_a_date_is_that_of_then(stand: Stand, say: Callable[..., Any]) -> None:
    found = told(say, SAMPLE, stand.name(KNOWN), "--as-of", "2016-06-01")
    assert source(found, "clinvar")["said"] == "Uncertain_significance"
    assert source(found, "clinvar")["version"] == "old"
    assert [row["shown"] for row in found["history"]] == [True, False]
    assert [one["kind"] for one in found["hindsight"]] == ["frequency"]
    assert source(told(say, SAMPLE, stand.name(NEW), "--as-of", "2016-06-01"), "clinvar")["answer"] == "absent"
    assert source(told(say, SAMPLE, stand.name(NEW), "--known-at", "2016-11-24T15:06:40.001"), "clinvar")["answer"] == "absent"


def test_names_find_the_allele_and_an_unnormalised_one_is_normalised(stand: Stand, say: Callable[..., Any]) -> None:
    found = told(say, SAMPLE, stand.name(KNOWN))
    name = found["transcripts"][0]
    assert told(say, SAMPLE, name["hgvsc"])["position"] == KNOWN
    assert told(say, SAMPLE, f"chr{found['contig']}:{KNOWN}:{found['ref']}>{found['alt']}")["carried"]
    before = stand.sequence[KNOWN - 2]
    assert told(say, SAMPLE, f"1-{KNOWN - 1}-{before}{found['ref']}-{before}{found['alt']}")["position"] == KNOWN
    if found["finding"]["hgvsp"]:
        assert told(say, SAMPLE, found["finding"]["hgvsp"].partition(":")[2])["position"] == KNOWN


def test_a_name_of_several_alleles_is_refused_with_all_of_them() -> None:
    assert _one("x", [("1", 0, "A", "C")]) == ("1", 0, "A", "C")
    with pytest.raises(WrongUse, match=r"p\.Arg1Ser may be any of 2 alleles of the sample: 1-4-C-A, 1-6-G-T"):
        _one("p.Arg1Ser", [("1", 5, "G", "T"), ("1", 3, "C", "A")])


def test_people_read_it_at_100_columns(stand: Stand, say: Callable[..., Any]) -> None:
    code, shown, _ = say("explain", SAMPLE, stand.name(KNOWN))
    assert code == 0
    assert max(map(len, shown.splitlines())) <= 100
    for word in ("Call", "Consequence", "Sources", "Score", "Finding", "History", "Pathogenic", stand.packs["new"].digest[:12]):
        assert word in shown, word


@pytest.mark.parametrize(
    ("variant", "said"),
    [("at", "not called: no record of the file has this allele"), ("other", "has other alleles"), ("held", "was kept as bad_ref")],
)
def test_what_is_not_carried_is_never_called_reference(stand: Stand, say: Callable[..., Any], variant: str, said: str) -> None:
    ref, alt = stand.snv(PLAIN)
    third = next(base for base in "ACGT" if base not in (ref, alt))
    text = {
        "at": stand.name(PLAIN + 50), "other": f"1-{PLAIN}-{ref}-{third}",
        "held": f"1-{HELD}-{stand.snv(HELD)[1]}-{stand.snv(HELD)[0]}",
    }[variant]  # fmt: skip
    found = told(say, SAMPLE, text)
    assert not found["carried"]
    assert said in found["absence"]["words"]
    code, shown, _ = say("explain", SAMPLE, text)
    assert code == 0
    assert not re.search(r"(is|as|homozygous|hom) reference|0[/|]0", shown)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("explain", "0" * 32, "1-2080-A-C"), 1, "no published sample"),
        (("explain", SAMPLE, "1-x-A-C"), 2, "CHROM-POS-REF-ALT"),
        (("explain", SAMPLE, "7-2080-A-C"), 2, "no contig '7'"),
        (("explain", SAMPLE, "1-2080-A-A"), 2, "two different alleles"),
        (("explain", SAMPLE, "T9.1:c.5G>A"), 2, "no transcript T9.1"),
        (("explain", SAMPLE, "p.Trp9999Cys"), 1, "no finding of the sample has this name"),
        (("explain", SAMPLE, "1-2080-A-C", "--as-of", "soon"), 2, "is not a date"),
        (("query", "SELECT 1", "--as-of", "2999-01-01"), 2, "lies ahead"),
        (("query", "SELECT 1", "--known-at", "noon"), 2, "is not a time"),
        (("query", "SHOW TABLES", "--as-of", "2017-01-15"), 2, "only a SELECT"),
        (("query", "SELECT nothing FROM variant", "--as-of", "2017-01-15"), 1, "nothing"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(say: Callable[..., Any], arguments: tuple[str, ...], code: int, said: str) -> None:
    found = say(*arguments)
    assert found[0] == code
    assert said in found[2]
    assert len(found[2].strip().splitlines()) == 1


def test_a_sample_that_has_no_revision_of_then_is_named_with_what_to_do(stand: Stand, say: Callable[..., Any]) -> None:
    sql = "SELECT sample_id, clinvar FROM variant WHERE clinvar != '' ORDER BY 1, 2"
    code, shown, error = say("query", sql, "--as-of", "2016-06-01", "--json")
    assert code == 0
    found = json.loads(shown)
    assert found["rows"] == [{"sample_id": SAMPLE, "clinvar": "Uncertain_significance"}]
    assert (found["as_of"], found["no_revision_fits"], found["samples_shown"]) == ("2016-06-01", [EARLY], 1)
    assert "1 sample has no revision" in error
    assert EARLY in error
    assert "riverseq replay SAMPLE --as-of 2016-06-01" in error
    assert "hindsight" in error
    assert say("explain", EARLY, stand.name(KNOWN), "--as-of", "2016-06-01")[0] == 1


def test_a_variant_and_a_gene_are_asked_as_of_a_date(stand: Stand, say: Callable[..., Any]) -> None:
    for arguments in (("--variant", stand.name(KNOWN)), ("--gene", "S0")):
        code, shown, error = say("query", *arguments, "--as-of", "2016-06-01", "--json")
        assert code in (0, 1), error
        if code:  # names of samples come from Kafka, which does not run here
            assert "riverseq up" in error
            continue
        assert {row["sample"] for row in json.loads(shown)["rows"]} == {SAMPLE}


def test_a_pack_that_is_not_here_leaves_the_stored_value(stand: Stand, say: Callable[..., Any]) -> None:
    pack = find_pack(stand.folder / "packs", stand.packs["new"].digest)
    away = stand.folder / "away"
    pack.path.rename(away)
    try:
        said = source(told(say, SAMPLE, stand.name(KNOWN)), "clinvar")
    finally:
        away.rename(pack.path)
    assert (said["answer"], said["said"], said["details"]) == ("found", "Pathogenic", None)
    assert "not on this machine" in said["words"]
