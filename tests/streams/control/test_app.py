"""The shell: waits for what is away without losing what it holds, keeps what it cannot handle, and speaks to a secured broker."""

from __future__ import annotations

import asyncio
from typing import Any

import faust
import pytest

from processors.land.client import Rejected, Unavailable
from streams.broker import BrokerAway, Message
from streams.control import app
from streams.health import Health


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(app, "LONGEST_PAUSE", 0.002)


async def test_a_call_is_repeated_until_its_dependency_is_back() -> None:
    health, told = Health(), []
    health.ready()

    def call(value: int) -> int:
        told.append(dict(health.obstacles()))
        if len(told) <= 3:
            raise [Unavailable("ClickHouse does not answer"), BrokerAway("no broker"), Rejected("table is missing")][len(told) - 1]
        return value

    assert await app.persist("events", health, call, 7) == 7
    assert told[1] == {"events": "ClickHouse does not answer"}
    assert told[3] == {"events": "table is missing"}
    assert health.obstacles() == {}


async def test_the_loop_goes_on_while_a_call_blocks() -> None:
    import time

    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0.01)

    beating = asyncio.create_task(beat())
    await app.persist("events", Health(), time.sleep, 0.3)
    beating.cancel()
    assert beats > 5


class _Control:
    """Fails as told."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.kept: list[tuple[int, str]] = []

    def event(self, message: Message, cluster: str) -> str:
        self.failures -= 1
        if self.failures >= 0:
            raise ZeroDivisionError("a mistake in intake")
        return "accepted"

    def keep_unprocessable(self, message: Message, error: Exception) -> None:
        self.kept.append((message.offset, str(error)))


@pytest.mark.parametrize(("failures", "kept"), [(app.ATTEMPTS - 1, []), (app.ATTEMPTS, [(5, "a mistake in intake")])])
async def test_an_event_that_fails_for_no_foreseen_reason_is_kept_so_that_others_go_on(failures: int, kept: list[tuple[int, str]]) -> None:
    control: Any = _Control(failures)
    await app._Events(control, Health(), "origin")(Message("run.events", 0, 5, None, b""))
    assert control.kept == kept


def test_credentials_follow_librdkafkas_properties() -> None:
    assert app.credentials({}) is None
    plain = app.credentials(
        {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "u", "sasl.password": "p"}
    )
    assert isinstance(plain, faust.SASLCredentials)
    assert (plain.username, plain.password, plain.mechanism.value) == ("u", "p", "SCRAM-SHA-512")
    assert isinstance(app.credentials({"security.protocol": "ssl"}), faust.SSLCredentials)
