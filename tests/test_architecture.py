"""What holds for the whole tree: who may import whom, what lock files and sources may say, how files are laid out."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("schemas", "processors", "streams", "deploy")
"""Each package may import those before it."""
KAFKA = {"confluent_kafka", "faust", "mode", "aiokafka"}
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted module) of every import of a file, those inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"import_module", "importlib.import_module", "__import__"}:
            assert isinstance(node.args[0], ast.Constant), f"{path}:{node.lineno}: a computed import hides from this test"
            yield node.lineno, str(node.args[0].value)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_only_itself_and_the_layers_below(layer: str) -> None:
    above = set(LAYERS[LAYERS.index(layer) + 1 :]) | {"dashboards", "bench", "tests"}
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}" for path in sources(layer) for line, name in imports(path) if name.split(".")[0] in above
    ]
    assert not found, "\n".join(found)
    assert sources(layer)


@pytest.mark.parametrize("layer", ["schemas", "processors"])
def test_no_stage_knows_of_kafka(layer: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}" for path in sources(layer) for line, name in imports(path) if name.split(".")[0] in KAFKA
    ]
    assert not found, "\n".join(found)


def test_only_the_control_plane_knows_of_faust() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sources("streams", "deploy")
        for line, name in imports(path)
        if name.split(".")[0] in KAFKA - {"confluent_kafka"} and not path.is_relative_to(ROOT / "streams" / "control")
    ]
    assert not found, "\n".join(found)


def test_the_data_plane_does_not_import_the_control_plane() -> None:
    beside = {ROOT / "streams" / "control", ROOT / "streams" / "cli"}
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sources("streams")
        for line, name in imports(path)
        if name.startswith("streams.control") and not beside & set(path.parents)
    ]
    assert not found, "\n".join(found)


def test_dashboards_act_only_through_contracts() -> None:
    found = [name for path in sources("dashboards") for _, name in imports(path) if name.split(".")[0] in {"processors", "deploy"}]
    assert not found


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_locked_package_is_pinned_and_hashed_and_no_host_is_named(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"https?://|--index-url|--find-links|--extra-index", text)
    packages = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert len(packages) >= 2
    for package in packages:
        head = package.split("\n", 1)[0]
        assert re.match(r"[a-z0-9._-]+(\[[a-z0-9,_-]+\])?==", head), head
        assert "--hash=sha256:" in package, head


def test_there_is_a_lock_for_every_extra() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {path.stem for path in LOCKS} >= {"base", "tools", *extras}


def test_no_file_names_a_machine_or_a_persons_folder() -> None:
    words = re.compile(r"/home/\w|/root/|/work/|/Users/\w|(?<![=.\d])10\.\d+\.\d+\.\d+|192\.168\.\d+\.\d+")
    suffixes = {".py", ".toml", ".md", ".sql", ".avsc", ".txt", ".lock", ".properties", ""}
    skipped = {
        ".git",
        ".venv",
        ".mypy_cache",
        ".ruff_cache",
        ".pytest_cache",
        ".hypothesis",
        ".riverseq",
        "riverseq.egg-info",
        "__pycache__",
    }
    found = []
    for path in sorted(ROOT.rglob("*")):
        if skipped & set(path.relative_to(ROOT).parts) or path.suffix not in suffixes or not path.is_file() or path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if words.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not found, "\n".join(found)


def test_no_file_is_named_for_nothing() -> None:
    empty_words = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
    assert not [path.name for path in sources(*LAYERS, "bench") if set(path.stem.split("_")) & empty_words]


def test_importing_the_command_reads_no_setting_and_loads_no_heavy_library() -> None:
    import subprocess
    import sys

    heavy = {"chdb", "onnxruntime", "faust", "clickhouse_connect", "cyvcf2", "numba", "pyarrow", "confluent_kafka", "pydantic"}
    program = "import sys, streams.cli, streams.cli.app; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not heavy & set(answer.stdout.split())
