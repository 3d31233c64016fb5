"""Models as data: a folder of `card.json`, `model.onnx`, `golden.npz`, registered as a pack of the kind `model`.

Nothing of a folder is believed: size, graph, digest, feature schema and golden vectors are checked when it is added and each time it is
loaded. A model serves every build (pack build `any`): its features come from the transcript, not from coordinates.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from processors.knowledge.pack import Pack, write_pack
from processors.score.batching import Batcher
from processors.score.features import COUNT, SCHEMA_HASH
from processors.score.session import Session, Wanted, open_session

KIND = "model"
BUNDLED = "snv-tabular"
MAX_MODEL_BYTES = 512 * 1024 * 1024
MAX_CARD_BYTES = 1024 * 1024
_EXTERNAL_DATA = b"\x0a\x08location\x12"
"""How a tensor kept outside the file begins to name its path, which could be any file of this machine (onnx.proto, TensorProto)."""
_CARD_KEYS = ("name", "version", "sha256", "feature_schema", "applies_to", "threshold", "tolerance", "intended_use", "figures")


class ModelRefused(ValueError):
    """A model that must not score anything; the message names it, what is wrong, and what to do."""


@dataclass(frozen=True)
class Model:
    """A loaded, verified model."""

    pack: Pack
    card: Mapping[str, Any]
    batcher: Batcher

    @property
    def session(self) -> Session:
        return self.batcher.session

    @property
    def provider(self) -> str:
        """Execution provider that truly runs it."""
        return self.session.provider

    @property
    def badge(self) -> str:
        return self.session.badge

    @property
    def name(self) -> str:
        """`name@version`."""
        return f"{self.pack.name}@{self.pack.version}"

    @property
    def threshold(self) -> float:
        """Score from which an allele is worth a person's look."""
        return float(self.card["threshold"])


def bundled_model_pack(root: Path) -> Pack:
    """Register the model that ships with riverseq below a pack root (the same content is one pack however often)."""
    return add_model(_bundled_folder(), root)


def bundled_session(wanted: Wanted | str) -> Session:
    """The bundled model on the wanted device, its golden vectors reproduced there: what a process asks of a device before it takes work.

    Raises session.ProviderRefused, ModelRefused.
    """
    return _open(_bundled_folder(), wanted).session


def add_model(folder: Path, root: Path) -> Pack:
    """Check a model folder and register it as a pack. Raises ModelRefused."""
    found = _open(folder, Wanted.CPU)
    arrays: dict[str, npt.NDArray[Any]] = {
        "onnx": np.frombuffer(found.graph, dtype=np.uint8),
        "golden_inputs": found.inputs,
        "golden_outputs": found.outputs,
    }
    name, version, rows = found.card["name"], found.card["version"], len(found.inputs)
    return write_pack(root, kind=KIND, name=name, version=version, build="any", arrays=arrays, rows=rows, extra={"card": found.card})


def load_model(pack: Pack, wanted: Wanted | str) -> Model:
    """A model of a pack, on the device that was asked for. Raises ModelRefused, session.ProviderRefused."""
    card = pack.extra["card"]
    graph = pack.array("onnx").tobytes()
    _check(card, graph, pack.path)
    session = open_session(graph, wanted)
    _verify(session, card, np.asarray(pack.array("golden_inputs")), np.asarray(pack.array("golden_outputs")), str(pack.path))
    batcher = Batcher(session, COUNT)
    batcher.warm_up()
    return Model(pack, card, batcher)


def _bundled_folder() -> Path:
    return Path(__file__).parent / "models" / BUNDLED


@dataclass(frozen=True)
class _Opened:
    """A model folder whose golden vectors (float32[n, COUNT] → float32[n]) its session reproduced."""

    card: dict[str, Any]
    graph: bytes
    inputs: npt.NDArray[np.float32]
    outputs: npt.NDArray[np.float32]
    session: Session


def _open(folder: Path, wanted: Wanted | str) -> _Opened:
    card = _card(folder / "card.json")
    graph = _bounded(folder / "model.onnx", MAX_MODEL_BYTES)
    try:
        with np.load(io.BytesIO(_bounded(folder / "golden.npz", MAX_MODEL_BYTES)), allow_pickle=False) as golden:
            inputs, outputs = golden["inputs"], golden["outputs"]
    except (ValueError, KeyError, OSError) as error:
        raise ModelRefused(f"{folder / 'golden.npz'}: needs arrays `inputs` and `outputs` ({error})") from error
    _check(card, graph, folder)
    session = open_session(graph, wanted)
    _verify(session, card, inputs, outputs, str(folder))
    return _Opened(card, graph, inputs, outputs, session)


def _bounded(path: Path, limit: int) -> bytes:
    try:
        size = path.stat().st_size
        if size > limit:
            raise ModelRefused(f"{path}: {size:,} bytes, at most {limit:,} are opened")
        return path.read_bytes()
    except OSError as error:
        raise ModelRefused(f"{path}: cannot be read ({error}); a model folder holds card.json, model.onnx and golden.npz") from error


def _card(path: Path) -> dict[str, Any]:
    try:
        card: dict[str, Any] = json.loads(_bounded(path, MAX_CARD_BYTES))
    except ValueError as error:
        raise ModelRefused(f"{path}: is no JSON ({error})") from error
    missing = [key for key in _CARD_KEYS if key not in card]
    if missing:
        raise ModelRefused(f"{path}: lacks {', '.join(missing)}")
    return card


def _check(card: Mapping[str, Any], graph: bytes, where: Path) -> None:
    digest = hashlib.sha256(graph).hexdigest()
    if digest != card["sha256"]:
        raise ModelRefused(f"{where}: the graph's SHA-256 is {digest[:12]}, its card says {str(card['sha256'])[:12]}; fetch it again")
    if card["feature_schema"] != SCHEMA_HASH:
        raise ModelRefused(
            f"{where}: made for the feature schema {str(card['feature_schema'])[:12]}, computed are {SCHEMA_HASH[:12]}; train it anew"
        )
    if _EXTERNAL_DATA in graph:
        raise ModelRefused(f"{where}: refers to data outside the file; export it as one file")


def _verify(
    session: Session, card: Mapping[str, Any], inputs: npt.NDArray[np.float32], outputs: npt.NDArray[np.float32], where: str
) -> None:
    inlet = session.inference.get_inputs()
    if len(inlet) != 1 or inlet[0].type != "tensor(float)" or inlet[0].shape[1:] != [COUNT]:
        found = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inlet)
        raise ModelRefused(f"{where}: takes {found}; wanted is one float input of [rows, {COUNT}]")
    if inputs.dtype != np.float32 or inputs.ndim != 2 or inputs.shape[1] != COUNT or len(inputs) == 0 or outputs.shape != (len(inputs),):
        raise ModelRefused(f"{where}: golden vectors must be float32[n, {COUNT}] and float32[n]")
    difference = float(np.max(np.abs(session.run(inputs) - outputs)))
    if not difference <= float(card["tolerance"]):
        raise ModelRefused(
            f"{where}: golden vectors differ by {difference:.2g} on {session.provider}, allowed is {card['tolerance']}; not the same model"
        )
