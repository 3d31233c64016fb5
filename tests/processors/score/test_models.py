"""The bundled model, and everything that keeps a bad one from scoring."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from processors.knowledge.pack import find_pack, read_pack
from processors.score import models
from processors.score.batching import Batcher
from processors.score.features import COUNT
from processors.score.models import ModelRefused, add_model, bundled_model_pack, load_model
from processors.score.session import ProviderRefused, Session, check_distributions, has_device, open_session

FOLDER = Path(models.__file__).parent / "models" / models.BUNDLED


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "model"))


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    card = json.loads((folder / "card.json").read_text())
    change(card)
    (folder / "card.json").write_text(json.dumps(card))


def regraph(folder: Path, change: Callable[[Any], None]) -> None:
    """Change the graph and let the card's digest agree, so that only the change itself can be found."""
    import hashlib

    model = onnx.load(folder / "model.onnx")
    change(model)
    raw = model.SerializeToString()
    (folder / "model.onnx").write_bytes(raw)
    edit(folder, lambda card: card.update(sha256=hashlib.sha256(raw).hexdigest()))


def test_the_bundled_model_is_one_pack_however_often_it_is_registered(tmp_path: Path) -> None:
    one, two = bundled_model_pack(tmp_path), bundled_model_pack(tmp_path)
    assert one.digest == two.digest
    assert (one.kind, one.build) == ("model", "any")
    model = load_model(find_pack(tmp_path, one.digest), "cpu")
    assert model.provider == "CPUExecutionProvider"
    assert model.badge
    assert 0 < model.threshold < 1


def test_the_card_says_what_a_reader_must_know() -> None:
    card = json.loads((FOLDER / "card.json").read_text())
    assert card["training"]["cut_off"] == "2016-08-31"
    assert card["training"]["frequency_used"] is False
    assert "clinical" in card["not_for"]
    assert any("settings were compared on these same two splits" in limit for limit in card["limits"])
    for split in ("by_time", "by_gene"):
        for figure in ("model_auroc", "model_auprc", "substitution_auroc"):
            value, low, high = card["figures"][split]["missense"][figure]
            assert low <= value <= high


def test_golden_vectors_agree_with_the_network_that_was_trained() -> None:
    with np.load(FOLDER / "golden.npz") as golden:
        scores = open_session((FOLDER / "model.onnx").read_bytes(), "cpu").run(golden["inputs"])
        assert np.abs(scores - golden["outputs"]).max() < 1e-6
        assert golden["outputs"].min() < 0.2 < 0.8 < golden["outputs"].max()


def test_a_changed_byte_is_refused(folder: Path, tmp_path: Path) -> None:
    raw = bytearray((folder / "model.onnx").read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / "model.onnx").write_bytes(raw)
    with pytest.raises(ModelRefused, match="SHA-256"):
        add_model(folder, tmp_path / "packs")


def test_another_network_under_the_same_golden_vectors_is_refused(folder: Path, tmp_path: Path) -> None:
    def weaken(model: Any) -> None:
        slope = next(one for one in model.graph.initializer if one.name == "slope")
        slope.CopyFrom(onnx.numpy_helper.from_array(np.zeros(1, dtype=np.float32), "slope"))

    regraph(folder, weaken)
    with pytest.raises(ModelRefused, match="golden vectors differ"):
        add_model(folder, tmp_path / "packs")


def test_nan_golden_vectors_are_refused(folder: Path, tmp_path: Path) -> None:
    def spoil(model: Any) -> None:
        slope = next(one for one in model.graph.initializer if one.name == "slope")
        slope.CopyFrom(onnx.numpy_helper.from_array(np.full(1, np.nan, dtype=np.float32), "slope"))

    regraph(folder, spoil)
    with pytest.raises(ModelRefused, match="golden vectors differ by nan"):
        add_model(folder, tmp_path / "packs")


