"""Tables of scores in their own formats: what an allele is given, what is left out and counted, what is refused with its line."""

from __future__ import annotations

import csv
import gzip
import io
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.ingest.errors import SourceError
from processors.knowledge.allele_pack import AllelePack
from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.lookup import Spelling
from processors.knowledge.source import Request, build_source, open_source
from processors.knowledge.sources.refused import SourceRefused
from processors.knowledge.sources.sites import open_sites
from processors.knowledge.sources.table_text import split_columns
from schemas.chunks import Answer
from schemas.identity import allele_id

SEQUENCE = "ACGTACGTAC" * 20
CADD = "## CADD v1.3 (c) University of Washington and others\n#Chrom\tPos\tRef\tAlt\tRawScore\tPHRED\n"
REVEL = "chr,hg19_pos,grch38_pos,ref,alt,aaref,aaalt,REVEL,Ensembl_transcriptid\n"
ALPHA = (
    "# Copyright 2023 DeepMind Technologies Limited\n#\n# Licensed under CC BY-NC-SA 4.0 license\n"
    "#CHROM\tPOS\tREF\tALT\tgenome\tuniprot_id\ttranscript_id\tprotein_variant\tam_pathogenicity\tam_class\n"
)
NSFP = (
    "#chr\tpos(1-based)\tref\talt\taaref\taaalt\trs_dbSNP\thg19_chr\thg19_pos(1-based)\tgenename\tEnsembl_transcriptid\tSIFT_score\t"
    "REVEL_score\tCADD_phred\tCADD_phred_hg19\n"
)
SPLICE = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


@pytest.fixture(scope="module")
def genomes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Genome]:
    """Genome of a build whose mitochondrion (any base: only MT is so short) is the toy sequence, all else unknown."""
    folder = tmp_path_factory.mktemp("genomes")
    (folder / "g.fa").write_text(f">MT\n{(SEQUENCE * 100)[:16569]}\n")
    made: dict[str, Genome] = {}

    def of(build: str) -> Genome:
        if build not in made:
            made[build] = Genome(build_genome(folder / "g.fa", folder / "packs", build, "1"))
        return made[build]

    return of


def built(folder: Path, genome: Genome, kind: str, text: str | bytes, name: str = "t.tsv", **options: Any) -> AllelePack:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    options.setdefault("version", "1")
    request = Request(kind, (folder / name,), folder / "packs", genome.table.build, genome=genome, **options)
    found = open_source(build_source(request))
    assert isinstance(found, AllelePack)
    return found


def asked(found: AllelePack, genome: Genome, *alleles: tuple[int, str, str]) -> list[tuple[str, float | None]]:
    """(answer, value) of alleles of MT, 1-based."""
    offset = genome.table.contigs[genome.table.resolve("MT") or 0].offset
    ids = np.array([allele_id(offset + start - 1, ref, alt) for start, ref, alt in alleles], dtype=np.uint64)
    refs, alts = "".join(a[1] for a in alleles).encode(), "".join(a[2] for a in alleles).encode()
    spelled = Spelling(
        np.cumsum([0, *(len(a[1]) for a in alleles)]).astype(np.int32), np.frombuffer(refs, dtype=np.uint8),
        np.cumsum([0, *(len(a[2]) for a in alleles)]).astype(np.int32), np.frombuffer(alts, dtype=np.uint8),
    )  # fmt: skip
    looked = found.query(ids, spelled)
    return [(Answer(int(a)).name, None if np.isnan(v) else round(float(v), 5)) for a, v in zip(looked.answer, looked.value, strict=True)]


