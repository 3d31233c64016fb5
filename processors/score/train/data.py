"""Labelled SNVs: two ClinVar releases of GRCh37, and the gene models and partial references of both builds.

A site is judged on GRCh37 where exons and sequence are at hand there, else on GRCh38, to which its place is lifted by chain blocks
(features check REF against the sequence, so a wrong lift has none).

A label is P/LP (1) or B/LB (0); uncertain, conflicting and everything else is no label. "New" means that the older release does not hold
the allele at all.
"""

from __future__ import annotations

import bisect
import gzip
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from processors.annotate.options import DISTANCE
from processors.annotate.pick import pick_order
from processors.annotate.regions import call_consequences
from processors.annotate.stage import regions_of
from processors.knowledge.gff import GeneModels, read_gene_models
from processors.knowledge.sources.clinvar_terms import BENIGN, PATHOGENIC, parse_codes
from processors.knowledge.transcript_build import pack_models
from processors.knowledge.transcripts import Transcripts
from processors.score.features import snv_features
from schemas.assembly import ContigTable, contig_table
from schemas.chunks import NONE, Region

RELEASES = ("2016-08-31", "2017-04-04")
CHAIN = "liftover/grch37_to_grch38.over.chain.gz"


@dataclass(frozen=True)
class Side:
    """One build: its gene models and the partial references that together cover their exons. Of a transcript the first file counts."""

    build: str
    gene_models: tuple[str, ...]
    references: tuple[str, ...]


SIDES = (
    Side(
        "GRCh37",
        ("vep_truth/genes.GRCh37.gff3.gz", "panel/cellbase_genes.GRCh37.gtf.gz"),
        (
            "vep_truth/ref.GRCh37.fa.gz",
            "panel/cellbase_genes.exonic_reference.GRCh37.fa.gz",
            "panel/BRCA1_BRCA2.regions.GRCh37.fa.gz",
        ),
    ),
    Side(
        "GRCh38",
        ("vep_truth/genes.GRCh38.gff3.gz", "chr21_GRCh38/chr21.GRCh38.ensembl.gff3.gz", "panel/cellbase_genes.GRCh38.gtf.gz"),
        (
            "vep_truth/ref.GRCh38.fa.gz",
            "chr21_GRCh38/chr21.GRCh38.known.fa.gz",
            "panel/cellbase_genes.exonic_reference.GRCh38.fa.gz",
        ),
    ),
)


@dataclass(frozen=True)
class Site:
    """A labelled SNV by its GRCh37 place (contig index, 0-based position)."""

    contig: int
    position: int
    ref: str
    alt: str
    label: int
    new: bool


@dataclass(frozen=True)
class Labelled:
    """n SNVs: features float32[n, F], labels, a number for the gene of each, and whether only the newer release holds it."""

    features: npt.NDArray[np.float32]
    label: npt.NDArray[np.int8]
    gene: npt.NDArray[np.int64]
    new: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.label)


def load(data: Path, work: Path) -> tuple[Labelled, dict[str, int]]:
    """All labelled SNVs that have features on either build, and how many fell out on the way. `work` is a scratch folder for packs."""
    counts: Counter[str] = Counter()
    left = _sites(data, contig_table(SIDES[0].build), counts)
    genes: dict[str, int] = {}
    parts: list[tuple[npt.NDArray[np.float32], list[Site], list[int]]] = []
    for side in SIDES:
        lifted = [(site, site.position) for site in left] if side is SIDES[0] else _lift(data / CHAIN, left)
        found = _side(data, work, side, lifted, genes)
        taken = {site for _, sites, _ in found for site in sites}
        counts[f"with_features_on_{side.build}"] = len(taken)
        left = [site for site in left if site not in taken]
        parts += found
    sites = [site for _, some, _ in parts for site in some]
    return Labelled(
        np.concatenate([matrix for matrix, _, _ in parts]),
        np.array([site.label for site in sites], dtype=np.int8),
        np.array([gene for _, _, some in parts for gene in some], dtype=np.int64),
        np.array([site.new for site in sites], dtype=np.bool_),
    ), dict(counts)


def _side(
    data: Path, work: Path, side: Side, sites: list[tuple[Site, int]], genes: dict[str, int]
) -> list[tuple[npt.NDArray[np.float32], list[Site], list[int]]]:
    """(features, sites, gene numbers) of each contig of a build, for the sites that have features there."""
    table = contig_table(side.build)
    transcripts = _transcripts(data, work, side, table)
    order, layout = pick_order(transcripts), transcripts.layout
    fragments = _fragments(data, side, table)
    parts = []
    for contig in sorted(fragments):
        here = sorted((row for row in sites if row[0].contig == contig), key=lambda row: row[1])
        if not here:
            continue
        bases = _contig(table.contigs[contig].length, fragments[contig])
        position = np.array([at for _, at in here], dtype=np.int32)
        ref, alt = (
            np.array([ord(letter) for letter in letters], dtype=np.uint8)
            for letters in zip(*((s.ref, s.alt) for s, _ in here), strict=True)
        )
        each = np.arange(len(here), dtype=np.int64)
        calls = call_consequences(layout, order, None, contig, DISTANCE, position, position + 1, alt, each, each + 1)
        region = regions_of(calls.pick_terms)
        chosen = np.flatnonzero(((region == Region.CODING) | (region == Region.SPLICE)) & (calls.pick != NONE))
        found = snv_features(
            chosen, position[chosen], ref[chosen], alt[chosen], calls.pick[chosen], calls.pick_terms[chosen], layout, bases
        )
        names = [transcripts.gene_id[int(gene)].split(".")[0] for gene in calls.pick_gene[found.rows]]
        parts.append((found.matrix, [here[row][0] for row in found.rows], [genes.setdefault(name, len(genes)) for name in names]))
    return parts


