"""The whole product on this machine, started once by its own command and used through its own command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pysam
import pytest

from deploy.local.demo.make import DemoFiles, make_demo
from deploy.local.state import open_state
from processors.land.client import Client, connect
from streams.settings import Role, Settings


@dataclass(frozen=True)
class Stack:
    """A running state folder."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "streams.cli", "--state", str(self.root), *map(str, arguments)]

    def run(self, *arguments: str | Path, timeout: float = 240, code: int = 0) -> str:
        """What a command prints on standard output; fails where its exit code is another than `code`."""
        done = subprocess.run(
            self.command(*arguments), capture_output=True, text=True, timeout=timeout, check=False, env={**os.environ, **self.environment}
        )
        assert done.returncode == code, f"{arguments}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def refused(self, *arguments: str | Path, timeout: float = 240, code: int = 1) -> str:
        """What a command that fails says on standard error."""
        done = subprocess.run(
            self.command(*arguments), capture_output=True, text=True, timeout=timeout, check=False, env={**os.environ, **self.environment}
        )
        assert done.returncode == code, f"{arguments}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stderr

    def json(self, *arguments: str | Path, timeout: float = 240, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", timeout=timeout, code=code))

    def client(self, role: Role = "reader") -> Client:
        return connect(Settings.load(self.root).clickhouse_dsn(role))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.client() as client:
            return client.rows(sql)

    def sample_id(self, name: str) -> str:
        from streams.cli.session import Session

        return Session(self.root).sample_id(name)

    def pids(self) -> dict[str, int]:
        """Service → process id, of what runs now."""
        run = open_state(self.root).run()
        return {} if run is None else {name: state.pid for name, state in run.processes.items() if state.pid}

    def restarts(self) -> dict[str, int]:
        run = open_state(self.root).run()
        return {} if run is None else {name: state.restarts for name, state in run.processes.items()}

    def kill(self, service: str) -> None:
        """SIGKILL, as a power cut would."""
        if pid := self.pids().get(service):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                return


@pytest.fixture(scope="session")
def start_stack(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Callable[..., Stack]]:
    """Start a stack in a fresh folder; all are stopped at the end of the session."""
    started: list[Stack] = []

    def start(roots: Sequence[Path], environment: dict[str, str] | None = None) -> Stack:
        stack = Stack(tmp_path_factory.mktemp("stack") / "state", environment or {})
        started.append(stack)
        chosen = [part for root in roots for part in ("--root", str(root))]
        stack.run("up", "--detach", *chosen)
        return stack

    yield start
    for stack in started:
        stack.run("down")
        assert not stack.pids()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> DemoFiles:
    """A small synthetic genome with genes, knowledge and a family of three."""
    return make_demo(tmp_path_factory.mktemp("world"), seed=7, contigs=(1_200_000, 800_000), sites=24_000)


@pytest.fixture(scope="session")
def add_world(world: DemoFiles) -> Callable[[Stack], None]:
    """Gives a stack the reference and the knowledge of the small world, by command."""

    def add(stack: Stack) -> None:
        stack.run("reference", "add", world.build, "--fasta", world.fasta, "--transcripts", world.transcripts)
        stack.run("knowledge", "build", "clinvar", world.clinvar, "--build", world.build, "--version", "1")
        stack.run("knowledge", "build", "frequency", world.frequency, "--build", world.build, "--version", "1")

    return add


@pytest.fixture(scope="session")
def stack(start_stack: Callable[..., Stack], add_world: Callable[[Stack], None], tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A running stack that knows the small world."""
    running = start_stack([tmp_path_factory.getbasetemp()])
    add_world(running)
    return running


@pytest.fixture(scope="session")
def units() -> Callable[[Path, str], int]:
    """Counts, with htslib, the (record, ALT) pairs that a sample carries: what `variants_in` must be for a well-formed file."""

    def count(path: Path, sample: str) -> int:
        total = 0
        with pysam.VariantFile(str(path)) as file:
            for record in file:
                alleles = record.samples[sample].allele_indices or ()
                total += len({index for index in alleles if index})
        return total

    return count