def test_a_renamed_input_is_fine_but_a_wrong_shape_is_refused(folder: Path, tmp_path: Path) -> None:
    def narrow(model: Any) -> None:
        model.graph.input[0].type.tensor_type.shape.dim[1].ClearField("dim_value")

    regraph(folder, narrow)
    with pytest.raises(ModelRefused, match="one float input"):
        add_model(folder, tmp_path / "packs")


def test_data_outside_the_file_is_refused(folder: Path, tmp_path: Path) -> None:
    def outside(model: Any) -> None:
        tensor = model.graph.initializer[0]
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.ClearField("raw_data")
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", "/etc/hostname"

    regraph(folder, outside)
    with pytest.raises(ModelRefused, match="outside the file"):
        add_model(folder, tmp_path / "packs")


def test_a_model_of_other_features_is_refused(folder: Path, tmp_path: Path) -> None:
    edit(folder, lambda card: card.update(feature_schema="0" * 32))
    with pytest.raises(ModelRefused, match="feature schema 000000000000"):
        add_model(folder, tmp_path / "packs")


def test_an_oversized_or_incomplete_folder_is_refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(folder, lambda card: card.pop("threshold"))
    with pytest.raises(ModelRefused, match="lacks threshold"):
        add_model(folder, tmp_path / "packs")
    monkeypatch.setattr(models, "MAX_CARD_BYTES", 10)
    with pytest.raises(ModelRefused, match="at most 10 are opened"):
        add_model(folder, tmp_path / "packs")
    with pytest.raises(ModelRefused, match=r"card\.json"):
        add_model(tmp_path / "nowhere", tmp_path / "packs")


def test_a_pack_whose_graph_was_swapped_is_refused_at_load(tmp_path: Path) -> None:
    pack = bundled_model_pack(tmp_path)
    graph = np.load(pack.path / "onnx.npy").copy()
    graph[100] ^= 1
    np.save(pack.path / "onnx.npy", graph)
    with pytest.raises(ModelRefused, match="SHA-256"):
        load_model(read_pack(pack.path), "cpu")


@pytest.mark.skipif(has_device(), reason="this machine has a GPU")
def test_cuda_required_on_a_machine_without_one_is_refused_with_the_reason() -> None:
    with pytest.raises(ProviderRefused, match="CUDA is required, but"):
        open_session((FOLDER / "model.onnx").read_bytes(), "cuda")


def test_auto_says_what_it_truly_runs_on() -> None:
    session = open_session((FOLDER / "model.onnx").read_bytes(), "auto")
    assert (session.badge == "") == (session.provider == "CUDAExecutionProvider")


def test_two_onnxruntime_packages_are_a_clear_error() -> None:
    check_distributions(["onnxruntime-gpu"])
    with pytest.raises(ProviderRefused, match="onnxruntime and onnxruntime-gpu are both installed"):
        check_distributions(["onnxruntime", "onnxruntime-gpu"])


class _Recorder:
    """An inference that scores a row by its first feature, and remembers the shapes it saw."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def get_inputs(self) -> list[Any]:
        return [type("Input", (), {"name": "x"})]

    def run(self, _: None, feed: dict[str, Any]) -> list[Any]:
        self.rows.append(len(feed["x"]))
        return [feed["x"][:, :1]]


def test_batches_have_the_buckets_shapes_and_every_row_its_own_score() -> None:
    inference = _Recorder()
    batcher = Batcher(Session(inference, "CPU", ""), COUNT, buckets=(4, 16))
    parts = [np.arange(n * COUNT, dtype=np.float32).reshape(n, COUNT) + 1_000 * k for k, n in enumerate((3, 0, 20, 1))]
    scores = batcher.run(parts)
    assert inference.rows == [16, 16]
    assert [score.tolist() for score in scores] == [part[:, 0].tolist() for part in parts]
    assert [score.tolist() for score in batcher.run([parts[3]])] == [parts[3][:, 0].tolist()]
    assert inference.rows[-1] == 4
