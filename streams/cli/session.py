"""What every command needs: the state folder, the settings, connections, and where to print."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from processors.land.client import Client
    from schemas.events import Command, CompletionEvent
    from streams.broker import Producer, Reader
    from streams.settings import Role, Settings

PIPED_WIDTH = 240


@dataclass(frozen=True)
class Session:
    """One run of the command. `state` is None where neither --state nor RIVERSEQ_STATE names a folder."""

    state: Path | None

    @property
    def folder(self) -> Path:
        """The state folder."""
        return self.settings().state

    def settings(self) -> Settings:
        from streams import logs
        from streams.settings import Settings

        logs.configure("cli", level="error")  # what clients say goes to standard error: standard output is for results
        return Settings.load(self.state)

    def packs(self) -> Path:
        return self.settings().packs_folder()

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """A Kafka reader outside any group. Raises NotRunning."""
        from streams.confluent import ConfluentReader

        settings = self.settings()
        reader = ConfluentReader(settings.kafka_servers(), name="cli", options=settings.kafka_options)
        try:
            yield reader
        finally:
            reader.close()

    @contextmanager
    def producer(self) -> Iterator[Producer]:
        """A Kafka producer; everything produced is delivered when the block ends, else BrokerAway."""
        from streams.broker import BrokerAway
        from streams.confluent import ConfluentProducer

        settings = self.settings()
        producer = ConfluentProducer(settings.kafka_servers(), name="cli", options=settings.kafka_options)
        yield producer
        if left := producer.flush(20.0):
            raise BrokerAway(
                f"{left} messages were not delivered to {settings.kafka_servers()} within 20 s; is Kafka up? (`riverseq doctor`)"
            )

    @contextmanager
    def clickhouse(self, role: Role = "reader") -> Iterator[Client]:
        """A connection with a role's rights; a query waits at most 5 seconds for a server that is away."""
        from processors.land.client import connect

        client = connect(self.settings().clickhouse_dsn(role), patience=5.0)
        try:
            yield client
        finally:
            client.close()

    def sample_id(self, sample: str) -> str:
        """Pseudonym of a sample named by its name or its pseudonym."""
        from schemas import identity

        if len(sample) == 32 and all(letter in "0123456789abcdef" for letter in sample):
            return sample
        return identity.person_id(self.settings().key_of_people(), "sample", sample)

    def send(self, *events: CompletionEvent | Command) -> None:
        """Send to `run.events` and wait until the broker has all of them."""
        from schemas.events import Command
        from streams import wire
        from streams.broker import Output
        from streams.topics import RUN_EVENTS

        with self.producer() as producer:
            for event in events:
                key = event.sample if isinstance(event, Command) else event.run_id
                producer.produce(Output(RUN_EVENTS.name, key.encode(), wire.encode(event)))


def session_of(context: typer.Context) -> Session:
    """The session that the main callback made."""
    session = context.find_root().obj
    if not isinstance(session, Session):
        raise TypeError("the command was called without its main callback")
    return session


def actor() -> str:
    """Who asks, as decisions record it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def out() -> Console:
    """Console for results; piped into a file, tables are not folded to a screen's width."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPED_WIDTH)


def notes() -> Console:
    """Console for progress and remarks: standard error, so that results can be piped."""
    return Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """One JSON value and a newline on standard output."""
    sys.stdout.write(json.dumps(value, indent=1, default=str) + "\n")
    sys.stdout.flush()


def print_json_line(value: Any) -> None:
    """JSON Lines, for streams."""
    sys.stdout.write(json.dumps(value, separators=(",", ":"), default=str) + "\n")
    sys.stdout.flush()
