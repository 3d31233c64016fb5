"""`python -m processors.score.train --data DIR --out FOLDER`: load, fit, judge by time and by gene, write the model folder."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import GroupKFold

from processors.score.features import COUNT, FEATURE_VERSION, SCHEMA_HASH
from processors.score.models import BUNDLED
from processors.score.session import Wanted, open_session
from processors.score.train import data as labelled
from processors.score.train.figures import CLASSES, calibration, compare, is_class, substitution_baseline, threshold_at_precision
from processors.score.train.network import HIDDEN, MEMBERS, fit, to_onnx

SEED = 20_260
GOLDEN_ROWS = 64
TOLERANCE = 1e-4
PRECISION = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m processors.score.train", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the shared real data")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write")
    parser.add_argument("--version", default="1")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        found, counts = labelled.load(chosen.data, Path(work))
    card = train(found, counts, chosen.out, chosen.version)
    sys.stdout.write(json.dumps(card["figures"], indent=1) + "\n")


def train(found: labelled.Labelled, counts: dict[str, int], out: Path, version: str) -> dict[str, Any]:
    """Fit on the older release, judge, write card, graph and golden vectors; returns the card."""
    old = ~found.new
    features, label, gene = found.features[old], found.label[old], found.gene[old]
    held_out, fold = np.zeros(len(label)), np.zeros(len(label), dtype=np.int64)
    for number, (train_rows, test_rows) in enumerate(GroupKFold(n_splits=5, shuffle=True, random_state=SEED).split(features, label, gene)):
        fold[test_rows] = number
        held_out[test_rows] = fit(features[train_rows], label[train_rows], gene[train_rows], SEED + 100 * number).predict(
            features[test_rows]
        )
    network = fit(features, label, gene, SEED)
    graph = to_onnx(network)
    session = open_session(graph, Wanted.CPU)
    later = found.features[found.new]
    later_label, later_score = found.label[found.new], session.run(later)
    unseen = ~np.isin(found.gene[found.new], gene)
    threshold, recall = threshold_at_precision(label, held_out, PRECISION)
    figures: dict[str, Any] = {
        "by_time": _figures(later_label, later_score, later),
        "by_gene": _figures(label, held_out, features, fold),
        "by_gene_is": "five models, each without a fifth of the genes, judged there; figures within each fold, averaged by size",
        "by_time_in_genes_without_training_variants": {
            "n": int(unseen.sum()),
            "pathogenic": int(later_label[unseen].sum()),
        },
        "calibration_by_time": calibration(later_label, later_score),
        "calibration_by_gene": calibration(label, held_out),
        "threshold": {
            "chosen": f"lowest score with precision {PRECISION} in held-out genes of the training release",
            "recall_there": round(recall, 3),
            "precision_by_time": round(float(later_label[later_score >= threshold].mean()), 3),
            "recall_by_time": round(float((later_score >= threshold)[later_label == 1].mean()), 3),
        },
    }
    rows = np.random.default_rng(SEED).choice(len(later), size=min(GOLDEN_ROWS, len(later)), replace=False)
    card = {
        "name": BUNDLED,
        "version": version,
        "sha256": hashlib.sha256(graph).hexdigest(),
        "feature_schema": SCHEMA_HASH,
        "feature_version": FEATURE_VERSION,
        "inputs": {"features": ["float32", "rows", COUNT]},
        "outputs": {"score": "probability-like, 0 to 1, of being P/LP rather than B/LB in ClinVar"},
        "applies_to": "single-base substitutions whose picked transcript has them in the coding sequence or the splice region; "
        "REF and codon known",
        "architecture": f"mean of {MEMBERS} networks {COUNT}-{HIDDEN[0]}-{HIDDEN[1]}-1, Platt-calibrated on held-out genes",
        "training": {
            "data": f"ClinVar {labelled.RELEASES[0]} (SNVs, P/LP against B/LB, conflicting left out)",
            "cut_off": labelled.RELEASES[0],
            "test": f"alleles that ClinVar {labelled.RELEASES[1]} holds and {labelled.RELEASES[0]} does not",
            "seed": SEED,
            "variants": int(old.sum()),
            "pathogenic": int(label.sum()),
            "genes": len(np.unique(gene)),
            "counts": counts,
            "frequency_used": False,
        },
        "threshold": round(threshold, 4),
        "tolerance": TOLERANCE,
        "figures": figures,
        "licence": "Apache-2.0; ClinVar is public domain",
        "intended_use": "research: ranking of coding and splice SNVs for review",
        "not_for": "clinical use; PP3 or BP4; indels, non-coding, mitochondrial or structural variants",
        "limits": [
            "trained on the genes whose sequence was at hand (a panel and their neighbours), not on the whole exome",
            "labels are ClinVar's without stars; most benign ones are silent, so the overall figures flatter: read the missense rows",
            "no conservation, structure, constraint or frequency; the pick decides which transcript is judged",
            "about five network settings were compared on these same two splits, so the figures are somewhat optimistic",
        ],
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.onnx").write_bytes(graph)
    np.savez(out / "golden.npz", inputs=later[rows], outputs=later_score[rows])
    (out / "card.json").write_text(json.dumps(card, indent=1) + "\n")
    return card


def _figures(label: Any, score: Any, features: Any, fold: Any = None) -> dict[str, Any]:
    scores = {"model": np.asarray(score), "substitution": substitution_baseline(features)}
    result = {"all": compare(label, scores, SEED, fold)}
    for name in CLASSES:
        rows = is_class(features, name)
        if bool(rows.any()):
            result[name] = compare(
                label[rows], {key: value[rows] for key, value in scores.items()}, SEED, None if fold is None else fold[rows]
            )
    return result


if __name__ == "__main__":
    main()
