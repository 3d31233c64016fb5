"""A release reaches exactly the samples and findings that it changes, and ends where a run from scratch ends."""

from __future__ import annotations

from typing import Any

import pytest

from processors.interpret import reads
from processors.interpret.reads import Key, Reads
from schemas.events import Finding, SampleInterpreted

P, B, U = "Pathogenic", "Benign", "Uncertain_significance"


def test_a_release_ends_where_a_run_from_scratch_ends(lab: Any) -> None:
    a, b, c, d, *rest = lab.sites
    lab.clinvar("1", {a: U, b: P, c: B})
    lab.submit("kid", [a, b, d, *rest[:20]])
    lab.submit("other", [c, *rest[10:30]])
    lab.run()
    lab.clinvar("2", {a: P, c: B, d: P})
    lab.run()
    assert lab.behind() == 0
    assert [number for number, _, _ in lab.publications("kid")] == [1, 2]
    assert [number for number, _, _ in lab.publications("other")] == [1]  # it carries nothing that changed
    seen = lab.seen(["kid", "other"])
    assert seen == lab.scratch({"kid": [a, b, d, *rest[:20]], "other": [c, *rest[10:30]]})


def test_only_what_changed_is_sent_and_says_from_what_to_what(lab: Any) -> None:
    a, b, c, *rest = lab.sites
    lab.clinvar("1", {a: U, b: P, c: P})
    lab.submit("kid", [a, b, c, *rest[:5]])
    lab.run()
    before = len(lab.results())
    lab.clinvar("2", {a: P, b: B, c: P})
    lab.run()
    fresh = lab.results()[before:]
    told = {event.position: event for event in lab.reclassified()}
    assert set(told) == {a[0], b[0]}
    assert (told[a[0]].old_clinvar, told[a[0]].new_clinvar, told[a[0]].finding) == (U, P, "added")
    assert (told[b[0]].old_clinvar, told[b[0]].new_clinvar) == (P, B)
    [source] = told[a[0]].sources
    assert (source.kind, source.old_date, source.new_date) == ("clinvar", "2020-01-01", "2020-01-02")
    assert {event.position for event in fresh if isinstance(event, Finding)} <= {a[0], b[0]}
    [interpreted] = [event for event in fresh if isinstance(event, SampleInterpreted)]
    assert (interpreted.revision, interpreted.base != "", interpreted.reclassified) == (2, True, 2)
    assert lab.state("kid").revision == 2
    assert interpreted.findings == lab.client.value(
        "SELECT count() FROM finding_current WHERE sample_id = {id:String}", {"id": lab.samples["kid"]}
    )


def test_first_seen_stays_and_evidence_changed_moves(lab: Any) -> None:
    a, *rest = lab.sites
    lab.clinvar("1", {a: P})
    lab.submit("kid", [a, *rest[:3]])
    lab.run()
    sql = "SELECT first_seen, evidence_changed FROM finding_current WHERE position = {p:Int64}"
    [(first, changed)] = lab.client.rows(sql, {"p": a[0]})
    assert first == changed
    lab.clinvar("2", {a: "Likely_pathogenic"})
    lab.run()
    [(still, later)] = lab.client.rows(sql, {"p": a[0]})
    assert still == first < later
    [event] = [e for e in lab.results() if isinstance(e, Finding) and e.revision == 2]
    assert (event.first_seen, event.evidence_changed) == (first, later)


def test_another_source_reaches_the_alleles_whose_answer_changed(lab: Any) -> None:
    lab.clinvar("1", {lab.sites[0]: P})
    lab.frequency("1", dict.fromkeys(lab.sites[:40], 0.5))
    lab.submit("kid", lab.sites[:50])
    lab.run()
    lab.frequency("2", {site: (0.0001 if n % 2 else 0.5) for n, site in enumerate(lab.sites[5:45])})
    lab.run()
    assert lab.revision("kid")[0] == 2
    seen = lab.seen(["kid"])
    assert seen == lab.scratch({"kid": lab.sites[:50]})


@pytest.mark.soak
def test_a_source_that_comes_or_goes_reaches_every_allele(lab: Any) -> None:
    lab.clinvar("1", {lab.sites[0]: P})
    lab.submit("kid", lab.sites[:50])
    lab.run()
    lab.frequency("1", dict.fromkeys(lab.sites[:40], 0.5))
    lab.run()
    seen = lab.seen(["kid"])
    assert seen == lab.scratch({"kid": lab.sites[:50]})


