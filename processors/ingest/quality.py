"""Quality control of a sample from its calls: Ti/Tv, het/hom, depth, genotype quality, call rate, sex, allele balance, coverage.

Counts are over landed alleles; depth, quality and call rate over the genotypes of all well-formed variant records. A figure without a
basis is left out, never zero.
"""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from processors.ingest.rows import Alleles
from schemas.assembly import PSEUDO_AUTOSOMAL, ContigTable
from schemas.chunks import Flag

Array = npt.NDArray[Any]


class Sex(enum.IntEnum):
    """Sex as the calls show it. Uncertain and not assessable both block conclusions on X."""

    NOT_ASSESSABLE = 0
    MALE = 1
    FEMALE = 2
    UNCERTAIN = 3


MIN_X_CALLS = 50
"""SNVs on X outside the pseudo-autosomal regions that a sex check needs."""
MALE_HET_SHARE, FEMALE_HET_SHARE = 0.15, 0.30
"""Share of heterozygous SNVs among them: below the first male, above the second female. A diploid X has a share of about 0.5 to 0.65,
a haploid one only what mapping errors leave (a few per cent); between lie XXY, mosaics, contamination."""
BALANCE_DEPTH = 20
"""Reads (REF and ALT) that a heterozygous SNV needs to enter the allele balance."""

COUNTS = np.dtype(
    [
        (name, np.int64)
        for name in (
            "snv", "transitions", "insertions", "deletions", "complex", "het", "hom", "haploid", "x_het", "x_hom", "x_haploid",
            "y_calls", "mt_calls",
            "ploidy_contradictions", "balance_count", "balance_outliers", "hom_ref_reads", "hom_reads",
        )
    ] + [("balance_sum", np.float64), ("balance_squares", np.float64)]
)  # fmt: skip

_AUTOSOME, _X, _Y, _MT, _OTHER = 0, 1, 2, 3, 4
_PLOIDY = int(Flag.PLOIDY)
_REPEAT = int(Flag.REPEAT)


