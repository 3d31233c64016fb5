"""The small world on which `processors.warm` runs the stages: a contig, genes of both strands, a phased sample, what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from processors.annotate.cache import AnnotationCache
from processors.annotate.compound.render import named
from processors.annotate.compound.stage import call_compounds
from processors.annotate.hgvs.style import Style
from processors.annotate.render import Renderer, TranscriptRows, alleles_of
from processors.annotate.stage import annotate
from processors.annotate.structural.stage import annotate_faults
from processors.ingest.chunker import ingest
from processors.interpret.stage import screen
from processors.knowledge.diff import diff
from processors.knowledge.download import bsd_sum
from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.pack import activate
from processors.knowledge.source import Request, build_source
from processors.knowledge.sources import clinvar, frequency
from processors.knowledge.transcript_build import build_transcripts
from processors.output.table import COLUMNS, EXTRA_COLUMNS, Group, Picking
from processors.pipeline import Choices, annotate_file
from processors.resources import Resources, plan_for
from processors.score.models import bundled_model_pack
from processors.score.stage import score
from schemas.chunks import TRANSCRIPT, Chunk, ChunkKind, decode, encode

BUILD = "warm"
_LENGTH = 24_000
_CACHE = 1 << 20  # bytes
_HGVS = ("hgvsg", "hgvsc", "hgvsp")


def _sequence() -> str:
    return "".join("ACGT"[base] for base in np.random.default_rng(1).integers(0, 4, _LENGTH))


def _models() -> str:
    """GFF3 of a coding gene on each strand and a non-coding one."""
    lines = ["##gff-version 3"]
    for number, (strand, kind) in enumerate((("+", "protein_coding"), ("-", "protein_coding"), ("+", "lncRNA"))):
        first = 2_000 + number * 7_000
        exons = [(first, first + 299), (first + 1_000, first + 1_299), (first + 2_000, first + 2_299)]
        lines.append(
            f"1\t.\tgene\t{first}\t{exons[-1][1]}\t.\t{strand}\t.\tID=gene:G{number};Name=S{number};gene_id=G{number};biotype={kind}"
        )
        lines.append(
            f"1\t.\tmRNA\t{first}\t{exons[-1][1]}\t.\t{strand}\t.\t"
            f"ID=transcript:T{number};Parent=gene:G{number};biotype={kind};transcript_id=T{number};version=1"
        )
        lines += [f"1\t.\texon\t{start}\t{end}\t.\t{strand}\t.\tParent=transcript:T{number}" for start, end in exons]
        if kind == "protein_coding":
            spans = [(first + 60, first + 299), exons[1], (first + 2_000, first + 2_239)]
            lines += [
                f"1\t.\tCDS\t{start}\t{end}\t.\t{strand}\t0\tID=CDS:P{number};Parent=transcript:T{number};protein_id=P{number}"
                for start, end in spans
            ]
    return "\n".join(lines) + "\n"


def _records(sequence: str) -> list[tuple[int, str, str, str]]:
    """(position 1-based, REF, ALT, INFO) all along the genes, sorted: two SNVs in a codon, deletions, insertions, structural records."""
    records: list[tuple[int, str, str, str]] = []
    for position in range(1_500, 19_000, 250):
        for step in (0, 1, 40, 80):
            base = sequence[position + step - 1]
            other = "ACGT"["ACGT".index(base) - 1]
            behind = sequence[position + step]
            ref, alt = {40: (base + behind, base), 80: (base, base + other)}.get(step, (base, other))
            records.append((position + step, ref, alt, "."))
        at = position + 120
        base = sequence[at - 1]
        structural = (
            ("<DEL>", f"SVTYPE=DEL;END={at + 90}"),
            (f"{base}[1:{at + 900}[", "SVTYPE=BND;MATEID=m"),
            ("<DUP>", f"SVTYPE=DUP;END={at + 90}"),
        )
        records.append((at, base, *structural[position // 250 % 3]))
    return records


def _vcf(path: Path, lines: list[str], sample: str = "") -> Path:
    heads = ["##fileformat=VCFv4.2", f"##contig=<ID=1,length={_LENGTH}>", '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
    heads.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO" + (f"\tFORMAT\t{sample}" if sample else ""))
    path.write_text("\n".join([*heads, *lines]) + "\n")
    return path


_MAPPING = """keyed = "allele"
main = "n"
[place]
contig = "chr"
position = "pos"
ref = "r"
alt = "a"
[columns.n]
from = "n"
type = "number"
[columns.note]
from = "note"
type = "text"
"""
_DBNSFP = "#chr\tpos(1-based)\tref\talt\taaref\taaalt\tgenename\tSIFT_score\tREVEL_score\nM\t1\tA\tC\tK\tN\tS1;S1\t.;0.1\t0.5;0.2\n"


def _build_tables(folder: Path, packs: Path, genome: Genome, small: list[tuple[int, str, str]]) -> None:
    """Packs of tables and of a laboratory's own files, for the kernels that cut and read their columns."""
    (folder / "table.toml").write_text(_MAPPING)
    (folder / "table.tsv").write_text("chr\tpos\tr\ta\tn\tnote\n" + "".join(f"1\t{p}\t{r}\t{a}\t0.5\tx\n" for p, r, a in small))
    (folder / "sites.toml").write_text('keyed = "allele"\n[columns.af]\nfrom = "AF"\ntype = "number"\n')
    (folder / "regions.toml").write_text('keyed = "region"\n[columns.n]\nfrom = 4\ntype = "number"\n')
    (folder / "regions.bed").write_text("1\t1\t9\t0.5\n1\t3\t20\t.\n")
    for name, files in (("table", "table.tsv"), ("sites", "sites.vcf"), ("regions", "regions.bed")):
        build_source(Request(f"user.{name}", (folder / files, folder / f"{name}.toml"), packs, BUILD, "1", genome))
    said = [f"1\t{p}\t.\t{r}\t{a}\t.\t.\tSpliceAI={a}|S0|0.1|0|0|0|1|-2|3|." for p, r, a in small]
    build_source(Request("spliceai", (_vcf(folder / "spliceai.vcf", said),), packs, BUILD, "1", genome))
    (folder / "mt.fa").write_text(f">MT\n{'ACGT' * 4142}A\n")  # dbNSFP has places on known builds only
    human = Genome(build_genome(folder / "mt.fa", packs, "GRCh38", "1"))
    (folder / "dbnsfp.tsv").write_text(_DBNSFP)
    build_source(Request("dbnsfp", (folder / "dbnsfp.tsv",), packs, "GRCh38", "4", human))
    bsd_sum(folder / "dbnsfp.tsv")