def test_cadd_takes_its_version_from_its_first_line_and_keys_indels_as_samples_are(
    tmp_path: Path, genomes: Callable[[str], Genome]
) -> None:
    genome = genomes("GRCh37")
    rows = "MT\t1\tA\tC\t0.5\t12.3\nMT\t1\tACGTAC\tAC\t-1\t3\nMT\t5\tA\t*\t1\t1\nMT\t6\tC\tG\t1e0\t1.5e1\n"
    found = built(tmp_path, genome, "cadd", CADD + rows, version="")
    assert (found.pack.version, found.pack.extra["release"], found.pack.extra["licence"]) == ("1.3", "v1.3", "non_commercial")
    answers = asked(found, genome, (1, "A", "C"), (1, "ACGTA", "A"), (6, "C", "G"), (6, "C", "T"))
    assert answers == [("FOUND", 12.3), ("FOUND", 3.0), ("FOUND", 15.0), ("UNKNOWN", None)]
    assert found.pack.extra["counts"] == {"alleles": 3, "records": 4, "star_allele": 1}


def test_a_table_and_a_vcf_of_the_same_alleles_have_the_same_keys(tmp_path: Path, genomes: Callable[[str], Genome]) -> None:
    rng = np.random.default_rng(7)
    genome, rows = genomes("GRCh38"), []
    for _ in range(400):
        start, length = int(rng.integers(1, 180)), int(rng.integers(1, 14))
        ref = SEQUENCE[start - 1 : start - 1 + length]
        alt = "".join("ACGTacgt"[code] for code in rng.integers(0, 8, int(rng.integers(1, 14))))
        if ref != alt.upper():
            rows.append((start, ref, alt))
    splice = "".join(f"MT\t{s}\t.\t{r}\t{a}\t.\t.\tSpliceAI={a}|G|0.1|0|0|0|1|2|3|4\n" for s, r, a in rows)
    table = built(
        tmp_path, genome, "cadd", "#Chrom\tPos\tRef\tAlt\tRawScore\tPHRED\n" + "".join(f"chrM\t{s}\t{r}\t{a}\t1\t1\n" for s, r, a in rows)
    )
    sites = built(tmp_path, genome, "spliceai", SPLICE + splice, "s.vcf")
    assert np.array_equal(table.index.keys, sites.index.keys)
    assert len(table.index.keys) > 300


def test_revel_keeps_the_greatest_score_of_an_allele_and_counts_what_has_no_place(tmp_path: Path, genomes: Callable[[str], Genome]) -> None:
    rows = "MT,5,1,A,C,K,N,0.2,ENST1\nMT,5,1,A,C,K,Q,0.7,ENST2;ENST3\nMT,9,.,A,G,K,R,0.9,ENST1\n"
    new = built(tmp_path, genomes("GRCh38"), "revel", REVEL + rows, "r.csv")
    assert asked(new, genomes("GRCh38"), (1, "A", "C"), (9, "A", "G")) == [("FOUND", 0.7), ("UNKNOWN", None)]
    assert new.details(0) == {"score": 0.7, "aa_ref": "K", "aa_alt": "Q", "transcripts": "ENST2;ENST3"}
    assert new.pack.extra["counts"] == {"alleles": 2, "duplicate": 1, "no_position": 1, "records": 3}
    old = built(tmp_path, genomes("GRCh37"), "revel", REVEL + rows, "r.csv")
    assert asked(old, genomes("GRCh37"), (5, "A", "C"), (9, "A", "G")) == [("FOUND", 0.7), ("FOUND", 0.9)]


def test_alphamissense_is_open_unless_its_own_head_says_otherwise(tmp_path: Path, genomes: Callable[[str], Genome]) -> None:
    genome = genomes("GRCh38")
    row = "chrM\t1\tA\tC\thg38\tP1\tENST1.2\tK2N\t0.9876\tlikely_pathogenic\n"
    assert built(tmp_path, genome, "alphamissense", ALPHA + row).pack.extra["licence"] == "non_commercial"
    found = built(tmp_path, genome, "alphamissense", ALPHA.replace("-NC-SA", "") + row)
    assert found.pack.extra["licence"] == "open"
    assert found.details(0) == {
        "score": 0.9876, "class": "likely_pathogenic", "variant": "K2N", "transcript": "ENST1.2", "uniprot": "P1"
    }  # fmt: skip