class Quality:
    """Counts of every sample of a submission."""

    def __init__(self, table: ContigTable, samples: int) -> None:
        self.counts = np.zeros(samples, dtype=COUNTS)
        self._kinds = np.array([_kind(contig.name) for contig in table.contigs], dtype=np.int8)
        regions = PSEUDO_AUTOSOMAL.get(table.build, {})
        self._par = {name: np.array(spans, dtype=np.int64).reshape(-1, 2) for name, spans in regions.items()}
        self._names = [contig.name.removeprefix("chr") for contig in table.contigs]

    def add(self, contig: int, alleles: Alleles) -> None:
        """Count alleles of one contig, and set Flag.PLOIDY where a call contradicts the place whatever the sex.

        That is a haploid call on an autosome or in a pseudo-autosomal region of X, and a heterozygous one on Y outside of them.
        """
        par = self._par.get(self._names[contig], np.zeros((0, 2), dtype=np.int64))
        _count(
            self.counts, int(self._kinds[contig]), par, alleles.start, alleles.ref.offsets, alleles.ref.values, alleles.alt.offsets,
            alleles.alt.values, alleles.flags, alleles.calls.offsets, alleles.calls.values,
        )  # fmt: skip

    def sex(self, sample: int) -> Sex:
        het, hom = int(self.counts[sample]["x_het"]), int(self.counts[sample]["x_hom"])
        if het + hom < MIN_X_CALLS:
            return Sex.NOT_ASSESSABLE
        share = het / (het + hom)
        return Sex.MALE if share < MALE_HET_SHARE else Sex.FEMALE if share > FEMALE_HET_SHARE else Sex.UNCERTAIN

    def figures(self, sample: int, tally: Any, depths: Array, qualities: Array) -> dict[str, float]:
        """Named figures of one sample; `tally` a row of layout.TALLY, `depths` and `qualities` its histograms.

        `sex` is a Sex. `contamination_signal` is the share of REF reads at homozygous ALT SNVs: near 0 in a clean sample, about half the
        admixed share in a contaminated one. `sex_contradictions` are SNVs on X outside the pseudo-autosomal regions that the sex does not
        allow: heterozygous ones of a male (mosaic, XXY, mapping), haploid ones of a female. `het_balance_*` are of ALT reads among REF
        and ALT reads of heterozygous autosomal SNVs.
        """
        row = self.counts[sample]
        figures = {
            name: float(row[name])
            for name in (
                "snv", "transitions", "insertions", "deletions", "complex", "het", "hom", "haploid", "x_het", "x_hom", "y_calls",
                "mt_calls", "ploidy_contradictions",
            )
        }  # fmt: skip
        sex = self.sex(sample)
        figures["sex"] = float(sex)
        if sex in (Sex.MALE, Sex.FEMALE):
            figures["sex_contradictions"] = float(row["x_het"] if sex is Sex.MALE else row["x_haploid"])

        def ratio(name: str, above: float, below: float) -> None:
            if below > 0:
                figures[name] = float(above) / float(below)

        ratio("ti_tv", row["transitions"], row["snv"] - row["transitions"])
        ratio("het_hom", row["het"], row["hom"])
        ratio("x_het_share", row["x_het"], row["x_het"] + row["x_hom"])
        ratio("call_rate", tally["called"], tally["genotypes"])
        ratio("depth_mean", tally["depth_sum"], tally["depth_count"])
        ratio("quality_mean", tally["quality_sum"], tally["quality_count"])
        ratio("contamination_signal", row["hom_ref_reads"], row["hom_reads"])
        count = int(row["balance_count"])
        if count:
            mean = float(row["balance_sum"]) / count
            figures["het_balance_mean"] = mean
            figures["het_balance_deviation"] = float(max(row["balance_squares"] / count - mean * mean, 0.0) ** 0.5)
            figures["het_balance_outliers"] = float(row["balance_outliers"]) / count
        for name, bins in (("depth_median", depths), ("quality_median", qualities)):
            if bins.sum():
                figures[name] = float(np.searchsorted(np.cumsum(bins), (bins.sum() + 1) // 2))
        if tally["block_bases"]:
            figures["covered_bases"] = float(tally["block_bases"])
            ratio("covered_depth_mean", tally["block_depth"], tally["block_bases"])
            ratio("covered_20x_share", tally["block_bases_20"], tally["block_bases"])
        return figures


def _kind(name: str) -> int:
    plain = name.removeprefix("chr")
    if plain.isdigit():
        return _AUTOSOME
    return {"X": _X, "Y": _Y, "MT": _MT, "M": _MT}.get(plain, _OTHER)


@njit(cache=True, nogil=True)
def _count(  # type: ignore[no-untyped-def]  # noqa: PLR0912, PLR0915
    counts, kind, par, starts, ref_offsets, ref, alt_offsets, alt, flags, call_offsets, calls
):
    for i in range(starts.shape[0]):
        r = ref_offsets[i + 1] - ref_offsets[i]
        a = alt_offsets[i + 1] - alt_offsets[i]
        snv = r == 1 and a == 1
        transition = False
        if snv:
            x, y = ref[ref_offsets[i]], alt[alt_offsets[i]]
            # A (65) <-> G (71), C (67) <-> T (84)
            transition = x + y == 136 or x + y == 151
        pseudo = False
        for p in range(par.shape[0]):
            if par[p, 0] <= starts[i] < par[p, 1]:
                pseudo = True
        repeat = flags[i] & _REPEAT != 0
        for j in range(call_offsets[i], call_offsets[i + 1]):
            call = calls[j]
            count = counts[call.sample]
            copies = 0
            for h in range(call.ploidy):
                copies += (call.haplotypes >> h) & 1
            complete = call.missing == 0
            hom = complete and call.ploidy > 1 and copies == call.ploidy
            het = complete and call.ploidy > 1 and copies < call.ploidy
            haploid_wrong = call.ploidy == 1 and (kind == _AUTOSOME or (kind == _X and pseudo))
            if haploid_wrong or (kind == _Y and het and not pseudo):
                flags[i] |= _PLOIDY
                count.ploidy_contradictions += 1
            if repeat:
                continue
            if snv:
                count.snv += 1
                count.transitions += transition
            elif r == 1 and a > 1 and ref[ref_offsets[i]] == alt[alt_offsets[i]]:
                count.insertions += 1
            elif a == 1 and r > 1 and ref[ref_offsets[i]] == alt[alt_offsets[i]]:
                count.deletions += 1
            else:
                count.complex += 1
            count.het += het
            count.hom += hom
            count.haploid += call.ploidy == 1
            if kind == _X and not pseudo and snv:
                count.x_het += het
                count.x_hom += hom or call.ploidy == 1
                count.x_haploid += call.ploidy == 1
            elif kind == _Y and not pseudo:
                count.y_calls += 1
            elif kind == _MT:
                count.mt_calls += 1
            if snv and kind == _AUTOSOME and call.depth_ref >= 0 and call.depth_alt >= 0 and call.other_alts == 0:
                reads = call.depth_ref + call.depth_alt
                if het and reads >= BALANCE_DEPTH:
                    share = call.depth_alt / reads
                    count.balance_count += 1
                    count.balance_sum += share
                    count.balance_squares += share * share
                    count.balance_outliers += share < 0.2 or share > 0.8
                elif hom:
                    count.hom_ref_reads += call.depth_ref
                    count.hom_reads += reads
