"""Figures of a model: AUROC, AUPRC with bootstrap intervals, calibration, beside a baseline of substitution alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, roc_auc_score

from processors.score.features import NAMES

BOOTSTRAPS = 500
_AT = {name: column for column, name in enumerate(NAMES)}
CLASSES = ("missense", "synonymous", "stop_gained", "start_lost", "splice_donor", "splice_acceptor", "splice_region")


def substitution_baseline(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """−BLOSUM62 for missense; what ends or breaks a protein above every missense change, a silent change below."""
    score = -features[:, _AT["blosum62"]].astype(np.float64)
    for name in ("stop_gained", "start_lost", "splice_donor", "splice_acceptor"):
        score[features[:, _AT[name]] > 0] = 10
    score[features[:, _AT["stop_lost"]] > 0] = 5
    score[features[:, _AT["synonymous"]] > 0] = -10
    return score


def is_class(features: npt.NDArray[np.float32], name: str) -> npt.NDArray[np.bool_]:
    return np.asarray(features[:, _AT[name]] > 0, dtype=np.bool_)


def compare(
    label: npt.NDArray[np.int8], scores: dict[str, npt.NDArray[Any]], seed: int, fold: npt.NDArray[np.int64] | None = None
) -> dict[str, Any]:
    """AUROC and AUPRC of several scores on the same variants, each with a 95 % bootstrap interval.

    With `fold`, scores come from several models, whose levels are not alike: figures are taken within each fold and averaged by size.
    """
    folds = np.zeros(len(label), dtype=np.int64) if fold is None else fold
    positives = int(label.sum())
    result: dict[str, Any] = {"n": len(label), "pathogenic": positives}
    if positives < 5 or len(label) - positives < 5:
        return {**result, "note": "too few of one class"}
    draws = np.random.default_rng(seed).integers(0, len(label), size=(BOOTSTRAPS, len(label)))
    for name, score in scores.items():
        for figure, function in (("auroc", roc_auc_score), ("auprc", average_precision_score)):
            sampled = [_within_folds(function, label[row], score[row], folds[row]) for row in draws]
            low, high = np.nanpercentile(sampled, [2.5, 97.5])
            whole = _within_folds(function, label, score, folds)
            result[f"{name}_{figure}"] = [round(float(value), 4) for value in (whole, low, high)]
    return result


def _within_folds(
    function: Callable[..., float], label: npt.NDArray[np.int8], score: npt.NDArray[Any], folds: npt.NDArray[np.int64]
) -> float:
    """Mean over the folds that have both classes, weighted by their size; NaN where none has."""
    total, weight = 0.0, 0
    for fold in np.unique(folds):
        rows = folds == fold
        if 0 < label[rows].sum() < rows.sum():
            total += float(function(label[rows], score[rows])) * int(rows.sum())
            weight += int(rows.sum())
    return total / weight if weight else float("nan")


def calibration(label: npt.NDArray[np.int8], score: npt.NDArray[Any], bins: int = 10) -> list[list[float]]:
    """[mean score, share pathogenic, n] of equal-width bins that hold any."""
    at = np.minimum((score * bins).astype(np.int64), bins - 1)
    return [
        [round(float(score[at == b].mean()), 3), round(float(label[at == b].mean()), 3), int((at == b).sum())]
        for b in range(bins)
        if bool((at == b).any())
    ]


def threshold_at_precision(label: npt.NDArray[np.int8], score: npt.NDArray[Any], precision: float) -> tuple[float, float]:
    """(lowest score from which on at least this share is pathogenic, recall there)."""
    order = np.argsort(-score)
    hits = np.cumsum(label[order])
    shares = hits / np.arange(1, len(order) + 1)
    good = np.flatnonzero(shares >= precision)
    if len(good) == 0:
        return 1.0, 0.0
    place = int(good[-1])
    return float(score[order[place]]), float(hits[place] / label.sum())
