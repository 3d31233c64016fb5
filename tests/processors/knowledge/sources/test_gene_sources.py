"""Gene-keyed sources in their own formats: what is read, which record goes first, what stops the build."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from processors.ingest.errors import SourceError
from processors.knowledge.gene_pack import GeneKey, GenePack
from processors.knowledge.source import Request, build_source, open_source
from processors.knowledge.sources.refused import SourceRefused

V2 = "gene\ttranscript\tobs_mis\texp_mis\toe_mis\tmis_z\tpLI\toe_lof_upper\tgene_id\tchromosome\n"
V4 = "gene\tgene_id\ttranscript\tcanonical\tmane_select\tlof.pLI\tlof.oe_ci.upper\tmis.z_score\tconstraint_flags\n"
DOSAGE = (
    "#ClinGen Gene Curation List\n#03 Feb,2025\n#Genomic Locations are reported on GRCh38 (hg38): GCF_000001405.36\n"
    "#Gene Symbol\tGene ID\tcytoBand\tGenomic Location\tHaploinsufficiency Score\tHaploinsufficiency Description\t"
    "Haploinsufficiency PMID1\tTriplosensitivity Score\tTriplosensitivity Description\tDate Last Evaluated\tHaploinsufficiency Disease ID\n"
)
VALIDITY = (
    '"CLINGEN GENE DISEASE VALIDITY CURATIONS","","","","","","","","",""\n"FILE CREATED: 2025-02-03","","","","","","","","",""\n'
    '"WEBPAGE: https://search.clinicalgenome.org/kb/gene-validity","","","","","","","","",""\n'
    '"+++++","+++","+++","+++","+++","+++","+++","+++","+++","+++"\n'
    '"GENE SYMBOL","GENE ID (HGNC)","DISEASE LABEL","DISEASE ID (MONDO)","MOI","SOP","CLASSIFICATION","ONLINE REPORT",'
    '"CLASSIFICATION DATE","GCEP"\n"+++++","+++","+++","+++","+++","+++","+++","+++","+++","+++"\n'
)
OLD_HPO = (
    "#Format: entrez-gene-id<tab>entrez-gene-symbol<tab>HPO-Term-ID<tab>HPO-Term-Name<tab>Frequency-Raw<tab>Frequency-HPO<tab>"
    "Additional Info from G-D source<tab>G-D source<tab>disease-ID for link\n"
)


def loaded(folder: Path, kind: str, text: str | bytes, name: str = "t.txt", version: str = "1") -> GenePack:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    found = open_source(build_source(Request(kind, (folder / name,), folder / "packs", "any", version)))
    assert isinstance(found, GenePack)
    return found


def curation(gene: str, hgnc: str, mondo: str, moi: str, word: str, date: str = "2020-01-02T17:00:00.000Z") -> str:
    return f'"{gene}","HGNC:{hgnc}","a disease, rare","MONDO:{mondo}","{moi}","SOP7","{word}","https://x","{date}","Panel"\n'


def test_constraint_of_v2_is_one_row_a_gene(tmp_path: Path) -> None:
    found = loaded(tmp_path, "constraint", V2 + "A\tENST1\t1\t2\t0.5\t1.5\t1\t0.2\tENSG1\t1\nB\tENST2\t1\t2\t0.5\tNA\t1e-9\tNA\tENSG2\t1\n")
    assert found.query(["ENSG2.4", "ENSG1", "", "ENSG9"], ["", "X", "B", "A"]).tolist() == [1, 0, 1, -1]
    assert found.number("loeuf").tolist()[0] == pytest.approx(0.2)
    assert np.isnan(found.number("mis_z")[1])
    assert found.details(1)["records"] == [{"transcript": "ENST2", "pli": 1e-9, "loeuf": None, "mis_z": None}]


def test_constraint_of_v4_is_that_of_the_mane_transcript_and_keeps_the_others(tmp_path: Path) -> None:
    rows = (
        "A\t79\tNM_1.2\ttrue\ttrue\t0.1\t1.1\t0.5\t[]\nA\tENSG1\tENST1\tfalse\tfalse\t0.9\t0.3\t3.5\t[]\n"
        'A\tENSG1\tENST2\ttrue\tfalse\t0.2\t0.9\t0.4\t[]\nA\tENSG1\tENST3\ttrue\ttrue\t0.3\t0.8\t0.6\t["no_exp_lof"]\n'
    )
    found = loaded(tmp_path, "constraint", gzip.compress((V4 + rows).encode()), "t.tsv.gz")
    assert found.key(0) == GeneKey(ensembl="ENSG1", entrez="79", symbol="A")
    assert [record["transcript"] for record in found.records(0)] == ["ENST3", "NM_1.2", "ENST2", "ENST1"]
    assert found.number("pli").tolist() == pytest.approx([0.3])
    assert found.records(0)[0]["flags"] == "no_exp_lof"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (V2 + "A\tENST1\t1\t2\t0.5\t1.5\t1.2\t0.2\tENSG1\t1\n", r"t\.txt:2: pLI `1.2` lies outside 0 to 1"),
        (V2 + "A\tENST1\t1\t2\t0.5\t1.5\thigh\t0.2\tENSG1\t1\n", r"t\.txt:2: pLI `high` is no number"),
        (V2 + "A\tENST1\t1\t2\t0.5\tinf\t1\t0.2\tENSG1\t1\n", r"t\.txt:2: mis_z `inf` lies outside"),
        (V2.replace("oe_lof_upper", "other") + "A\tE\t1\t2\t0.5\t1\t1\t0.2\tENSG1\t1\n", "has no column oe_lof_upper"),
        (V4 + "A\t79\tNM_1.2\tmaybe\ttrue\t0.1\t1.1\t0.5\t[]\n", r"t\.txt:2: canonical `maybe`"),
        (V2 + "A\tENST1\t1\t2\n", r"t\.txt:2: has 4 columns, the table 10"),
        (V2, "no row"),
        ("chrom\tpos\n1\t2\n", "no line of column names"),
    ],
)
def test_a_constraint_table_that_cannot_be_is_refused_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SourceRefused, match=words):
        loaded(tmp_path, "constraint", text)


def test_dosage_scores_keep_not_yet_evaluated_apart_from_no_evidence(tmp_path: Path) -> None:
    rows = (
        "A\t1\t1p1\tchr1:1-2\t3\tSufficient\t123\t0\tNo evidence\t2020-05-06\tMONDO:1\n"
        "B\t2\t1p1\tchr1:1-2\t30\tAR\t\tNot yet evaluated\tNot yet evaluated\t2019-01-01\t\n"
        "C\t3\t1p1\tchr1:1-2\t40\tunlikely\t\t1\tlittle\t\t\n"
    )
    found = loaded(tmp_path, "dosage", DOSAGE + rows)
    assert found.pack.extra["date"] == "2025-02-03"
    assert found.number("hi").tolist() == [3, 30, 40]
    assert found.number("ts")[[0, 2]].tolist() == [0, 1]
    assert np.isnan(found.number("ts")[1])
    assert found.details(1)["records"][0]["ts_meaning"] == "not yet evaluated"
    assert found.details(0)["records"][0] | {"hi_pmids": ["123"], "hi_disease": "MONDO:1"} == found.details(0)["records"][0]
    assert found.query(["GeneID:2"], ["other"]).tolist() == [1]


def test_the_two_tracks_of_clingen_are_joined_by_gene(tmp_path: Path) -> None:
    names = {"hi.bed": "Haploinsufficiency", "ts.bed": "Triplosensitivity"}
    for name, title in names.items():
        score = "3" if name == "hi.bed" else "40"
        (tmp_path / name).write_text(f"track name='ClinGen Gene Curation {title} Scores' db=hg38\nchr1\t1\t2\tA\t{score}\n")
    files = tuple(tmp_path / name for name in names)
    found = open_source(build_source(Request("dosage", files, tmp_path / "packs", "any", "1", date="2025-01-01")))
    assert (found.number("hi").tolist(), found.number("ts").tolist()) == ([3], [40])
    with pytest.raises(SourceRefused, match="one track of each score"):
        build_source(Request("dosage", (files[0], files[0]), tmp_path / "packs", "any", "1"))
    (tmp_path / "hi.bed").write_text((tmp_path / "hi.bed").read_text().replace("\t3", "\t7"))
    with pytest.raises(SourceRefused, match=r"hi\.bed:2: score `7` is no score"):
        build_source(Request("dosage", files, tmp_path / "packs", "any", "1"))


def test_a_score_that_clingen_did_not_have_stops_the_build_and_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match=r"t\.txt:5: Haploinsufficiency Score `4` is no score"):
        loaded(tmp_path, "dosage", DOSAGE + "A\t1\t1p1\tchr1:1-2\t4\tNew\t\t0\tNo\t2020-05-06\t\n")


def test_validity_keeps_every_disease_of_a_gene_the_strongest_first(tmp_path: Path) -> None:
    rows = (
        curation("A", "5", "0000002", "AR", "Limited")
        + curation("A", "5", "0000001", "AD", "Definitive")
        + curation("B", "6", "3", "SD", "Disputed")
    )
    found = loaded(tmp_path, "validity", VALIDITY + rows, "v.csv")
    assert found.pack.extra["date"] == "2025-02-03"
    assert [(one["classification"], one["inheritance"], one["mondo"]) for one in found.records(0)] == [
        ("Definitive", "AD", "MONDO:0000001"),
        ("Limited", "AR", "MONDO:0000002"),
    ]
    assert found.number("strength").tolist() == [6, 1]
    assert found.records(0)[0]["evaluated"] == "2020-01-02"
    assert found.query(["HGNC:6", "HGNC:7"], ["A", "A"]).tolist() == [1, -1]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (curation("A", "5", "1", "AD", "Convincing"), r"v\.csv:7: CLASSIFICATION `Convincing` is not in the vocabulary"),
        (curation("A", "5", "1", "ZL", "Strong"), r"v\.csv:7: MOI `ZL` is not in the vocabulary"),
        (curation("A", "x", "1", "AD", "Strong"), r"v\.csv:7: GENE ID \(HGNC\) `HGNC:x`"),
        ('"A","HGNC:5"\n', r"v\.csv:7: has 2 columns"),
        ("", "no row"),
    ],
)
def test_an_unknown_word_of_validity_stops_the_build_and_is_named(tmp_path: Path, row: str, words: str) -> None:
    with pytest.raises(SourceRefused, match=words):
        loaded(tmp_path, "validity", VALIDITY + row, "v.csv")


def test_both_layouts_of_hpo_say_the_same(tmp_path: Path) -> None:
    old = loaded(tmp_path, "hpo_genes", OLD_HPO + "8192\tCLPP\tHP:0000815\tHypo\t-\tHP:0040281\t-\tmim2gene\tOMIM:1\n", "old.txt")
    new = loaded(
        tmp_path,
        "hpo_genes",
        "ncbi_gene_id\tgene_symbol\thpo_id\thpo_name\tfrequency\tdisease_id\nNCBIGene:8192\tCLPP\tHP:0000815\tHypo\tHP:0040281\tOMIM:1\n",
    )
    turned = loaded(
        tmp_path,
        "hpo_genes",
        "hpo_id\thpo_name\tncbi_gene_id\tgene_symbol\tdisease_id\n" + "HP:0000815\tHypo\t8192\tCLPP\tOMIM:1\n" * 2,
        "turned.txt",
    )
    assert old.details(0) == new.details(0)
    assert (
        old.pack.extra["date"],
        loaded(tmp_path, "hpo_genes", OLD_HPO + "1\tA\tHP:0000815\tH\t-\t\t-\tm\tOMIM:1\n", version="2023-01-27").pack.extra["date"],
    ) == ("", "2023-01-27")
    assert turned.details(0)["records"] == [{"hpo": "HP:0000815", "name": "Hypo", "disease": "OMIM:1"}]
    assert turned.pack.extra["counts"]["duplicate"] == 1
    words = loaded(tmp_path, "hpo_genes", OLD_HPO + "1\tA\tHP:0000815\tH\tobligate\t\t-\tm\tOMIM:1\n", "words.txt")
    assert words.records(0)[0]["frequency"] == "obligate"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("x\tA\tHP:0000001\tn\t-\tOMIM:1", "ncbi_gene_id `x` is no NCBI gene id"),
        ("1\tA\tHP:1\tn\t-\tOMIM:1", "hpo_id `HP:1` is no HPO id"),
        ("1\tA\tHP:0000001\tn\toften\tOMIM:1", "frequency `often` is no frequency"),
    ],
)
def test_a_row_of_hpo_that_cannot_be_is_refused_with_its_line(tmp_path: Path, row: str, words: str) -> None:
    with pytest.raises(SourceRefused, match=rf"t\.txt:2: {words}"):
        loaded(tmp_path, "hpo_genes", f"ncbi_gene_id\tgene_symbol\thpo_id\thpo_name\tfrequency\tdisease_id\n{row}\n")


def test_an_empty_cut_or_foreign_gene_table_is_refused(tmp_path: Path) -> None:
    for kind in ("constraint", "dosage", "validity", "hpo_genes"):
        with pytest.raises(SourceError):
            loaded(tmp_path, kind, b"")
        with pytest.raises(SourceError):
            loaded(tmp_path, kind, gzip.compress((V2 + "A\t" * 9000).encode())[:-20], "t.gz")
        with pytest.raises(SourceRefused, match="no line of column names"):
            loaded(tmp_path, kind, "a\tb\n1\t2\n")
        with pytest.raises(SourceRefused, match="UTF-8"):
            loaded(tmp_path, kind, b"\xff\xfe\n")


def real(real_data: Path, folder: Path, kind: str, *names: str) -> GenePack:
    files = tuple(real_data / "genes" / name for name in names)
    found = open_source(build_source(Request(kind, files, folder / "packs", "any", "1")))
    assert isinstance(found, GenePack)
    return found


@pytest.mark.real_data
def test_real_gene_files_are_read_whole(real_data: Path, tmp_path: Path) -> None:
    def built(kind: str, *names: str) -> GenePack:
        return real(real_data, tmp_path, kind, *names)

    v4 = built("constraint", "gnomad_v4.1_constraint.reduced.tsv.gz")
    counts = v4.pack.extra["counts"]
    assert counts["records"] + counts.get("no_value", 0) + counts.get("no_gene", 0) == 3754
    row = v4.query([""], ["AAGAB"])[0]
    assert v4.records(row)[0]["mane_select"] is True
    assert v4.key(row).entrez == "79719"
    assert v4.key(row).ensembl.startswith("ENSG")
    exac = built("constraint", "ExAC_pLI_misZ.tsv.gz")
    assert exac.pack.rows == 18225 - exac.pack.extra["counts"].get("no_value", 0)
    assert len(built("constraint", "gnomad_v2.1.1_pLI.tsv.gz")) > 19_000
    validity = built("validity", "clingen/ClinGen_gene_disease_validity_2025-01.tsv.gz")
    assert validity.pack.extra["counts"]["records"] == 3193
    assert validity.records(validity.query(["HGNC:20"], [""])[0])[0]["classification"] == "Definitive"
    tracks = built("dosage", "clingen/ClinGen_haploinsufficiency_gene.hg38.bed", "clingen/ClinGen_triplosensitivity_gene.hg38.bed")
    assert int((~np.isnan(tracks.number("hi"))).sum()) == 1446
    assert tracks.number("hi")[tracks.query([""], ["AGRN"])[0]] == 30
    text = gzip.decompress((real_data / "genes/hpo/genes_to_phenotype.txt.gz").read_bytes()).splitlines(keepends=True)
    phenotypes = loaded(tmp_path, "hpo_genes", b"".join(text[:20_001]), "phenotypes.txt")
    counts = phenotypes.pack.extra["counts"]
    assert counts["records"] + counts.get("duplicate", 0) == 20_000


@pytest.mark.real_data
@pytest.mark.soak
def test_the_real_file_of_phenotypes_is_read_whole(real_data: Path, tmp_path: Path) -> None:
    hpo = real(real_data, tmp_path, "hpo_genes", "hpo/genes_to_phenotype.txt.gz")
    assert hpo.pack.extra["counts"]["records"] + hpo.pack.extra["counts"].get("duplicate", 0) == 268_983
