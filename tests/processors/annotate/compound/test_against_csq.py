"""Compounds on real transcripts beside bcftools csq; what differs is explained in ../DIFFERENCES-compound.md."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.transcript_build import build_transcripts
from processors.knowledge.transcripts import Transcripts
from processors.resources import Resources
from schemas.compounds import CompoundFlag, CompoundKind
from schemas.plan import Plan
from tests.processors.annotate.compound.oracle import causes, csq_answers, our_answers, spelled_proteins, write_pairs

SAMPLES = 60


@pytest.fixture(scope="module")
def chr21(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Resources:
    folder, packs = real_data / "chr21_GRCh38", tmp_path_factory.mktemp("packs")
    genome = Genome(build_genome(folder / "chr21.GRCh38.known.fa.gz", packs, "GRCh38", "1"))
    pack = build_transcripts(folder / "chr21.GRCh38.ensembl.gff3.gz", packs, genome.table, name="chr21", version="1", genome=genome)
    return Resources(plan=Plan("GRCh38", ()), genome=genome, transcripts=Transcripts(pack), clinvar=None, model=None)


@pytest.mark.real_data
def test_made_compounds_on_real_transcripts_are_as_csq_calls_them_or_explained(real_data: Path, chr21: Resources, tmp_path: Path) -> None:
    if shutil.which("bcftools") is None:
        pytest.skip("no bcftools")
    folder, vcf = real_data / "chr21_GRCh38", tmp_path / "pairs.vcf"
    write_pairs(chr21, vcf, samples=SAMPLES, seed=3)
    ours = our_answers(vcf, chr21)
    theirs = csq_answers(vcf, folder / "chr21.GRCh38.known.fa.gz", folder / "chr21.GRCh38.ensembl.gff3.gz", tmp_path)
    names = {chr21.transcripts.name[row].split(".")[0]: row for row in range(len(chr21.transcripts))}
    begun = frozenset(name for name, row in names.items() if chr21.transcripts.layout.pad[row])
    records: dict[int, dict[int, tuple[int, str, str]]] = defaultdict(dict)
    for line in vcf.read_text().splitlines():
        if not line.startswith("#"):
            fields = line.split("\t")
            for sample, genotype in enumerate(fields[9:]):
                if "1" in genotype:
                    records[sample][int(fields[1])] = (int(fields[1]), fields[3], fields[4])
    read = 0
    for (sample, _, name, positions), (kind, flags, answer) in ours.items():
        if flags & CompoundFlag.MODEL:
            continue
        before, after = spelled_proteins(chr21, names[name], [records[sample][place] for place in positions])
        head = before[: answer.residue - 1]
        whole = head + answer.after + ("" if kind is CompoundKind.SHIFTED else before[len(head) + len(answer.before) :])
        lost = answer.before.endswith("*") and "*" not in answer.after
        assert (whole[: whole.find("*") + 1] or whole) == after or (lost and after.startswith(head + answer.after)), (name, answer)
        read += 1
    assert read > 2 * SAMPLES
    found = Counter[str]()
    for cause, _, one, _ in causes({key: answer for key, (_, _, answer) in ours.items()}, theirs, begun):
        found[cause] += 1
        assert cause != "other" or one is not None
    assert found["same"] + found["decay"] > found.total() / 3
    assert found["other"] < found.total() / 20
