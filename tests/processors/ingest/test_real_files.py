"""Every call set of the shared data: in = landed + quarantined, against a count by plain Python; and alleles against `bcftools norm`."""

from __future__ import annotations

import contextlib
import gzip
import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pysam
import pysam.bcftools
import pytest

from processors.ingest.faults import Fault
from processors.knowledge.genome import Genome, build_genome
from schemas.assembly import ContigTable
from schemas.chunks import Flag

SAMPLES = (
    "1000G_phase1.1092samples.chr1_head.GRCh37",
    "HG002_HG003_HG004.trio.chr1-2.GRCh37",
    "HG02102.1000G.chr21.GRCh37",
    "NA12878.NIST2.19_indels.wholegenome.GRCh37",
    "NA12878.NIST_GATK.chr21.hg19",
    "NA12878.PlatinumGenomes.chr21.GRCh38",
    "NA12878.PlatinumGenomes.chr21.hg19",
    "NA12878.chr20_snippet.GRCh37.g",
    "manuel.Pfeiffer_exome.GRCh37",
)
UNKNOWN = "unknown bases under REF"
Key = tuple[int, int]
Allele = tuple[str, int, str, str]


@pytest.fixture(scope="session")
def references(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Genome, Path]]:
    """Chromosome 21 of either build: (genome, FASTA for bcftools)."""
    folder = tmp_path_factory.mktemp("references")
    grch37 = folder / "chr21.GRCh37.fa"
    with pysam.FastaFile(str(real_data / "vep_truth" / "ref.GRCh37.fa.gz")) as fasta:
        grch37.write_text(">21\n" + fasta.fetch("21") + "\n")
    grch38 = real_data / "chr21_GRCh38" / "chr21.GRCh38.known.fa.gz"
    return {
        build: (Genome(build_genome(fasta, folder / "packs", build, "1")), fasta)
        for build, fasta in (("GRCh37", grch37), ("GRCh38", grch38))
    }


def _build(name: str) -> str:
    return "GRCh38" if "GRCh38" in name else "GRCh37"


# --- conservation ----------------------------------------------------------------------------------------------------


def _plain_count(path: Path) -> tuple[int, int, list[int]]:
    """(records, reference blocks, units of each sample) by splitting lines, as slowly as one can."""
    records = blocks = 0
    units: list[int] = []
    with gzip.open(path, "rt") as lines:
        for line in lines:
            if line.startswith("#"):
                units = [0] * (len(line.split("\t")) - 9)
                continue
            columns = line.rstrip("\n").split("\t")
            records += 1
            place = columns[8].split(":").index("GT")
            carried = 0
            for number, column in enumerate(columns[9:]):
                alleles = set(column.split(":")[place].replace("|", "/").split("/")) - {".", "0"}
                units[number] += len(alleles)
                carried += len(alleles)
            blocks += carried == 0 and set(columns[4].split(",")) <= {"<NON_REF>", "<*>", "."}
    return records, blocks, units