def _build_others(folder: Path, packs: Path, genome: Genome, small: list[tuple[int, str, str]]) -> None:
    """Packs that no stage here reads, for the kernels of their parsers."""
    numbers = {"AC": "A", "AN": "1", "AF": "A", "grpmax": "A"}
    heads = "".join(f'##INFO=<ID={key},Number={number},Type=String,Description="x">\n' for key, number in numbers.items())
    lines = "".join(f"1\t{p}\trs{k}\t{r}\t{a}\t.\tAC0\tAC=1;AN=9;AF=0.1;grpmax=nfe\n" for k, (p, r, a) in enumerate(small))
    source = folder / "sites.vcf"
    source.write_text(f"##fileformat=VCFv4.2\n{heads}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n{lines}")
    for kind in ("gnomad_exomes", "dbsnp"):
        build_source(Request(kind, (source,), packs, BUILD, "1", genome))
    _build_tables(folder, packs, genome, small)


def _world(folder: Path, known: bool) -> tuple[Path, Resources]:
    """A sample's VCF, and resources with what is `known` of its alleles."""
    sequence = _sequence()
    (folder / "genome.fa").write_text(f">1\n{sequence}\n")
    (folder / "genes.gff3").write_text(_models())
    packs = folder / "packs"
    records = _records(sequence)
    genome = build_genome(folder / "genome.fa", packs, BUILD, "1")
    opened = Genome(genome)
    activate(packs, genome)
    activate(packs, build_transcripts(folder / "genes.gff3", packs, opened.table, name="genes", version="1", genome=opened))
    activate(packs, bundled_model_pack(packs))
    if known:
        small = [(position, ref, alt) for position, ref, alt, info in records if info == "."]
        said = [
            f"1\t{p}\t{k}\t{r}\t{a}\t.\t.\tCLNSIG=Pathogenic;CLNREVSTAT=no_assertion_provided;CLNDN=x" for k, (p, r, a) in enumerate(small)
        ]
        releases = [
            clinvar.build(Request("clinvar", (_vcf(folder / f"clinvar{k}.vcf", said[k::2]),), packs, BUILD, str(k), opened)) for k in (0, 1)
        ]
        diff(*releases)
        activate(packs, releases[0])
        seen = [f"1\t{p}\t.\t{r}\t{a}\t.\tPASS\tAF=0.01" for p, r, a in small]
        activate(packs, frequency.build(Request("frequency", (_vcf(folder / "frequency.vcf", seen[::2]),), packs, BUILD, "1", opened)))
        _build_others(folder, packs, opened, small)
    lines = [f"1\t{p}\t.\t{r}\t{a}\t30\tPASS\t{info}\tGT:GQ:DP:AD:PS\t0|1:30:20:10,10:5" for p, r, a, info in records]
    sample = _vcf(folder / "sample.vcf", lines, "person")
    return sample, Resources.load(plan_for(packs, BUILD), packs, "cpu", AnnotationCache(_CACHE) if known else None)


