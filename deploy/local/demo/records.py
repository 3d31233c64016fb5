"""A person's calls as the columns of a VCF: GT:DP:AD:GQ, multi-allelic records, and the odd records that every real file has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from deploy.local.demo.family import Haplotypes
from deploy.local.demo.genome import SyntheticGenome
from deploy.local.demo.sites import Sites
from deploy.local.demo.vcf import header, join_lines, numbers

LINES = (
    '##FILTER=<ID=q20,Description="Quality below 20">',
    '##ALT=<ID=DEL,Description="Deletion">',
    '##ALT=<ID=DUP,Description="Duplication">',
    '##INFO=<ID=END,Number=1,Type=Integer,Description="Last base of a symbolic allele">',
    '##INFO=<ID=SVTYPE,Number=1,Type=String,Description="Kind of structural variant">',
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
    '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Read depth">',
    '##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Reads of each allele">',
    '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Genotype quality">',
)
DEPTH = 34  # mean reads at a site
PER_PART = 100_000  # records joined at once


@dataclass(frozen=True)
class OddRecord:
    """A record that cannot land as it is, in part or whole. `start` is 0-based; `calls` is the text of GT:DP:AD:GQ."""

    contig: int
    start: int
    ref: str
    alt: str
    info: str
    calls: str


def person_vcf(
    rng: np.random.Generator,
    genome: SyntheticGenome,
    name: str,
    sites: Sites,
    haplotypes: Haplotypes,
    *,
    phased: bool,
    odd: Iterable[OddRecord] = (),
) -> Iterable[bytes]:
    """The parts of a person's VCF: header, then lines in order of place. Unphased genotypes have their lower allele first."""
    yield header(genome.build, [(n, len(b)) for n, b in genome.contigs.items()], LINES, ["FORMAT", name])
    rows = np.nonzero(haplotypes.any(axis=1))[0]
    calls = haplotypes[rows] if phased else np.sort(haplotypes[rows], axis=1)
    columns = _columns(rng, genome, sites, rows, calls, phased)
    contig, start = sites.contig[rows], sites.start[rows]
    strange = list(odd)
    if strange:
        names = list(genome.contigs)
        added = [
            [names[r.contig] for r in strange],
            [str(r.start + 1) for r in strange],
            ["."] * len(strange),
            [r.ref for r in strange],
            [r.alt for r in strange],
            ["50"] * len(strange),
            ["PASS"] * len(strange),
            [r.info for r in strange],
            ["GT:DP:AD:GQ"] * len(strange),
            [r.calls for r in strange],
        ]
        columns = [pa.concat_arrays([c.cast(pa.string()), pa.array(a, type=pa.string())]) for c, a in zip(columns, added, strict=True)]
        contig = np.concatenate([contig, [r.contig for r in strange]])
        start = np.concatenate([start, [r.start for r in strange]])
        order = pa.array(np.lexsort((start, contig)))
        columns = [column.take(order) for column in columns]
    for first in range(0, len(columns[0]), PER_PART):
        yield join_lines([column.slice(first, PER_PART) for column in columns])


def _columns(
    rng: np.random.Generator, genome: SyntheticGenome, sites: Sites, rows: npt.NDArray[np.int64], calls: Haplotypes, phased: bool
) -> list[pa.Array]:
    n = len(rows)
    take = pa.array(rows)
    second = pa.array(sites.second, type=pa.string()).take(take)
    double = np.asarray(pc.not_equal(second, ""))
    alt = pa.array(sites.alt, type=pa.string()).take(take)
    alt = pc.if_else(pc.not_equal(second, ""), pc.binary_join_element_wise(alt, second, ","), alt)
    bar = "|" if phased else "/"
    genotypes = pa.array([f"{a}{bar}{b}" for a in range(3) for b in range(3)]).take(
        pa.array(calls[:, 0].astype(np.int64) * 3 + calls[:, 1])
    )
    depth = 4 + rng.poisson(DEPTH - 4, n)
    share = np.stack([(calls == allele).mean(axis=1) for allele in range(3)], axis=1)
    noisy = share * 0.994 + np.array([0.003, 0.003, 0.0])
    reference = rng.binomial(depth, noisy[:, 0])
    first = np.where(double, rng.binomial(depth - reference, noisy[:, 1] / np.maximum(1e-9, 1 - noisy[:, 0])), depth - reference)
    reads = pc.binary_join_element_wise(numbers(reference), numbers(first), ",")
    reads = pc.if_else(pa.array(double), pc.binary_join_element_wise(reads, numbers(depth - reference - first), ","), reads)
    quality = np.minimum(99, 3 * depth - rng.integers(0, 20, n))
    names = pa.array(list(genome.contigs)).take(pa.array(sites.contig[rows]))
    return [
        names,
        numbers(sites.start[rows] + 1),
        pa.array(["."] * n),
        pa.array(sites.ref, type=pa.string()).take(take),
        alt,
        numbers(30 + depth * 20 + rng.integers(0, 50, n)),
        pa.array(["PASS", "q20"]).take(pa.array((rng.random(n) < 0.015).astype(np.int64))),
        pa.array(["."] * n),
        pa.array(["GT:DP:AD:GQ"] * n),
        pc.binary_join_element_wise(genotypes, numbers(depth), reads, numbers(quality), ":"),
    ]


def odd_records(rng: np.random.Generator, genome: SyntheticGenome, sites: Sites, haplotypes: Haplotypes) -> list[OddRecord]:
    """What real files hold beside clean calls: `*` under a deletion, symbolic alleles, unknown bases, a REF that is not the genome's."""
    contigs = list(genome.contigs.values())
    found: list[OddRecord] = []
    lengths = np.array([len(text) for text in sites.ref])
    under = np.nonzero((lengths >= 3) & (haplotypes.sum(axis=1) == 1))[0]
    for k in rng.permutation(under)[:60]:
        contig, start = int(sites.contig[k]), int(sites.start[k]) + 1
        ref = chr(contigs[contig][start])
        found.append(OddRecord(contig, start, ref, f"{'G' if ref != 'G' else 'T'},*", ".", "1/2:31:1,14,16:80"))
    for k in range(24):
        contig, start = _somewhere(rng, contigs)
        kind, size = ("DEL", "DUP")[k % 2], int(rng.integers(300, 9_000))
        ref = chr(contigs[contig][start])
        found.append(OddRecord(contig, start, ref, f"<{kind}>", f"SVTYPE={kind};END={start + size}", "0/1:30:16,14:70"))
    for _ in range(8):
        contig, start = _somewhere(rng, contigs)
        ref = next(b for b in "ACGT" if ord(b) != contigs[contig][start])
        alt = next(b for b in "ACGT" if b not in (ref, chr(contigs[contig][start])))
        found.append(OddRecord(contig, start, ref, alt, ".", "0/1:28:15,13:66"))
    for _ in range(8):
        contig, start = _somewhere(rng, contigs)
        ref = chr(contigs[contig][start])
        found.append(OddRecord(contig, start, ref, f"{ref}NN", ".", "0/1:28:15,13:66"))
    return found


def _somewhere(rng: np.random.Generator, contigs: list[npt.NDArray[np.uint8]]) -> tuple[int, int]:
    contig = int(rng.integers(0, len(contigs)))
    return contig, int(rng.integers(20_000, len(contigs[contig]) - 20_000))
