"""Structural records on their way through ingest: kept as faults and counted there, and called from what a fault keeps."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from processors.annotate.structural.kinds import Kind, Problem
from processors.annotate.structural.sites import sites_of_records
from processors.annotate.structural.stage import Structural, annotate_faults, structural_ids
from processors.ingest import ingest
from processors.ingest.source import read_header
from processors.knowledge.sources.sites import open_sites
from processors.pipeline import resources_from_files
from processors.records import read_records
from processors.resources import Resources
from schemas.chunks import ChunkKind, decode, encode

if TYPE_CHECKING:
    from tests.processors.conftest import World


@dataclass(frozen=True)
class Through:
    """Structural alleles of each chunk of faults, and the counts of the manifest."""

    found: list[Structural]
    quarantined: Counter[str]
    landed: int
    came_in: int

    def ids(self, resources: Resources) -> list[str]:
        return [name for one in self.found for name in structural_ids(one.places, resources.genome.table).to_pylist()]


def through(path: Path, resources: Resources, samples: int = 3) -> Through:
    names = [(name, f"id-{name}") for name in read_header(path).samples][:samples]
    reading = ingest(
        path, genome=resources.genome, build=resources.genome.table.build, samples=names, submission_id="s" * 32, revision_id="r" * 32,
        plan=resources.plan, lane="routine", epoch=0, options={}, announced_digest="",
    )  # fmt: skip
    chunks = [decode(encode(emitted.chunk)) for emitted in reading]
    found = [annotate_faults(chunk, resources) for chunk in chunks if chunk.header.kind is ChunkKind.FAULTS]
    counts: Counter[str] = Counter()
    for sample in reading.manifest().samples:
        counts.update(sample.quarantined)
    people = reading.manifest().samples
    return Through(found, counts, sum(one.landed for one in people), sum(one.variants_in for one in people))


def test_a_symbol_is_a_fault_that_is_counted_and_a_structural_allele_that_is_called(small_world: World) -> None:
    base, resources = small_world.sequence[999], small_world.resources()
    long = "CSQ=" + "x" * 9_000
    lines = [
        f"chrA\t1000\t.\t{base}\t<DEL>,<NON_REF>,<DUP>\t.\t.\t{long};END=1900;SVLEN=-900,0,900\tGT\t1/3",
        f"chrA\t1000\t.\t{base}\t{base}[chrA:9000[\t.\t.\t{long};SVTYPE=BND;MATEID=m\tGT\t0/1",
        f"chrA\t1000\t.\t{base}\t<DEL>\t.\t.\tEND=1900\tGT\t0/0",
        f"chrA\t1000\t.\t{base}\t*,<DEL>\t.\t.\tEND=10\tGT\t1/2",
        f"chrA\t1000\t.\t{base}\t<NON_REF>\t.\t.\tEND=1900\tGT\t0/1",
    ]
    path = small_world.folder / "carried.vcf"
    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tkid\n"
    path.write_text(head + "\n".join(lines) + "\n")
    result = through(path, resources)
    assert result.quarantined == {"symbolic": 4, "breakend": 1, "star_allele": 1}
    assert (result.landed, result.came_in) == (0, 6)
    assert result.ids(resources) == ["deletion:chrA:1001-1900", "duplication:chrA:1001-1900", "breakend:chrA:1000>chrA:8999<", ""]
    [found] = result.found
    assert found.places.problem.tolist() == [0, 0, 0, Problem.END_BEFORE_START]
    assert found.places.mate_id.to_pylist() == ["", "", "m", ""]
    assert found.sites.alt_index.tolist() == [1, 3, 1, 2]


@pytest.mark.real_data
def test_a_stream_and_a_file_call_real_structural_records_alike(real_data: Path, tmp_path: Path) -> None:
    folder, path = real_data / "vep_truth", real_data / "samples/HG02102.1000G.chr21.GRCh37.vcf.gz"
    files = (folder / "ref.GRCh37.fa.gz", folder / "genes.GRCh37.gff3.gz")
    resources = resources_from_files(*files, "hg19", tmp_path / "packs", provider="cpu")
    blocks = [Structural.of(sites_of_records(one.written), resources) for one in read_records(open_sites(path, resources.genome))]
    of_file = [name for one in blocks for name in structural_ids(one.places, resources.genome.table).to_pylist()]
    result = through(path, resources)
    assert result.ids(resources) == of_file
    assert len(of_file) == result.quarantined["symbolic"] == 39
    for one in result.found:
        assert (one.places.problem == 0).all()
        assert not (one.places.kind == Kind.UNKNOWN).any()
        assert sum(len(batch.rows) for batch in one.call()) == one.row_counts().sum()
    assert result.came_in == result.landed + sum(result.quarantined.values())
