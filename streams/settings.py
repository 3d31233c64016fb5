"""Settings of every process: environment first, then what `riverseq up` wrote into the state folder.

`Settings.load(state)` merges, strongest first: an explicit state folder, `RIVERSEQ_*` variables, `run.json` and `secrets.json` of the
state folder, defaults. Nothing is read at import.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as SourceUnreadable

DATABASE = "riverseq"

Role = Literal["admin", "writer", "reader"]


class SettingsError(Exception):
    """A setting is malformed; the message names it and what it should be."""


class NotRunning(SettingsError):
    """No address is known for a service: nothing runs on this state folder and no setting names another one."""


class Settings(BaseSettings):
    """Everything that differs between a laptop, CI and a cluster. Field `x` is the variable `RIVERSEQ_X`."""

    model_config = SettingsConfigDict(env_prefix="RIVERSEQ_", env_ignore_empty=True, extra="ignore", frozen=True)

    state: Path = Path(".riverseq")
    """The state folder."""
    kafka: str | None = None
    """Bootstrap servers, `host:port[,host:port]`."""
    kafka_options: dict[str, str] = Field(default_factory=dict)
    """librdkafka properties added to every client (JSON object): security.protocol, sasl.*, ssl.* of a cluster."""
    clickhouse: str | None = None
    """Base address `http://host:port`; with `user:password@` in it, that one account serves every role."""
    packs: Path | None = None
    """Folder of the packs; default `<state>/packs`."""
    roots: tuple[Path, ...] = (Path("/"),)
    """Folders below which an event's files must lie (JSON list)."""
    metrics_port: int = Field(default=0, ge=0, le=65_535)
    """Loopback port of /metrics, /healthz and /readyz; 0: a free one."""
    installation_key: SecretStr | None = None
    """Key of the ids of people, hexadecimal; default from secrets.json."""

    partitions: int = Field(default=4, ge=1, le=1024)
    """Partitions of the topics that scale out (chunks, work)."""
    replication: int = Field(default=1, ge=1, le=9)
    """Replication factor of new topics."""
    retention: float = Field(default=1.0, gt=0)
    """Factor on every retention of the topic catalogue."""
    scored_topic: bool = False
    """True where scoring or landing stands apart: creates `chunks.scored`."""

    annotate_threads: int = Field(default=2, ge=1, le=256)
    land_threads: int = Field(default=2, ge=1, le=64)
    annotation_cache_bytes: int = Field(default=128 * 1024 * 1024, ge=0)
    """Memory of each worker for annotations of alleles that it met before, about 260 bytes each; 0: everything is computed.

    Measured: 1.5 µs to compute an allele, 0.2 to find it, 0.2 more for one that is not there, so it pays from one hit in seven. Exomes and
    panels fit; whole genomes, whose alleles crowd one another out before the next sample comes, lose 0.2 µs an allele, or need more.
    """
    rows_in_flight: int = Field(default=524_288, ge=1)
    """Alleles that a worker holds between polling and landing."""
    bytes_in_flight: int = Field(default=128 * 1024 * 1024, ge=1)
    """Message bytes that a worker holds between polling and landing."""
    outstanding_bytes: int = Field(default=2 * 1024**3, ge=1)
    """Emitted but not landed bytes at which ingest pauses."""
    disk_reserve: int = Field(default=2 * 1024**3, ge=0)
    """Free bytes on the disk of the state folder below which no new sample begins; it waits, and says so."""
    reanalysis: Literal["opt_in", "opt_out"] = "opt_out"
    """Re-interpretation of samples of which nothing is decided: opt_out (they take part unless refused), opt_in (only where allowed)."""
    profile: Literal["research", "commercial"] = "research"
    """`commercial` refuses sources whose licence forbids commercial use, or is not known."""
    provider: Literal["auto", "cpu", "cuda"] = "auto"
    """Execution provider of the score stage: auto, cpu, cuda. `cuda` refuses to start without one."""

    @classmethod
    def load(cls, state: Path | None = None) -> Settings:
        """The settings of a process, see the module's docstring for the order. Raises SettingsError."""
        try:
            settings = cls() if state is None else cls(state=state)
        except ValidationError as error:
            first = error.errors()[0]
            name = "_".join(["RIVERSEQ", *(str(part) for part in first["loc"][:1])]).upper()
            raise SettingsError(f"setting {name}: {first['msg']}, got {first['input']!r}") from error
        except SourceUnreadable as error:
            raise SettingsError(f"{error}; lists and tables are given as JSON") from error
        known: dict[str, Any] = {}
        run = _read_json(settings.state / "run.json")
        for name in ("kafka", "clickhouse"):
            if getattr(settings, name) is None and run.get(name):
                known[name] = run[name]
        if "roots" not in settings.model_fields_set and run.get("roots"):
            known["roots"] = tuple(Path(root) for root in run["roots"])
        if settings.installation_key is None:
            key = _read_json(settings.state / "secrets.json").get("installation_key")
            if key:
                known["installation_key"] = SecretStr(key)
        return settings.model_copy(update=known)

    def kafka_servers(self) -> str:
        """Bootstrap servers. Raises NotRunning."""
        if not self.kafka:
            raise NotRunning(f"no Kafka: nothing runs on {self.state}; start it with `riverseq up`, or set RIVERSEQ_KAFKA to host:port")
        return self.kafka

    def clickhouse_dsn(self, role: Role) -> str:
        """`http://role:password@host:port/riverseq`. Raises NotRunning."""
        if not self.clickhouse:
            raise NotRunning(
                f"no ClickHouse: nothing runs on {self.state}; start it with `riverseq up`, or set RIVERSEQ_CLICKHOUSE to http://host:port"
            )
        address = urlsplit(self.clickhouse if "//" in self.clickhouse else f"http://{self.clickhouse}")
        where = address.netloc
        if "@" not in where:
            passwords = _read_json(self.state / "secrets.json").get("clickhouse", {})
            if role not in passwords:
                raise NotRunning(
                    f"{self.state / 'secrets.json'} has no password of the ClickHouse role {role}; "
                    "start with `riverseq up`, or set RIVERSEQ_CLICKHOUSE to http://user:password@host:port"
                )
            where = f"{role}:{quote(passwords[role], safe='')}@{where}"
        return urlunsplit((address.scheme, where, address.path.rstrip("/") or f"/{DATABASE}", address.query, ""))

    def packs_folder(self) -> Path:
        """Where the packs lie."""
        return self.packs if self.packs is not None else self.state / "packs"

    def key_of_people(self) -> bytes:
        """The installation key, for `identity.person_id`. Raises NotRunning, SettingsError."""
        if self.installation_key is None:
            raise NotRunning(f"{self.state} holds no installation key; start with `riverseq up`, or set RIVERSEQ_INSTALLATION_KEY")
        try:
            return bytes.fromhex(self.installation_key.get_secret_value())
        except ValueError as error:
            raise SettingsError("RIVERSEQ_INSTALLATION_KEY is not hexadecimal") from error

    def allows(self, path: Path) -> bool:
        """True where a file, links followed, lies below one of `roots`."""
        real = path.resolve()
        return any(real.is_relative_to(root.resolve()) for root in self.roots)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: unreadable ({error}); if nothing runs on this folder, remove the file") from error
    if not isinstance(value, dict):
        raise SettingsError(f"{path}: not a JSON object; if nothing runs on this folder, remove the file")
    return value
