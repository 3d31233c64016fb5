"""Fitting the network and writing it as an ONNX graph of operators that every execution provider has.

An average of small fully connected networks over standardised features, calibrated by Platt's method on genes that the networks did not
see. The graph is written by hand: Sub, Mul, Gemm, Relu, Sigmoid only, so CUDA runs it whole.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.neural_network import MLPClassifier

from processors.score.features import COUNT

HIDDEN = (24, 12)
MEMBERS = 4
MAX_ITERATIONS = 15
OPSET = 17
IR_VERSION = 8

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Network:
    """Standardisation, members (lists of weight and bias), and Platt's slope and intercept."""

    mean: F32
    scale: F32
    members: tuple[tuple[tuple[F32, F32], ...], ...]
    slope: float
    intercept: float

    def logits(self, features: F32) -> F64:
        x = (features - self.mean) * self.scale
        total = np.zeros(len(x), dtype=np.float64)
        for layers in self.members:
            h = x
            for number, (weight, bias) in enumerate(layers):
                h = h @ weight + bias
                h = np.maximum(h, 0) if number < len(layers) - 1 else h
            total += h[:, 0]
        return np.asarray(total / len(self.members), dtype=np.float64)

    def predict(self, features: F32) -> F64:
        return np.asarray(1 / (1 + np.exp(-(self.slope * self.logits(features) + self.intercept))), dtype=np.float64)


def fit(features: F32, label: npt.NDArray[np.int8], gene: npt.NDArray[np.int64], seed: int) -> Network:
    """A calibrated network. One third of the genes calibrates; the rest trains."""
    folds = list(GroupKFold(n_splits=3, shuffle=True, random_state=seed).split(features, label, gene))
    train, held = folds[0]
    network = _members(features[train], label[train], seed)
    platt = LogisticRegression(C=1e6).fit(network.logits(features[held]).reshape(-1, 1), label[held])
    final = _members(features, label, seed)
    return Network(final.mean, final.scale, final.members, float(platt.coef_[0, 0]), float(platt.intercept_[0]))


def _members(features: F32, label: npt.NDArray[np.int8], seed: int) -> Network:
    mean = features.mean(axis=0).astype(np.float32)
    deviation = features.std(axis=0)
    scale = np.where(deviation > 1e-6, 1 / np.maximum(deviation, 1e-6), 0).astype(np.float32)
    x = np.clip((features - mean) * scale, -8, 8)
    members = []
    for member in range(MEMBERS):
        net = MLPClassifier(HIDDEN, alpha=3.0, batch_size=128, learning_rate_init=1e-3, max_iter=MAX_ITERATIONS, random_state=seed + member)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it stops early on purpose: MAX_ITERATIONS regularises
            net.fit(x, label)
        members.append(tuple((w.astype(np.float32), b.astype(np.float32)) for w, b in zip(net.coefs_, net.intercepts_, strict=True)))
    return Network(mean, scale, tuple(members), 1.0, 0.0)


def to_onnx(network: Network) -> bytes:
    """The network as an ONNX model: input `features` float[rows, COUNT], output `score` float[rows, 1]."""
    nodes: list[Any] = []
    weights: list[Any] = []

    def constant(name: str, value: npt.NDArray[Any]) -> str:
        weights.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=np.float32), name))
        return name

    nodes.append(helper.make_node("Sub", ["features", constant("mean", network.mean)], ["centred"]))
    nodes.append(helper.make_node("Mul", ["centred", constant("scale", network.scale)], ["standard"]))
    total = ""
    for member, layers in enumerate(network.members):
        value = "standard"
        for number, (weight, bias) in enumerate(layers):
            w, b = constant(f"w{member}_{number}", weight), constant(f"b{member}_{number}", bias)
            nodes.append(helper.make_node("Gemm", [value, w, b], [f"g{member}_{number}"]))
            value = f"g{member}_{number}"
            if number < len(layers) - 1:
                nodes.append(helper.make_node("Relu", [value], [f"h{member}_{number}"]))
                value = f"h{member}_{number}"
        if total:
            nodes.append(helper.make_node("Add", [total, value], [f"sum{member}"]))
            total = f"sum{member}"
        else:
            total = value
    slope = constant("slope", np.array([network.slope / len(network.members)]))
    nodes.append(helper.make_node("Mul", [total, slope], ["sloped"]))
    nodes.append(helper.make_node("Add", ["sloped", constant("intercept", np.array([network.intercept]))], ["calibrated"]))
    nodes.append(helper.make_node("Sigmoid", ["calibrated"], ["score"]))
    graph = helper.make_graph(
        nodes, "snv_tabular",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", COUNT])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["rows", 1])],
        weights,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="riverseq")
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