def effects(folder: Path) -> None:
    """What alleles do to transcripts, small ones and structural ones, as a table without HGVS names."""
    sample, resources = _world(folder, known=False)
    columns = tuple(name for name in (*COLUMNS, *EXTRA_COLUMNS) if name not in _HGVS)
    annotate_file(sample, folder / "out.tsv", resources, choices=Choices(columns=columns))


def names(folder: Path) -> None:
    """Ingest, and the HGVS names of every allele on every transcript."""
    sample, resources = _world(folder, known=False)
    renderers = [Renderer(resources.transcripts, resources.genome, style=Style(vep=vep)) for vep in (True, False)]
    for chunk in _chunks(sample, resources):
        if chunk.header.kind is not ChunkKind.ALLELES:
            continue
        n, transcripts = chunk.rows.num_rows, len(resources.transcripts)
        fields = {field.name: np.zeros(n * transcripts, dtype=field.type.to_pandas_dtype()) for field in TRANSCRIPT}
        fields["transcript"] = np.tile(np.arange(transcripts, dtype=np.uint32), n)
        rows = TranscriptRows(np.repeat(np.arange(n, dtype=np.int32), transcripts), **fields)
        for renderer in renderers:
            renderer.columns(alleles_of(chunk.rows, 0), chunk.rows.column("flags").to_numpy(), rows, _HGVS)


def rest(folder: Path) -> None:
    """All that a file and a sample go through: every format and way of picking; lookups, cache, scores, findings, compounds."""
    sample, resources = _world(folder, known=True)
    for number, (ending, vep) in enumerate((("tsv", True), ("parquet", False), ("vcf.gz", True))):
        picking = Picking(tuple(Group)[number % len(Group)], reduce=number == 1)
        annotate_file(sample, folder / f"out.{ending}", resources, choices=Choices(style=Style(vep=vep), picking=picking))
    for chunk in _chunks(sample, resources):
        if chunk.header.kind is ChunkKind.FAULTS:
            annotate_faults(chunk, resources)
            continue
        for scored in score([annotate(chunk, resources)], resources):
            screen(scored, resources)
        named(call_compounds(chunk, resources), resources)


def _chunks(sample: Path, resources: Resources) -> Iterator[Chunk]:
    """Chunks of the sample, as they come out of a message."""
    reading = ingest(
        sample, genome=resources.genome, build=BUILD, samples=[("person", "1")], submission_id="", revision_id="", plan=resources.plan,
        lane="", epoch=0, options={}, boundaries=resources.boundaries, coding_exons=resources.coding_exons,
    )  # fmt: skip
    with reading:
        for emitted in reading:
            yield decode(encode(emitted.chunk))
        reading.manifest()


PARTS: dict[str, Callable[[Path], None]] = {"effects": effects, "names": names, "rest": rest}
"""The first two share few kernels and compile side by side; the last, after both, compiles what is left."""