@pytest.mark.real_data
@pytest.mark.parametrize("name", SAMPLES)
def test_in_is_landed_plus_quarantined(
    name: str, run: Any, real_data: Path, references: dict[str, tuple[Genome, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    path = real_data / "samples" / f"{name}.vcf.gz"
    outcome = run(path, genome=references[_build(name)][0])
    records, blocks, units = _plain_count(path)
    manifest = outcome.manifest
    assert (manifest.records, manifest.reference_blocks) == (records, blocks)
    assert [sample.variants_in for sample in manifest.samples] == units
    landed, quarantined = Counter[int](), Counter[int]()
    for row in outcome.rows:
        landed.update(call["sample"] for call in row["calls"])
    for row in outcome.faults:
        quarantined.update(row["samples"])
    for number, sample in enumerate(manifest.samples):
        assert sample.landed == landed[number]
        assert sum(sample.quarantined.values()) == quarantined[number]
        assert sample.variants_in == sample.landed + sum(sample.quarantined.values())
    reasons = sum((Counter(sample.quarantined) for sample in manifest.samples), Counter[str]())
    repeats = sum(bool(row["flags"] & Flag.REPEAT) for row in outcome.rows)
    with capsys.disabled():
        print(
            f"\n  {name}: records {records:,}, reference blocks {blocks:,}, samples {len(units):,}, in {sum(units):,}"
            f" = landed {landed.total():,} + quarantined {dict(reasons)}; repeats {repeats:,}, uncarried {manifest.uncarried:,}"
        )


# --- bcftools norm ---------------------------------------------------------------------------------------------------


def _prepare(source: Path, target: Path, table: ContigTable, contigs: set[str]) -> list[tuple[str, int, str]]:
    """Sites of `source` on some contigs, as a sample that carries every ALT, each ALT tagged (record, index); (contig, start, REF)s."""
    sites: list[tuple[str, int, str]] = []
    with gzip.open(source, "rt") as lines, target.open("w") as out:
        _header(out, [(contig.name, contig.length) for contig in table.contigs if contig.name in contigs])
        for line in lines:
            if line.startswith("#"):
                continue
            chrom, pos, _, ref, alt = line.split("\t", 5)[:5]
            number = table.resolve(chrom)
            count = alt.count(",") + 1
            if number is None or table.contigs[number].name not in contigs or alt in (".", "<DEL>") or count > 8:
                continue  # no ALT; bcftools 1.24 reads a whole <DEL> from the reference, and it is a fault here; GT holds eight
            name = table.contigs[number].name
            _site(out, len(sites), name, pos, ref, alt)
            sites.append((name, int(pos) - 1, ref))
    return sites


def _header(out: Any, contigs: list[tuple[str, int]]) -> None:
    out.write(
        '##fileformat=VCFv4.2\n##INFO=<ID=RN,Number=1,Type=Integer,Description="record">\n'
        '##INFO=<ID=AI,Number=A,Type=Integer,Description="ALT index">\n##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">\n'
    )
    out.writelines(f"##contig=<ID={name},length={length}>\n" for name, length in contigs)
    out.write("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS\n")


def _site(out: Any, record: int, name: str, pos: str | int, ref: str, alt: str) -> None:
    indexes = [str(n + 1) for n in range(alt.count(",") + 1)]
    out.write(f"{name}\t{pos}\t.\t{ref}\t{alt}\t.\t.\tRN={record};AI={','.join(indexes)}\tGT\t{'/'.join(indexes)}\n")


def _bcftools(source: Path, fasta: Path) -> dict[Key, Allele]:
    target = source.with_suffix(".norm.vcf")
    with _quiet():
        pysam.bcftools.norm("-m-any", "-c", "w", "-f", str(fasta), "-o", str(target), str(source), catch_stdout=False)
    found = {}
    for line in target.read_text().splitlines():
        if not line.startswith("#"):
            chrom, pos, _, ref, alt, _, _, info = line.split("\t", 8)[:8]
            tags = dict(item.split("=") for item in info.split(";"))
            found[int(tags["RN"]), int(tags["AI"])] = (chrom, int(pos), ref, alt)
    return found


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """bcftools writes a line to the process's standard error for every REF of unknown bases."""
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


def _trim(allele: Allele) -> Allele:
    """Trimmed, not shifted: what can be said without a reference."""
    chrom, pos, ref, alt = allele
    while len(ref) > 1 and len(alt) > 1 and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while len(ref) > 1 and len(alt) > 1 and ref[0] == alt[0]:
        pos, ref, alt = pos + 1, ref[1:], alt[1:]
    return chrom, pos, ref, alt


def _compare(outcome: Any, theirs: dict[Key, Allele], genome: Genome, sites: list[tuple[str, int, str]]) -> Counter[str]:
    """Count equal alleles, and different ones by cause; DIFFERENCES.md explains the causes. Anything else fails."""
    causes: Counter[str] = Counter()
    ours = {(row["record"], row["alt_index"]): row for row in outcome.rows}
    for key, row in ours.items():
        mine, other = (row["contig"], row["start"] + 1, row["ref"], row["alt"]), theirs[key]
        contig, start, ref = sites[key[0]]
        bases = genome.bases(genome.table.resolve(contig) or 0)
        assert bases is not None
        if mine == other:
            causes["equal"] += 1
        elif b"N" in bases[start : start + len(ref)].tobytes():
            # bcftools takes N under REF for a mismatch and leaves the record as it came
            assert (other[1] - 1, other[2].upper()) == (start, ref.upper()), (key, mine, other)
            assert mine == _trim(other) or row["flags"] & Flag.SHIFTED, (key, mine, other)
            causes[UNKNOWN] += 1
        else:
            # bcftools anchors at the unknown base, riverseq at the last known one
            assert (other[2] + other[3]).count("N") == 2, (key, mine, other)
            assert other[1] == mine[1] - 1, (key, mine, other)
            assert row["flags"] & Flag.SHIFT_STOPPED, (key, mine, other)
            causes["unknown anchor"] += 1
    faulty = {(row["record"], row["alt_index"]): row["reason"] for row in outcome.faults}
    assert set(theirs) == set(ours) | set(faulty)
    for reason in faulty.values():
        causes[f"fault {reason}"] += 1
    return causes


EXPECTED: dict[str, dict[str, int]] = {
    "HG02102.1000G.chr21.GRCh37": {"equal": 60655, "fault symbolic": 39},
    "NA12878.NIST2.19_indels.wholegenome.GRCh37": {"equal": 3985, UNKNOWN: 15},
    "NA12878.NIST_GATK.chr21.hg19": {"equal": 45957, UNKNOWN: 110},
    "NA12878.PlatinumGenomes.chr21.GRCh38": {"equal": 65676, UNKNOWN: 374},
    "NA12878.PlatinumGenomes.chr21.hg19": {"equal": 66423, UNKNOWN: 1204},
    "manuel.Pfeiffer_exome.GRCh37": {"equal": 599},
}


@pytest.mark.real_data
@pytest.mark.parametrize("name", EXPECTED)
def test_chromosome_21_comes_out_as_from_bcftools(
    name: str, run: Any, real_data: Path, references: dict[str, tuple[Genome, Path]], tmp_path: Path
) -> None:
    genome, fasta = references[_build(name)]
    prepared = tmp_path / "sites.vcf"
    sites = _prepare(real_data / "samples" / f"{name}.vcf.gz", prepared, genome.table, {"21"})
    assert _compare(run(prepared, genome=genome), _bcftools(prepared, fasta), genome, sites) == EXPECTED[name]


@pytest.mark.soak
@pytest.mark.real_data
@pytest.mark.parametrize("build", ["GRCh37", "GRCh38"])
def test_every_file_comes_out_as_from_bcftools(
    build: str, run: Any, real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fasta = real_data / "vep_truth" / f"ref.{build}.fa.gz"
    genome = Genome(build_genome(fasta, tmp_path / "packs", build, "1"))
    known = {contig.name for number, contig in enumerate(genome.table.contigs) if genome.sequence_offsets[number] >= 0}
    files = [real_data / "samples" / f"{name}.vcf.gz" for name in SAMPLES if _build(name) == build]
    for path in [*files, real_data / "vep_truth" / f"rawsplit.open.{build}.vcf.gz"]:
        prepared = tmp_path / "sites.vcf"
        sites = _prepare(path, prepared, genome.table, known)
        if not sites:
            continue
        causes = _compare(run(prepared, genome=genome), _bcftools(prepared, fasta), genome, sites)
        assert causes["equal"] > 0.95 * sum(count for cause, count in causes.items() if not cause.startswith("fault"))
        with capsys.disabled():
            print(f"\n  {path.name}: {dict(causes)}")


@pytest.mark.real_data
def test_awkward_records_of_chromosome_21_come_out_as_from_bcftools(
    run: Any, real_data: Path, references: dict[str, tuple[Genome, Path]], tmp_path: Path
) -> None:
    genome, fasta = references["GRCh38"]
    prepared = tmp_path / "sites.vcf"
    sites = _prepare(real_data / "vep_truth" / "rawsplit.open.GRCh38.vcf.gz", prepared, genome.table, {"21"})
    causes = _compare(run(prepared, genome=genome), _bcftools(prepared, fasta), genome, sites)
    assert causes == {"equal": 881, "fault star_allele": 90, "fault symbolic": 9, "fault unknown_base": 3}


def test_random_alleles_in_repeats_come_out_as_from_bcftools(run: Any, tmp_path: Path) -> None:
    dice = random.Random(3)
    bases = ["ACACAC"]
    while sum(map(len, bases)) < 30_000:
        bases.append("".join(dice.choice("ACGT") for _ in range(dice.choice([1, 1, 2, 3, 4]))) * dice.choice([1, 1, 2, 5, 12]))
        if dice.random() < 0.01:
            bases.append("N" * dice.choice([1, 5, 50]))
    sequence = "".join(bases)
    fasta = tmp_path / "r.fa"
    fasta.write_text(f">c1\n{sequence}\n")
    genome = Genome(build_genome(fasta, tmp_path / "packs", "random", "1"))
    records: list[tuple[int, str, str]] = []
    while len(records) < 15_000:
        start = dice.randrange(len(sequence) - 20)
        ref = sequence[start : start + dice.choice([1, 1, 2, 3, 5, 9])].replace("N", dice.choice("ACGT"))
        choices = [
            ref[: dice.randint(1, len(ref))],
            ref + sequence[start : start + dice.randint(1, 6)].replace("N", "A"),
            ref[:1] * dice.randint(1, 4) + ref,
            "".join(dice.choice("ACGT") for _ in range(dice.randint(1, 5))),
        ]
        alts = sorted({alt for alt in dice.sample(choices, dice.randint(1, 3)) if alt != ref})
        if alts:
            records.append((start, ref, ",".join(alts)))
    records.sort()
    prepared = tmp_path / "sites.vcf"
    with prepared.open("w") as out:
        _header(out, [("c1", len(sequence))])
        for number, (start, ref, alt) in enumerate(records):
            _site(out, number, "c1", start + 1, ref, alt)
    sites = [("c1", start, ref) for start, ref, _ in records]
    causes = _compare(run(prepared, genome=genome), _bcftools(prepared, fasta), genome, sites)
    assert causes["equal"] > 20_000
    assert causes["unknown anchor"] > 50
    assert set(causes) == {"equal", UNKNOWN, "unknown anchor"}


def test_faults_have_reasons_of_their_own() -> None:
    assert len({fault.reason for fault in Fault}) == len(Fault)