@pytest.mark.soak
def test_many_releases_stand_on_one_root(lab: Any) -> None:
    texts = (P, B, U, "Likely_pathogenic", "Likely_benign")
    for version in range(1, 6):
        lab.clinvar(str(version), {site: texts[(n * version) % 5] for n, site in enumerate(lab.sites[:12]) if (n + version) % 3})
        if version == 1:
            lab.submit("kid", lab.sites[:20])
        lab.run()
    published = lab.publications("kid")
    assert len({root for _, _, root in published}) == 1
    assert [number for number, _, _ in published] == list(range(1, len(published) + 1))
    seen = lab.seen(["kid"])
    assert seen == lab.scratch({"kid": lab.sites[:20]})


def test_a_rollback_is_a_release_like_any_other(lab: Any) -> None:
    a, b, *rest = lab.sites
    lab.clinvar("1", {a: P})
    lab.submit("kid", [a, b, *rest[:5]])
    lab.run()
    before = lab.seen(["kid"])
    lab.clinvar("2", {b: P})
    lab.run()
    assert lab.seen(["kid"]) != before
    lab.clinvar("1", {a: P})
    lab.run()
    assert lab.seen(["kid"]) == before
    assert lab.revision("kid")[0] == 3


@pytest.mark.soak
def test_of_a_file_of_many_samples_each_goes_its_own_way(lab: Any) -> None:
    a, b, *rest = lab.sites
    lab.clinvar("1", {a: U})
    lab.submit("one", [a, *rest[:4]], also={"two": [b, *rest[:4]], "three": rest[:6]})
    lab.run()
    lab.clinvar("2", {a: P})
    lab.run()
    lab.clinvar("3", {a: P, b: P, rest[0]: P})
    lab.run()
    assert [lab.revision(name)[0] for name in ("one", "two", "three")] == [4, 3, 3]
    revisions = lab.client.rows("SELECT submission_id, number, revision_id FROM revision FINAL")
    assert len({row[:2] for row in revisions}) == len(revisions)
    seen = lab.seen(["one", "two", "three"])
    lab.submit("one'", [a, *rest[:4]], also={"two'": [b, *rest[:4]], "three'": rest[:6]})
    lab.run()
    assert seen == lab.seen(["one'", "two'", "three'"])


def test_a_source_of_genes_that_a_rule_reads_reaches_who_carries_an_allele_of_its_genes(lab: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(reads, "RULES", (*reads.RULES, Reads("of loss", Key.GENE, frozenset({"constraint"}))))
    head = "gene\ttranscript\tobs_mis\texp_mis\toe_mis\tmis_z\tpLI\toe_lof_upper\tgene_id\tchromosome\n"
    lab.clinvar("1", {lab.sites[0]: P})
    told = []
    lab.control.reconciler.listeners.append(lambda progress: told.append((progress.state, dict(progress.keys))))
    for version, (one, other) in (("1", ("0.1", "0.1")), ("2", ("0.1", "0.9")), ("3", ("0.9", "0.9"))):
        path = lab.folder / f"constraint{version}.tsv"
        path.write_text(f"{head}ONE\tT1\t1\t2\t0.5\t1.5\t{one}\t0.2\tG1\t1\nTWO\tT2\t1\t2\t0.5\t1.5\t{other}\t0.2\tG2\t1\n")
        lab.release("constraint", path, version, "2020-01-01", build="any")
        if version == "1":
            lab.submit("kid", lab.sites[:20])
        lab.run()
        # of the second release another gene changed than the sample's
        assert [number for number, _, _ in lab.publications("kid")] == ([1, 2] if version == "3" else [1])
    assert [keys for state, keys in told if state == "published"] == [{"constraint by gene": 0}, {"constraint by gene": 1}]
    seen = lab.seen(["kid"])
    assert seen == lab.scratch({"kid": lab.sites[:20]})


def test_a_source_of_genes_that_no_rule_reads_is_carried_by_every_sample(lab: Any) -> None:
    head = "gene\ttranscript\tobs_mis\texp_mis\toe_mis\tmis_z\tpLI\toe_lof_upper\tgene_id\tchromosome\n"
    lab.clinvar("1", {lab.sites[0]: P})
    lab.submit("kid", lab.sites[:20])
    lab.run()
    for version, pli in (("1", "0.1"), ("2", "0.9")):
        path = lab.folder / f"constraint{version}.tsv"
        path.write_text(f"{head}ONE\tT1\t1\t2\t0.5\t1.5\t{pli}\t0.2\tG1\t1\n")
        lab.release("constraint", path, version, "2020-01-01", build="any")
        lab.run()
    assert lab.behind() == 0
    assert [number for number, _, _ in lab.publications("kid")] == [1]
    assert lab.client.rows("SELECT step FROM carried FINAL ORDER BY step") == [(1,), (2,)]
    assert lab.broker.log("chunks.raw.background") == []
    lab.clinvar("2", {lab.sites[1]: P})
    lab.run()
    seen = lab.seen(["kid"])
    assert seen == lab.scratch({"kid": lab.sites[:20]})