def test_dbnsfp_keeps_the_most_damaging_value_of_each_predictor_and_how_many(tmp_path: Path, genomes: Callable[[str], Genome]) -> None:
    rows = (
        "M\t1\tA\tC\tK\tN\t.\tMT\t5\tG1;G1\tE1;E2\t0.3;0.01;.\t0.4;.;0.6\t22.1\t21.9\n"
        "M\t2\tC\tG\tK\tN\t.\t.\t.\tG1;G2\tE1;E2\t.\t.\t.\t.\nM\t3\tG\tT\tK\tN\t.\t.\t.\t.\tE1\t.;.\t.\t10\t.\n"
    )
    genome = genomes("GRCh38")
    found = built(tmp_path, genome, "dbnsfp", NSFP + rows)
    assert asked(found, genome, (1, "A", "C"), (2, "C", "G"), (3, "G", "T")) == [("FOUND", 0.6), ("UNKNOWN", None), ("UNKNOWN", None)]
    assert found.details(0) == {
        "revel": 0.6, "revel_count": 2, "cadd_phred": 22.1, "sift": 0.01, "sift_count": 2, "gene": "G1", "aa_ref": "K", "aa_alt": "N"
    }  # fmt: skip
    assert found.pack.extra["counts"] == {"alleles": 3, "no_value": 1, "records": 3}
    old = built(tmp_path, genomes("GRCh37"), "dbnsfp", NSFP + rows, options={"main": "cadd_phred"})
    assert asked(old, genomes("GRCh37"), (5, "A", "C")) == [("FOUND", 21.9)]
    assert old.pack.extra["counts"] == {"alleles": 1, "no_position": 2, "records": 3}


