"""The filtering allele frequency of one group, for sources that give counts and none (Whiffin 2017, doi:10.1038/gim.2017.26)."""

from __future__ import annotations

from math import exp, lgamma, log, sqrt

CONFIDENCE = 0.95
_MANY = 5_000
_QUANTILE = -1.6448536269514722  # of the normal distribution at 5 %


def filtering_frequency(count: int, number: int) -> float:
    """FAF95 of `count` alleles among `number` haplotypes: 0.5·χ²(0.05; 2·AC)/AN, the greatest frequency at which a Poisson law gives fewer
    than `count` with 95 %. 0 where there is none.

    gnomAD's own values are found by search and differ in the third digit. Above 5,000 alleles Wilson and Hilferty's cube root (1931)
    stands for the quantile (relative error below 1e-6).
    """
    if count <= 0 or number <= 0:
        return 0.0
    if count > _MANY:
        return count * (1 - 1 / (9 * count) + _QUANTILE / sqrt(9 * count)) ** 3 / number
    low, high = 0.0, float(count)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _fewer(count, middle) > CONFIDENCE else (low, middle)
    return low / number


def _fewer(count: int, mean: float) -> float:
    """Probability of fewer than `count` events where `mean` are expected."""
    return sum(exp(k * log(mean) - mean - lgamma(k + 1)) for k in range(count))
