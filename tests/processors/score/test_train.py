"""The committed model is what the committed script makes of the real data."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest

from processors.score import models
from processors.score.features import COUNT
from processors.score.session import open_session

pytestmark = [pytest.mark.real_data]
FOLDER = Path(models.__file__).parent / "models" / models.BUNDLED


@pytest.mark.soak
def test_training_again_gives_the_committed_model(real_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    from processors.score.train import data
    from processors.score.train.network import fit, to_onnx

    with tempfile.TemporaryDirectory() as work:
        found, counts = data.load(real_data, Path(work))
    card = json.loads((FOLDER / "card.json").read_text())
    assert counts == card["training"]["counts"]
    old = ~found.new
    assert (int(old.sum()), int(found.label[old].sum())) == (card["training"]["variants"], card["training"]["pathogenic"])
    again = open_session(to_onnx(fit(found.features[old], found.label[old], found.gene[old], card["training"]["seed"])), "cpu")
    committed = open_session((FOLDER / "model.onnx").read_bytes(), "cpu")
    # another BLAS may round another way; the scores must not notice
    assert np.abs(again.run(found.features) - committed.run(found.features)).max() < 0.02


@pytest.mark.soak
def test_the_graph_computes_what_the_network_computes() -> None:
    pytest.importorskip("sklearn")
    from processors.score.train.network import fit, to_onnx

    rng = np.random.default_rng(1)
    features = rng.normal(size=(600, COUNT)).astype(np.float32)
    label = (features[:, 0] + rng.normal(size=600) > 0).astype(np.int8)
    network = fit(features, label, rng.integers(0, 12, 600), 3)
    assert np.abs(open_session(to_onnx(network), "cpu").run(features) - network.predict(features)).max() < 1e-5
