"""The state folder of one installation: its format, its lock, its secrets, and what is running in it.

version        number of the folder's format
lock           held (flock) by the `up` that runs here, holding its process id
run.json       addresses and processes, there only while everything runs
ports.json     ports of the last start, taken again by the next where they are free
secrets.json   passwords and the installation's key, readable by its owner only
kafka/ clickhouse/ logs/ packs/ demo/
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets as random_secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deploy.local.errors import LocalError

STATE_FORMAT = 1
FOLDERS = ("kafka", "clickhouse", "logs", "packs", "demo")
FILES = ("version", "lock", "run.json", "ports.json", "secrets.json")
ROLES = ("admin", "writer", "reader")
_LOCK_ATTEMPTS = 5


class StateError(LocalError):
    """The state folder cannot be used as it is."""


class NewerState(StateError):
    """A later version of riverseq has written this folder."""


class AlreadyRunning(StateError):
    """Another `up` holds the folder."""

    def __init__(self, root: Path, pid: int | None) -> None:
        self.pid = pid
        holder = f"process {pid}" if pid else "another process"
        super().__init__(f"{root}: riverseq is already running here ({holder}); stop it with `riverseq down --state {root}`")


@dataclass(frozen=True)
class ProcessState:
    """One supervised process. `restarts` counts since `up`; `reason` says why it last died or why it is not ready, empty if neither."""

    pid: int | None
    restarts: int = 0
    reason: str = ""
    ready: bool = False


@dataclass(frozen=True)
class Run:
    """Content of run.json. `kafka` is `host:port`, the others are base URLs without credentials.

    `roots` are the folders given to `up`; empty: events may name any file.
    """

    pid: int
    kafka: str
    clickhouse: str | None = None
    board: str | None = None
    metrics: Mapping[str, str] = field(default_factory=dict)
    roots: tuple[str, ...] = ()
    processes: Mapping[str, ProcessState] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The object that run.json holds and `up --json` prints."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Run:
        """The run that `as_json` described."""
        processes = {name: ProcessState(**value) for name, value in raw["processes"].items()}
        return cls(**{**raw, "processes": processes, "roots": tuple(raw.get("roots", ()))})


@dataclass(frozen=True)
class Secrets:
    """`clickhouse` maps role → password; `installation_key` is 32 bytes as hex, the key of every person's pseudonym."""

    clickhouse: Mapping[str, str]
    installation_key: str


@dataclass(frozen=True)
class State:
    """A state folder whose format this version understands. Make one with `open_state`."""

    root: Path

    @property
    def kafka(self) -> Path:
        return self.root / "kafka"

    @property
    def clickhouse(self) -> Path:
        return self.root / "clickhouse"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def packs(self) -> Path:
        return self.root / "packs"

    def run(self) -> Run | None:
        """What runs here; None when nothing does, even where a killed supervisor left its run.json behind."""
        if self.holder() is None:
            return None
        try:
            raw = json.loads((self.root / "run.json").read_text())
        except FileNotFoundError:
            return None
        return Run.from_json(raw)

    def write_run(self, run: Run) -> None:
        """Replace run.json in one step, so that a reader never sees half of it."""
        _replace(self.root / "run.json", json.dumps(run.as_json(), indent=1) + "\n")

    def remove_run(self) -> None:
        (self.root / "run.json").unlink(missing_ok=True)

    def ports(self) -> dict[str, int]:
        """Ports of the last start by process name; empty at the first."""
        try:
            return {str(k): int(v) for k, v in json.loads((self.root / "ports.json").read_text()).items()}
        except (FileNotFoundError, ValueError, AttributeError):
            return {}

    def write_ports(self, ports: Mapping[str, int]) -> None:
        _replace(self.root / "ports.json", json.dumps(dict(ports), indent=1) + "\n")

    def secrets(self) -> Secrets:
        """The installation's secrets, made at the first call and never again: who loses the key loses every pseudonym."""
        path = self.root / "secrets.json"
        if not path.exists():
            made = {
                "clickhouse": {role: random_secrets.token_urlsafe(24) for role in ROLES},
                "installation_key": random_secrets.token_hex(32),
            }
            # a hard link fails where another process was quicker; its secrets stand
            draft = path.with_name(f"{path.name}.{os.getpid()}")
            _write_private(draft, json.dumps(made, indent=1) + "\n")
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        try:
            raw = json.loads(path.read_text())
            return Secrets(clickhouse=raw["clickhouse"], installation_key=raw["installation_key"])
        except (ValueError, KeyError, TypeError) as error:
            raise StateError(f"{path}: not readable as secrets ({error!r}); restore it from a backup, it cannot be made again") from error

    def holder(self) -> int | None:
        """Process id of the `up` that holds this folder, None when nobody does (0 if it has not written its id yet)."""
        try:
            with (self.root / "lock").open("r") as handle:
                try:
                    fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    text = handle.read().strip()
                    return int(text) if text.isdigit() else 0
        except FileNotFoundError:
            pass
        return None

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder. Raises `AlreadyRunning` at once if another process does; a killed holder leaves no lock behind."""
        with (self.root / "lock").open("a+") as handle:
            for attempt in range(1, _LOCK_ATTEMPTS + 1):
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if attempt == _LOCK_ATTEMPTS:
                        raise AlreadyRunning(self.root, self.holder()) from None
                # it may only be a `holder` that looks
                time.sleep(0.05)
            handle.truncate(0)
            handle.write(f"{os.getpid()}\n")
            handle.flush()
            yield
            handle.truncate(0)


def open_state(root: Path, *, create: bool = False) -> State:
    """The state folder at `root`, made if `create` and there is none.

    Raises `NewerState` for the folder of a later version, `StateError` for a folder that is missing, unreadable or not ours.
    """
    root = root.absolute()
    version = root / "version"
    if version.exists():
        text = version.read_text().strip()
        if not text.isdigit():
            raise StateError(f"{version}: {text[:40]!r} is no format number; is {root} a riverseq state folder?")
        if int(text) > STATE_FORMAT:
            raise NewerState(
                f"{root}: written by a newer riverseq (state format {text}, this version knows {STATE_FORMAT}); "
                "use that version, or choose another folder with --state"
            )
    elif not create:
        raise StateError(f"{root}: no riverseq state folder; start one with `riverseq up --state {root}`")
    else:
        strangers = sorted(p.name for p in root.iterdir() if p.name not in FOLDERS + FILES) if root.is_dir() else []
        if strangers:
            raise StateError(f"{root}: holds {strangers[0]!r} and is no riverseq state folder; choose an empty or new folder with --state")
    if create:
        try:
            root.mkdir(parents=True, exist_ok=True)
            for folder in FOLDERS:
                (root / folder).mkdir(exist_ok=True)
            if not version.exists():
                _replace(version, f"{STATE_FORMAT}\n")
        except OSError as error:
            raise StateError(f"{root}: cannot be made: {error.strerror}; choose another folder with --state") from error
    return State(root)


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    try:
        draft.write_text(text)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(text)
