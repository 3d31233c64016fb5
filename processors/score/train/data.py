"""Labelled SNVs: two ClinVar releases of GRCh37, the gene models and the partial references that lie beside them.

A label is P/LP (1) or B/LB (0); uncertain, conflicting and everything else is no label. "New" means that the older release does not hold
the allele at all.
"""

from __future__ import annotations

import gzip
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from processors.annotate import terms
from processors.annotate.pick import pick_keys
from processors.annotate.regions import call_regions
from processors.annotate.stage import REACH, regions_of
from processors.knowledge.gff import GeneModels, read_gene_models
from processors.knowledge.transcripts import Transcripts, pack_models
from processors.score.features import snv_features
from processors.knowledge.sources.clinvar_terms import BENIGN, PATHOGENIC, parse_codes
from schemas.assembly import ContigTable, contig_table
from schemas.chunks import NONE, Region

BUILD = "GRCh37"
RELEASES = ("2016-08-31", "2017-04-04")
GENE_MODELS = ("vep_truth/genes.GRCh37.gff3.gz", "panel/cellbase_genes.GRCh37.gtf.gz")
REFERENCES = (
    "vep_truth/ref.GRCh37.fa.gz",
    "panel/cellbase_genes.exonic_reference.GRCh37.fa.gz",
    "panel/BRCA1_BRCA2.regions.GRCh37.fa.gz",
)
_FAMILIES = {"splice_donor": terms.SPLICE_DONOR, "splice_acceptor": terms.SPLICE_ACCEPTOR}


@dataclass(frozen=True)
class Labelled:
    """n scored SNVs: features float32[n, F], labels, the gene of each, whether the newer release brought it, and its contig."""

    features: npt.NDArray[np.float32]
    label: npt.NDArray[np.int8]
    gene: npt.NDArray[np.int64]
    new: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.label)


def load(data: Path, work: Path) -> tuple[Labelled, dict[str, int]]:
    """All labelled SNVs that have features, and how many fell out on the way. `work` is a scratch folder for the transcript pack."""
    table = contig_table(BUILD)
    transcripts = _transcripts(data, work, table)
    keys = pick_keys(transcripts)
    counts: Counter[str] = Counter()
    sites = _sites(data, table, counts)
    fragments = _fragments(data, table)
    parts: list[Labelled] = []
    for contig in sorted(fragments):
        rows = sites.get(contig)
        if rows is None:
            continue
        bases = _contig(table.contigs[contig].length, fragments[contig])
        position = np.array([row[0] for row in rows], dtype=np.int32)
        calls = call_regions(
            transcripts.layout, keys, contig, REACH, position, position + 1, np.ones(len(rows), dtype=np.int32)
        )  # fmt: skip
        region = regions_of(calls.pick_terms)
        chosen = np.flatnonzero(((region == Region.CODING) | (region == Region.SPLICE)) & (calls.pick != NONE))
        counts["outside_coding_and_splice"] += len(rows) - len(chosen)
        found = snv_features(
            chosen, position[chosen],
            np.array([rows[row][1] for row in chosen], dtype=np.uint8), np.array([rows[row][2] for row in chosen], dtype=np.uint8),
            calls.pick[chosen], calls.pick_terms[chosen], transcripts.layout, bases,
        )  # fmt: skip
        counts["reference_or_codon_unknown"] += len(chosen) - len(found.rows)
        parts.append(
            Labelled(
                found.matrix,
                np.array([rows[row][3] for row in found.rows], dtype=np.int8),
                calls.pick_gene[found.rows].astype(np.int64),
                np.array([rows[row][4] for row in found.rows], dtype=np.bool_),
            )
        )
    counts["labelled_with_features"] = sum(len(part) for part in parts)
    joined = Labelled(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.gene for part in parts]),
        np.concatenate([part.new for part in parts]),
    )
    return joined, dict(counts)


def _transcripts(data: Path, work: Path, table: ContigTable) -> Transcripts:
    """Models of all files; a transcript that several files hold is taken from the first."""
    models, seen = [], set()
    for name in GENE_MODELS:
        for model in read_gene_models(data / name).models:
            identity = model.name.split(".")[0]
            if identity not in seen:
                seen.add(identity)
                models.append(model)
    pack = pack_models(GeneModels(models, Counter()), work, table, name="training", version="1", source=" + ".join(GENE_MODELS), sha256="")
    return Transcripts(pack)


def _sites(data: Path, table: ContigTable, counts: Counter[str]) -> dict[int, list[tuple[int, int, int, int, bool]]]:
    """Contig → (position, REF, ALT, label, new), sorted."""
    old: dict[tuple[int, int, str, str], int | None] = {}
    for key, label in _release(data, RELEASES[0], table):
        old[key] = label
    rows: dict[int, list[tuple[int, int, int, int, bool]]] = {}
    for key, label in old.items():
        if label is not None:
            rows.setdefault(key[0], []).append((key[1], ord(key[2]), ord(key[3]), label, False))
            counts["labelled_old"] += 1
    for key, label in _release(data, RELEASES[1], table):
        if label is not None and key not in old:
            rows.setdefault(key[0], []).append((key[1], ord(key[2]), ord(key[3]), label, True))
            counts["labelled_new"] += 1
    return {contig: sorted(found) for contig, found in rows.items()}


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


def _fragments(data: Path, table: ContigTable) -> dict[int, list[tuple[int, bytes]]]:
    """Contig → known stretches (0-based start, bases) of all references. A record `1:69091-70008` names its own place, 1-based closed."""
    found: dict[int, list[tuple[int, bytes]]] = {}
    for name in REFERENCES:
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