def _lift(chain: Path, sites: list[Site]) -> list[tuple[Site, int]]:
    """Sites with their place on GRCh38, as far as a block of a forward chain between contigs of one name holds them."""
    blocks: dict[int, list[tuple[int, int, int]]] = {}
    table = contig_table(SIDES[0].build)
    with gzip.open(chain, "rt") as lines:
        source = -1
        at = to = 0
        for line in lines:
            words = line.split()
            if line.startswith("chain"):
                contig = table.resolve(words[2])
                same = contig is not None and words[7].removeprefix("chr") == words[2].removeprefix("chr") and words[9] == "+"
                source = contig if contig is not None and same else -1
                at, to = int(words[5]), int(words[10])
            elif words and source >= 0:
                size = int(words[0])
                blocks.setdefault(source, []).append((at, at + size, to - at))
                if len(words) == 3:
                    at, to = at + size + int(words[1]), to + size + int(words[2])
    starts = {contig: sorted(rows) for contig, rows in blocks.items()}
    lifted: list[tuple[Site, int]] = []
    for site in sites:
        rows = starts.get(site.contig, [])
        place = bisect.bisect_right(rows, (site.position, 1 << 40, 0)) - 1
        if place >= 0 and site.position < rows[place][1]:
            lifted.append((site, site.position + rows[place][2]))
    return lifted


def _transcripts(data: Path, work: Path, side: Side, table: ContigTable) -> Transcripts:
    models, seen = [], set()
    for name in side.gene_models:
        for model in read_gene_models(data / name).models:
            identity = model.name.split(".")[0]
            if identity not in seen:
                seen.add(identity)
                models.append(model)
    pack = pack_models(
        GeneModels(models, Counter()), work, table, name="training", version=side.build, source=" + ".join(side.gene_models), sha256=""
    )
    return Transcripts(pack)


def _sites(data: Path, table: ContigTable, counts: Counter[str]) -> list[Site]:
    """Labelled SNVs of the older release, then those that only the newer one holds."""
    old = dict(_release(data, RELEASES[0], table))
    sites = [Site(*key, label, False) for key, label in old.items() if label is not None]
    counts["labelled_old"] = len(sites)
    sites += [Site(*key, label, True) for key, label in _release(data, RELEASES[1], table) if label is not None and key not in old]
    counts["labelled_new"] = len(sites) - counts["labelled_old"]
    return sites


def _release(data: Path, date: str, table: ContigTable) -> list[tuple[tuple[int, int, str, str], int | None]]:
    found: list[tuple[tuple[int, int, str, str], int | None]] = []
    with gzip.open(data / f"grch37/clinvar_{date}.GRCh37.vcf.gz", "rt") as lines:
        for line in lines:
            if line.startswith("#"):
                continue
            chrom, position, _, ref, alt, _, _, info = line.rstrip("\n").split("\t")[:8]
            contig = table.resolve(chrom)
            if contig is None or len(ref) != 1 or len(alt) != 1 or table.contigs[contig].name == "MT":
                continue
            codes = next((item[11:] for item in info.split(";") if item.startswith("CLNSIGCODE=")), "")
            significance, _ = parse_codes(codes)
            label = 1 if significance in PATHOGENIC else 0 if significance in BENIGN else None
            found.append(((contig, int(position) - 1, ref, alt), label))
    return found


def _fragments(data: Path, side: Side, table: ContigTable) -> dict[int, list[tuple[int, bytes]]]:
    """Contig → known stretches (0-based start, bases) of all references. A record `1:69091-70008` names its own place, 1-based closed."""
    found: dict[int, list[tuple[int, bytes]]] = {}
    for name in side.references:
        with gzip.open(data / name, "rb") as handle:
            for record in handle.read().split(b">")[1:]:
                head, _, body = record.partition(b"\n")
                title = head.split()[0].decode()
                chrom, _, span = title.partition(":")
                contig = table.resolve(chrom)
                if contig is not None:
                    start = int(span.split("-")[0]) - 1 if span else 0
                    found.setdefault(contig, []).append((start, body.replace(b"\n", b"").upper()))
    return found


def _contig(length: int, fragments: list[tuple[int, bytes]]) -> npt.NDArray[np.uint8]:
    bases = np.full(length, ord("N"), dtype=np.uint8)
    for start, text in fragments:
        piece = np.frombuffer(text, dtype=np.uint8)
        target = bases[start : start + len(piece)]
        np.copyto(target, piece, where=piece != ord("N"))
    return bases
