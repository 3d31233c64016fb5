"""The provider gate: a model runs on the device that was asked for, or the worker says why not.

onnxruntime lists CUDA as available on machines without a GPU and falls back to the CPU with a warning. So the session itself is asked,
after it was made, what it runs on; and where CUDA is required, falling back is forbidden.
"""

from __future__ import annotations

import enum
import importlib.metadata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
DEVICE_NODES = ("/dev/nvidiactl", "/dev/dxg")
"""Where the kernel shows NVIDIA's driver (Linux, WSL)."""
_QUIET = 4  # onnxruntime's severity "fatal": what it would print, the errors here say


class Wanted(enum.StrEnum):
    """`cuda`: required. `cpu`: chosen. `auto`: CUDA if it truly works, else CPU with a badge."""

    CUDA = "cuda"
    CPU = "cpu"
    AUTO = "auto"


class ProviderRefused(RuntimeError):
    """The wanted device cannot run the model; the message says why and what to do."""


@dataclass(frozen=True)
class Session:
    """A model on a device. `provider` is what it truly runs on; `badge` is what people see beside its scores where it is not a GPU."""

    inference: Any
    provider: str
    badge: str

    def run(self, matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """One score a row: float32[n, features] → float32[n]."""
        output = self.inference.run(None, {self.inference.get_inputs()[0].name: matrix})[0]
        return np.asarray(output, dtype=np.float32).reshape(len(matrix))


@cache
def _distributions() -> tuple[str, ...]:
    names = (str(found.metadata["Name"]) for found in importlib.metadata.distributions() if found.metadata["Name"])
    return tuple(sorted({name.lower().replace("_", "-") for name in names if name.lower().replace("_", "-").startswith("onnxruntime")}))


def distributions() -> list[str]:
    """The onnxruntime distributions installed here, by name. Looked for once a process: every package is read for it."""
    return list(_distributions())


def has_device() -> bool:
    """Whether this machine shows a GPU at all; asked before trying, since a failed try prints to the error stream."""
    return any(Path(node).exists() for node in DEVICE_NODES)


def check_distributions(found: list[str]) -> None:
    """Raises ProviderRefused where two packages would overwrite each other's files."""
    engines = [name for name in found if name in ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino")]
    if len(engines) > 1:
        raise ProviderRefused(
            f"{' and '.join(engines)} are both installed and overwrite each other; uninstall them, then install onnxruntime-gpu alone"
        )


def open_session(model: bytes, wanted: Wanted | str) -> Session:
    """A session of a checked model (see `models.check_graph`). Raises ProviderRefused."""
    import onnxruntime

    wanted = Wanted(wanted)
    check_distributions(distributions())
    if wanted is Wanted.CUDA or (wanted is Wanted.AUTO and has_device()):
        try:
            session = _make(onnxruntime, model, [CUDA, CPU], strict=True)
            if session.get_providers()[0] == CUDA:
                return Session(session, CUDA, "")
            reason = f"the session runs on {session.get_providers()[0]}"
        except Exception as error:  # onnxruntime raises many types, all of them its own
            reason = str(error).splitlines()[0][:300]
        if wanted is Wanted.CUDA:
            raise ProviderRefused(
                f"CUDA is required, but {reason}; check the driver and `pip install riverseq[gpu]`, or allow the CPU with `--provider cpu`"
            )
    session = _make(onnxruntime, model, [CPU], strict=False)
    return Session(session, session.get_providers()[0], "scored on CPU")


def _make(onnxruntime: Any, model: bytes, providers: list[str], *, strict: bool) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _QUIET
    options.intra_op_num_threads = 1  # a worker's threads are its own; two pools would fight for the cores
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1" if strict else "0")
    return onnxruntime.InferenceSession(model, sess_options=options, providers=providers)