def test_spliceai_keeps_the_gene_with_the_greatest_score_of_each_alt(tmp_path: Path, genomes: Callable[[str], Genome]) -> None:
    rows = (
        "MT\t1\t.\tA\tC,G\t.\t.\tSpliceAI=C|G1|0.10|0.00|0.00|0.91|-3|20|5|-50,C|G2|0.2|0.3|0|0|1|2|3|4,G|G1|0|0|0|0|1|2|3|4\n"
        "MT\t2\t.\tC\tT\t.\t.\tSpliceAI=T|G1|.|.|.|.|.|.|.|.\nMT\t3\t.\tG\tT\t.\t.\t.\n"
    )
    genome = genomes("GRCh38")
    found = built(tmp_path, genome, "spliceai", SPLICE + rows, "s.vcf")
    assert asked(found, genome, (1, "A", "C"), (1, "A", "G"), (2, "C", "T")) == [("FOUND", 0.91), ("FOUND", 0.0), ("UNKNOWN", None)]
    assert found.details(0) == {
        "score": 0.91, "ds_ag": 0.1, "ds_al": 0.0, "ds_dg": 0.0, "ds_dl": 0.91, "dp_ag": -3, "dp_al": 20, "dp_dg": 5, "dp_dl": -50,
        "gene": "G1", "genes": 2,
    }  # fmt: skip
    assert found.pack.extra["counts"]["no_value"] == 2


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("cadd", CADD + "MT\t1\tA\tC\t0.5\t12.3\nMT\t2\tC\tA\t0.5\t101\n", r"t\.tsv:4: PHRED `101` lies outside 0 to 100"),
        ("cadd", CADD + "MT\t1\tA\tC\t0.5\thigh\n", r"t\.tsv:3: PHRED `high` is no number"),
        ("cadd", CADD + "MT\t1\tA\tC\t0.5\n", r"t\.tsv:3: has not the 6 columns"),
        ("cadd", CADD + "MT\t1\tA\tC\t0.5\t1\t2\n", r"t\.tsv:3: has not the 6 columns"),
        ("cadd", CADD.replace("v1.3", "GRCh37-v1.7") + "MT\t1\tA\tC\t0.5\t1\n", "names GRCh37, asked for is GRCh38"),
        ("cadd", "#Chrom\tPos\tRef\tAlt\tRawScore\nMT\t1\tA\tC\t0.5\n", "has no column PHRED; it has Chrom, Pos"),
        ("cadd", "MT\t1\tA\tC\t0.5\n", r"t\.tsv:1: is no heading with a column Chrom"),
        ("cadd", CADD, "no allele of it lies on GRCh38"),
        ("cadd", CADD + "zz\t1\tA\tC\t0.5\t1\n", "no allele of it lies on GRCh38"),
        ("cadd", "PK\x03\x04rest\n", "is a zip archive"),
        ("revel", REVEL + "MT,5,1,A,C,K,N,1.2,ENST1\n", r"t\.tsv:2: REVEL `1.2` lies outside 0 to 1"),
        ("revel", "chr,hg19_pos,ref,alt,aaref,aaalt,REVEL\nMT,1,A,C,K,N,0.5\n", "is no heading with a column grch38_pos"),
        (
            "alphamissense",
            ALPHA + "chrM\t1\tA\tC\thg38\tP1\tE\tK2N\t0.9\tdreadful\n",
            r"t\.tsv:5: am_class `dreadful` is not in the vocabulary",
        ),
        ("alphamissense", ALPHA + "chrM\t1\tA\tC\thg19\tP1\tE\tK2N\t0.9\tambiguous\n", r"t\.tsv:5: genome `hg19` is not GRCh38"),
        ("dbnsfp", NSFP + "M\t1\tA\tC\tK\tN\t.\tMT\t5\tG\tE\t0.3;x\t.\t.\t.\n", r"t\.tsv:2: SIFT_score `0.3;x` is no number"),
        ("dbnsfp", NSFP.replace("SIFT", "X").replace("REVEL", "X").replace("CADD", "X"), "has no predictor that is known"),
        (
            "spliceai",
            SPLICE + "MT\t1\t.\tA\tC\t.\t.\tSpliceAI=C|G|0.1|0|0|1.5|1|2|3|4\n",
            "data record 1: SpliceAI=C.* lies outside 0 to 1",
        ),
        ("spliceai", SPLICE + "MT\t1\t.\tA\tC\t.\t.\tSpliceAI=C|G|0.1|0|0|1|2|3|4\n", "data record 1: .* has not 10 fields"),
        ("spliceai", SPLICE + "MT\t1\t.\tA\tC\t.\t.\tSpliceAI=C|G|0.1|0|0|0|1|2|x|4\n", "data record 1: .* has a position that is none"),
        ("spliceai", SPLICE + "MT\t1\t.\tA\tC\t.\t.\tAF=1\n", "no row that can be used"),
    ],
)
def test_a_table_that_cannot_be_is_refused_with_its_line(
    tmp_path: Path, genomes: Callable[[str], Genome], kind: str, text: str, words: str
) -> None:
    with pytest.raises(SourceRefused, match=words):
        built(tmp_path, genomes("GRCh38"), kind, text, "t.vcf" if kind == "spliceai" else "t.tsv")
    assert not list((tmp_path / "packs").rglob("pack.json"))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(st.text("aZ09.;#'\" ,\u00e9", max_size=6), min_size=4, max_size=4), min_size=1, max_size=6), st.sampled_from("\t,")
)
def test_cells_are_cut_as_the_csv_module_writes_them(rows: list[list[str]], delimiter: str) -> None:
    if delimiter == "\t":
        lines = ["\t".join(row) for row in rows]
    else:
        written = io.StringIO()
        csv.writer(written, lineterminator="\n").writerows(rows)
        lines = written.getvalue().splitlines()
    text = np.frombuffer("".join(f"{line}\r\n" for line in lines).encode(), dtype=np.uint8)
    ends = np.flatnonzero(text == 10)
    spans = np.empty((len(ends), 2, 2), dtype=np.int32)
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1] + 1])
    place = np.array([1, -1, -1, 0], dtype=np.int64)
    assert split_columns(text, np.stack([starts, ends], axis=1), ord(delimiter), place, 4, spans) == -1
    cells = [[text[a:b].tobytes().decode() for a, b in row] for row in spans]
    if delimiter == ",":  # a quote within quotes stays doubled
        cells = [[cell.replace('""', '"') for cell in row] for row in cells]
    assert cells == [[row[3], row[0]] for row in rows]
    assert split_columns(text, np.stack([starts, ends], axis=1), ord(delimiter), np.array([0, 1, -1], dtype=np.int64), 3, spans) == 0


