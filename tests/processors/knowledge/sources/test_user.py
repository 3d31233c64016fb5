"""A laboratory's own sources: every shape that a mapping can describe, and mappings that cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.knowledge.allele_pack import AllelePack
from processors.knowledge.gene_pack import GenePack, changed_genes
from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.lookup import Spelling
from processors.knowledge.pack import Pack
from processors.knowledge.source import Request, build_source, open_source
from processors.knowledge.sources.refused import SourceRefused
from processors.knowledge.sources.regions import RegionPack
from schemas.chunks import Answer
from schemas.identity import allele_id

FREQUENCY = (
    'title = "Normals"\nkeyed = "allele"\nabsence = "absent"\nlicence = "commercial"\ndate = 2025-01-31\nmain = "af"\n'
    '[columns.af]\nfrom = "AF"\ntype = "number"\nlow = 0\nhigh = 1\n'
)
TABLE = (
    'keyed = "allele"\nmain = "n"\n[place]\ncontig = "chr"\nposition = "pos"\nref = "r"\nalt = "a"\n'
    '[columns.n]\nfrom = "seen"\ntype = "integer"\n[columns.note]\nfrom = "note"\ntype = "text"\n'
)
HEADER = '##fileformat=VCFv4.2\n##INFO=<ID=AF,Number=A,Type=Float,Description="x">\n##INFO=<ID=LIST,Number=.,Type=Float,Description="x">\n'
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Genome:
    folder = tmp_path_factory.mktemp("user")
    (folder / "g.fa").write_text(">c\n" + "ACGTACGTAC" * 10 + "\n>d\n" + "TTTTACGTAC" * 5 + "\n")
    return Genome(build_genome(folder / "g.fa", folder / "packs", "own", "1"))


def built(folder: Path, genome: Genome | None, mapping: str, text: str, name: str = "t.tsv") -> Any:
    (folder / "m.toml").write_text(mapping)
    (folder / name).write_text(text)
    request = Request("user.mine", (folder / name, folder / "m.toml"), folder / "packs", "own", "1", genome=genome)
    return open_source(build_source(request))


def asked(found: AllelePack, *alleles: tuple[int, str, str]) -> list[tuple[str, float | None]]:
    ids = np.array([allele_id(*allele) for allele in alleles], dtype=np.uint64)
    refs, alts = "".join(a[1] for a in alleles).encode(), "".join(a[2] for a in alleles).encode()
    spelled = Spelling(
        np.cumsum([0, *(len(a[1]) for a in alleles)]).astype(np.int32), np.frombuffer(refs, dtype=np.uint8),
        np.cumsum([0, *(len(a[2]) for a in alleles)]).astype(np.int32), np.frombuffer(alts, dtype=np.uint8),
    )  # fmt: skip
    looked = found.query(ids, spelled)
    return [(Answer(int(a)).name, None if np.isnan(v) else round(float(v), 5)) for a, v in zip(looked.answer, looked.value, strict=True)]


def test_a_vcf_answers_absent_where_its_mapping_says_so_and_never_for_what_failed_its_filter(tmp_path: Path, genome: Genome) -> None:
    rows = "c\t1\t.\tA\tC,G\t.\tPASS\tAF=0.25,.\nc\t5\t.\tA\tC\t.\tlow\tAF=0.5\n"
    found = built(tmp_path, genome, FREQUENCY, HEADER + COLUMNS + rows, "t.vcf")
    assert asked(found, (0, "A", "C"), (0, "A", "G"), (4, "A", "C"), (8, "A", "T")) == [
        ("FOUND", 0.25), ("UNKNOWN", None), ("UNKNOWN", None), ("ABSENT", None)
    ]  # fmt: skip
    extra = found.pack.extra
    assert (extra["title"], extra["licence"], extra["date"], extra["source"]) == ("Normals", "commercial", "2025-01-31", "t.vcf")
    assert found.pack.name == "mine"


def test_a_table_is_unknown_where_it_has_no_row_unless_it_says_otherwise(tmp_path: Path, genome: Genome) -> None:
    rows = "x\tchr\tpos\tr\ta\tseen\tnote\nx\tc\t1\tA\tC\t12\tour own; twice\nx\tc\t2\tC\tT\t.\t\nx\tc\t2\tC\tG\t16777217\tNA\n"
    found = built(tmp_path, genome, TABLE, rows)
    assert asked(found, (0, "A", "C"), (1, "C", "T"), (7, "T", "A")) == [("FOUND", 12.0), ("UNKNOWN", None), ("UNKNOWN", None)]
    assert [found.details(row) for row in range(3)] == [
        {"n": 12, "note": "our own; twice"}, {"n": 16777217, "note": None}, {"n": None, "note": None}
    ]  # fmt: skip


def test_a_bed_is_regions_with_the_columns_that_its_mapping_names(tmp_path: Path, genome: Genome) -> None:
    mapping = 'keyed = "region"\n[columns.what]\nfrom = 4\ntype = "word"\n[columns.score]\nfrom = "score"\ntype = "number"\n'
    rows = "track name=x\n#c\nd\t10\t20\tz\t.\nc\t5\t9\tb\t2\nc\t0\t30\ta\t1.5\nzz\t1\t2\tq\t1\nc\t7\t7\te\t1\n"
    found = built(tmp_path, genome, mapping, rows, "t.bed")
    assert isinstance(found, RegionPack)
    assert [found.details(row) for row in range(3)] == [
        {"contig": "c", "start": 1, "end": 30, "what": "a", "score": 1.5},
        {"contig": "c", "start": 6, "end": 9, "what": "b", "score": 2.0},
        {"contig": "d", "start": 11, "end": 20, "what": "z", "score": None},
    ]
    assert found.query(np.array([29, 30, 8, 110, 119, 100]), np.array([30, 31, 9, 111, 130, 110])).tolist() == [0, -1, 0, 2, 2, -1]
    assert found.overlapping(8, 9).tolist() == [0, 1]
    assert found.pack.extra["counts"] == {"empty_region": 1, "records": 5, "regions": 3, "unknown_contig": 1}


def test_a_table_of_regions_may_count_from_one(tmp_path: Path, genome: Genome) -> None:
    mapping = 'keyed = "region"\none_based = true\n[place]\ncontig = "chr"\nstart = "from"\nend = "to"\n'
    found = built(tmp_path, genome, mapping, "chr,from,to\nc,3,4\n")
    assert (found.starts.tolist(), found.ends.tolist()) == ([2], [4])
    assert found.details(0) == {"contig": "c", "start": 3, "end": 4}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 90), st.integers(1, 10)), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(0, 99), st.integers(1, 20)), min_size=1, max_size=8),
)
def test_the_region_that_is_found_is_the_first_that_overlaps(
    tmp_path_factory: pytest.TempPathFactory, genome: Genome, regions: list[tuple[int, int]], asked_for: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("regions")
    found = built(folder, genome, 'keyed = "region"\n', "".join(f"c\t{at}\t{at + size}\n" for at, size in regions), "t.bed")
    held = sorted((at, at + size) for at, size in regions)
    starts = np.array([at for at, _ in asked_for])
    ends = starts + np.array([size for _, size in asked_for])
    wanted = [next((row for row, (a, b) in enumerate(held) if a < end and b > start), -1) for start, end in zip(starts, ends, strict=True)]
    assert found.query(starts, ends).tolist() == wanted
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        assert found.overlapping(start, end).tolist() == [row for row, (a, b) in enumerate(held) if a < end and b > start]


def test_a_panel_is_a_table_of_genes_and_its_changes_are_genes(tmp_path: Path) -> None:
    mapping = 'keyed = "gene"\n[place]\nid = "hgnc"\nsymbol = "gene"\n[columns.tier]\nfrom = "tier"\ntype = "word"\n'
    old = built(tmp_path, None, mapping, "gene\thgnc\ttier\nA\tHGNC:1\tgreen\nB\tHGNC:2\tamber\n")
    new = built(tmp_path, None, mapping, "gene\thgnc\ttier\nA\tHGNC:1\tgreen\nB\tHGNC:2\tgreen\nC\tHGNC:3\tred\n")
    assert isinstance(old, GenePack)
    assert old.query(["HGNC:2"], [""]).tolist() == [1]
    assert [(key.symbol, fields) for key, fields in changed_genes(old.pack, new.pack)] == [("B", ("tier",)), ("C", ("tier",))]


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        (FREQUENCY + 'colour = "red"\n', r"m\.toml:12: columns\.af\.colour is no key of a mapping"),
        ('keyed = "allele"\nabsense = "absent"\n', r"m\.toml:2: absense is no key"),
        ('title = "x"\n', r"keyed is missing; give allele, region, gene"),
        ('keyed = "place"\n', r"m\.toml:1: keyed `place` is none of"),
        ('keyed = "allele"\nfilter = "yes"\n', r"m\.toml:2: filter is str, wanted is bool"),
        ('keyed = "allele"\nfloor = true\n', r"m\.toml:2: floor is bool, wanted is int or float"),
        ('keyed = "allele"\nlicence = "free"\n', r"m\.toml:2: licence `free` is none of"),
        ('keyed = "allele"\ndate = "May"\n', r"m\.toml:2: date `May` is no date"),
        ('keyed = "allele"\nmain = "af"\n', r"m\.toml:2: main `af` is no column of type number"),
        ('keyed = "allele"\ncovered = "none.bed"\n', r"m\.toml:2: covered .*none\.bed is no file"),
        ('keyed = "allele"\n[columns.af]\ntype = "number"\n', r"m\.toml:2: columns\.af lacks the key `from`"),
        (
            'keyed = "allele"\n[columns.af]\nfrom = "AF"\ntype = "float"\n',
            r"m\.toml:4: columns\.af\.type `float` is none of number",
        ),
        ('keyed = "allele"\n[columns.af]\nfrom = "AF"\ntype = "text"\nlow = 1\n', r"m\.toml:5: columns\.af\.low bounds are for numbers"),
        ('keyed = "allele"\n[columns."A F"]\nfrom = "AF"\ntype = "text"\n', r"m\.toml:2: columns\.A F `A F` is no name"),
        ('keyed = "region"\n[place]\nref = "x"\n', r"m\.toml:3: place\.ref is no key"),
        ("keyed = allele\n", r"m\.toml: is no TOML: .*line 1"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused_with_its_line_and_key(tmp_path: Path, genome: Genome, mapping: str, words: str) -> None:
    with pytest.raises(SourceRefused, match=words):
        built(tmp_path, genome, mapping, HEADER + COLUMNS, "t.vcf")


@pytest.mark.parametrize(
    ("mapping", "text", "words"),
    [
        (TABLE, "chr\tpos\tr\ta\tseen\nc\t1\tA\tC\t1\n", "has no column note; it has chr, pos"),
        (TABLE.replace('alt = "a"\n', ""), "chr\tpos\n", r"m\.toml: \[place\] lacks alt"),
        (TABLE, "chr\tpos\tr\ta\tseen\tnote\nc\t1\tA\tC\t1.5\tx\n", r"t\.tsv:2: seen `1.5` is no whole number"),
        (TABLE, "chr\tpos\tr\ta\tseen\tnote\nc\t1\tA\tC\tmany\tx\n", r"t\.tsv:2: seen `many` is no number"),
        (FREQUENCY, HEADER + COLUMNS + "c\t1\t.\tA\tC\t.\t.\tAF=1.5\n", "data record 1: AF=1.5 lies outside 0 to 1"),
        (FREQUENCY, HEADER + COLUMNS + "c\t1\t.\tA\tC\t.\t.\tAF=x\n", "data record 1: AF=x is no number"),
        (FREQUENCY.replace('"AF"', '"MAF"'), HEADER + COLUMNS, "its header has no INFO MAF, which columns.af of m.toml reads"),
        (FREQUENCY.replace('"AF"', '"LIST"'), HEADER + COLUMNS, r"INFO LIST has Number=\.; say"),
        (FREQUENCY, HEADER + COLUMNS, "no allele of it lies on own"),
        ('keyed = "region"\n', "c\t5\t101\n", r"t\.tsv:1: end `101` lies behind the contig \(100 bases in own\)"),
        ('keyed = "region"\n', "c\t5\t9\nc\t9\t5\n", r"t\.tsv:2: end `5` lies before the start"),
        ('keyed = "region"\n', "c\t5\t9\nc\t9\tx\n", r"t\.tsv:2: end `x` is no position"),
        ('keyed = "region"\n', "c\t5\t9\nc\t9\n", r"t\.tsv:2: has not the 3 columns"),
        ('keyed = "region"\n', "zz\t5\t9\n", "none of its regions lies on own"),
        ('keyed = "region"\n', "chrom start end\n", r"t\.tsv:1: is no line of a BED"),
        ('keyed = "region"\n[columns.x]\nfrom = 5\ntype = "text"\n', "c\t5\t9\n", r"t\.tsv:1: has no column 5; it has 3"),
        ('keyed = "gene"\n[place]\nsymbol = "gene"\n', "name\nA\n", "no line of column names"),
        ('keyed = "gene"\n', "gene\nA\n", r"\[place\] lacks id and symbol"),
    ],
)
def test_a_file_that_is_not_as_its_mapping_says_is_refused(tmp_path: Path, genome: Genome, mapping: str, text: str, words: str) -> None:
    with pytest.raises(SourceRefused, match=words):
        built(tmp_path, genome, mapping, text, "t.vcf" if text.startswith("##") else "t.tsv")


def test_a_source_without_its_mapping_or_with_two_is_refused(tmp_path: Path, genome: Genome) -> None:
    (tmp_path / "t.bed").write_text("c\t1\t2\n")
    (tmp_path / "m.toml").write_text('keyed = "region"\n')
    (tmp_path / "n.toml").write_text('keyed = "region"\n')
    for names in (("t.bed",), ("t.bed", "m.toml", "n.toml"), ("m.toml",)):
        with pytest.raises(SourceRefused, match="one mapping"):
            build_source(Request("user.x", tuple(tmp_path / name for name in names), tmp_path, "own", "1", genome=genome))
    option = {"mapping": str(tmp_path / "m.toml")}
    pack: Pack = build_source(Request("user.x", (tmp_path / "t.bed",), tmp_path, "own", "1", genome=genome, options=option))
    assert pack.rows == 1


@pytest.mark.real_data
def test_a_real_bed_of_every_exon_is_read_whole(real_data: Path, tmp_path: Path) -> None:
    (tmp_path / "g.fa").write_text(">21\n" + "N" * 46_709_983 + "\n")
    genome = Genome(build_genome(tmp_path / "g.fa", tmp_path / "packs", "GRCh38", "1"))
    (tmp_path / "m.toml").write_text('keyed = "region"\nlicence = "open"\n[columns.gene]\nfrom = 4\ntype = "text"\n')
    files = (real_data / "chr21_GRCh38/chr21.GRCh38.known_regions.bed.gz", tmp_path / "m.toml")
    found = open_source(build_source(Request("user.known", files, tmp_path / "packs", "GRCh38", "1", genome=genome)))
    assert found.pack.rows == found.pack.extra["counts"]["records"] == 3846
    offset = genome.table.contigs[genome.table.resolve("21") or 0].offset
    row = found.query(np.array([offset + 25_500_000]), np.array([offset + 25_500_001]))[0]
    assert found.details(row) == {"contig": "21", "start": 24_985_581, "end": 26_000_306, "gene": "contig"}


@pytest.mark.real_data
def test_a_real_table_of_missense_scores_is_read_by_its_mapping(real_data: Path, tmp_path: Path) -> None:
    (tmp_path / "g.fa").write_text(">21\n" + "N" * 48_129_895 + "\n")
    genome = Genome(build_genome(tmp_path / "g.fa", tmp_path / "packs", "GRCh37", "1"))
    place = '[place]\ncontig = "hg19_chr"\nposition = "hg19_pos(1-based)"\nref = "ref"\nalt = "alt"\n'
    columns = (
        '[columns.revel]\nfrom = "REVEL_score"\ntype = "number"\nlow = 0\nhigh = 1\n[columns.gene]\nfrom = "genename"\ntype = "word"\n'
    )
    (tmp_path / "m.toml").write_text(f'keyed = "allele"\nmain = "revel"\nlicence = "non_commercial"\n{place}{columns}')
    files = (real_data / "scores/missense_scores_11834.GRCh37.tsv.gz", tmp_path / "m.toml")
    found = open_source(build_source(Request("user.missense", files, tmp_path / "packs", "GRCh37", "1", genome=genome)))
    counts = found.pack.extra["counts"]
    assert counts["records"] == 11_834 == counts["alleles"]
    assert found.pack.rows == counts["alleles"] - counts.get("duplicate", 0)
    assert asked(found, (955_562, "G", "C"), (955_562, "G", "A")) == [("FOUND", 0.13), ("UNKNOWN", None)]
    assert found.details(0) == {"revel": 0.13, "gene": "AGRN"}