def test_a_table_of_another_build_is_refused_by_its_refs(tmp_path: Path, genomes: Callable[[str], Genome]) -> None:
    rows = "".join(f"MT\t{at}\t{'CGTA'['ACGT'.index(SEQUENCE[at - 1])]}\t{SEQUENCE[at - 1]}\t1\t1\n" for at in range(1, 9))
    with pytest.raises(SourceRefused, match="contradicts GRCh38 in 8 of 8"):
        built(tmp_path, genomes("GRCh38"), "cadd", CADD + rows)


def test_an_empty_or_cut_table_is_refused(tmp_path: Path, genomes: Callable[[str], Genome]) -> None:
    text = CADD + "".join(f"MT\t{at}\t{SEQUENCE[at - 1]}\t{'CGTA'['ACGT'.index(SEQUENCE[at - 1])]}\t1\t1\n" for at in range(1, 200))
    for broken in (b"", gzip.compress(text.encode())[:-30], (text + "MT\t3\tG").encode()):
        with pytest.raises(SourceError):
            built(tmp_path, genomes("GRCh38"), "cadd", broken)


def test_gzip_bgzip_and_plain_tables_are_one_pack(tmp_path: Path, genomes: Callable[[str], Genome]) -> None:
    text = CADD + "MT\t2\tC\tG\t0.1\t5\nchrM\t1\tA\tC\t0.5\t12.3\n"
    pysam.tabix_compress(str(_written(tmp_path / "plain.tsv", text)), str(tmp_path / "b.tsv.gz"))
    packs = [
        built(tmp_path, genomes("GRCh38"), "cadd", content, name)
        for name, content in (("p.tsv", text), ("g.gz", gzip.compress(text.encode())), ("b.tsv.gz", (tmp_path / "b.tsv.gz").read_bytes()))
    ]
    assert len({tuple(pack.index.keys.tolist()) for pack in packs}) == 1
    assert [pack.column("phred").tolist() for pack in packs] == [pytest.approx([12.3, 5.0])] * 3


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def brca(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Genome:
    """GRCh37 with 200 kb around BRCA2 known; REF is checked there."""
    folder = tmp_path_factory.mktemp("brca")
    with pysam.FastaFile(str(real_data / "panel/BRCA1_BRCA2.regions.GRCh37.fa.gz")) as regions:
        name = next(one for one in regions.references if one.split(":")[0] in ("13", "chr13"))
        first, last = (int(text.replace(",", "")) for text in name.split(":")[1].split("-"))
        sequence = regions.fetch(name)
    (folder / "g.fa").write_text(">13\n" + "N" * (first - 1) + sequence + "N" * (115_169_878 - last) + "\n")
    return Genome(build_genome(folder / "g.fa", folder / "packs", "GRCh37", "1"))


@pytest.mark.real_data
def test_real_cadd_and_dbnsfp_of_brca2_are_read_whole_and_agree(real_data: Path, tmp_path: Path, brca: Genome) -> None:
    scores = real_data / "scores"
    cadd = build_source(Request("cadd", (scores / "CADD_v1.3.BRCA2_subset.GRCh37.txt.gz",), tmp_path, "GRCh37", "", genome=brca))
    counts = cadd.extra["counts"]
    assert (cadd.version, counts["records"], counts["alleles"]) == ("1.3", 50_540, 50_540)
    assert "bad_ref" not in counts
    assert counts["ref_unknown"] < 100
    nsfp = build_source(Request("dbnsfp", (scores / "dbNSFP3.5a.BRCA2_exons2-10_subset.txt.gz",), tmp_path, "GRCh37", "3.5a", genome=brca))
    counts = nsfp.extra["counts"]
    assert counts["records"] == counts["alleles"] + counts.get("no_position", 0) == 5325
    one, two = open_source(cadd), open_source(nsfp)
    _, here, there = np.intersect1d(one.index.keys, two.index.keys, return_indices=True)
    phred = two.column("cadd_phred")[there]
    both = ~np.isnan(phred)
    assert both.sum() > 4_000
    assert np.allclose(one.column("phred")[here][both], phred[both], rtol=0.02, atol=0.06)
    with gzip.open(scores / "dbNSFP3.5a.BRCA2_exons2-10_subset.txt.gz", "rt") as lines:
        names = next(lines).lstrip("#").rstrip("\n").split("\t")
        rows = [line.rstrip("\n").split("\t") for line in lines]
    wanted: dict[int, list[str]] = defaultdict(list)
    for row in rows:
        contig, position, ref, alt = (row[names.index(name)] for name in ("hg19_chr", "hg19_pos(1-based)", "ref", "alt"))
        offset = brca.table.contigs[brca.table.resolve(contig) or 0].offset
        wanted[allele_id(offset + int(position) - 1, ref, alt)].append(row[names.index("SIFT_score")])
    assert two.index.keys.tolist() == sorted(wanted)
    assert counts["duplicate"] == len(rows) - len(wanted) == 5
    for key, value in zip(two.index.keys.tolist(), two.column("sift").tolist(), strict=True):
        scores_of = [[float(one) for one in text.split(";") if one != "."] for text in wanted[key]]
        assert any(value == pytest.approx(min(found)) if found else np.isnan(value) for found in scores_of)


@pytest.mark.real_data
@pytest.mark.skipif(shutil.which("bcftools") is None, reason="needs bcftools")
def test_cadd_of_real_clinvar_alleles_is_what_bcftools_annotates(real_data: Path, tmp_path: Path, brca: Genome) -> None:
    source = real_data / "scores/CADD_v1.3.BRCA2_subset.GRCh37.txt.gz"
    found = open_source(build_source(Request("cadd", (source,), tmp_path / "packs", "GRCh37", "", genome=brca)))
    with gzip.open(source, "rt") as lines:
        rows = sorted(
            {tuple(line.split("\t")[:6]) for line in lines if line[0] != "#" and line.startswith("13\t")}, key=lambda row: int(row[1])
        )
    pysam.tabix_compress(str(_written(tmp_path / "c.tsv", "".join("\t".join(row) for row in rows))), str(tmp_path / "c.tsv.gz"))
    pysam.tabix_index(str(tmp_path / "c.tsv.gz"), seq_col=0, start_col=1, end_col=1)
    head = "##fileformat=VCFv4.2\n##contig=<ID=13>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    with gzip.open(real_data / "grch37/clinvar_2017-04-04.GRCh37.vcf.gz", "rt") as lines:
        kept = [line.split("\t")[:5] for line in lines if line.startswith("13\t") and 32_880_000 < int(line.split("\t")[1]) < 32_920_000]
    sites = _written(tmp_path / "q.vcf", head + "".join("\t".join([*row, ".", ".", "."]) + "\n" for row in kept))
    extra = _written(tmp_path / "h.txt", '##INFO=<ID=PHRED,Number=A,Type=Float,Description="x">\n')
    told = subprocess.run(
        ["bcftools", "annotate", "-a", tmp_path / "c.tsv.gz", "-c", "CHROM,POS,REF,ALT,-,PHRED", "-h", extra, sites],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    wanted = [None if "PHRED=" not in line else float(line.rstrip().split("PHRED=")[1]) for line in told.splitlines() if line[0] != "#"]
    (block,) = open_sites(sites, brca).blocks()
    alleles = block.alleles
    looked = found.query(block.ids, Spelling(alleles.ref_offsets, alleles.ref_bytes, alleles.alt_offsets, alleles.alt_bytes))
    assert len(wanted) == len(looked.value) > 2_000
    assert sum(value is not None for value in wanted) > 800
    assert [None if np.isnan(value) else round(float(value), 4) for value in looked.value] == wanted
