"""How a command ends: 0 done, 1 failed, 2 wrong use, 3 done but something needs a human. Each failure is one clear line."""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """Exit codes of every command: a contract, people script against them."""

    DONE = 0
    FAILED = 1
    WRONG_USE = 2
    NEEDS_HUMAN = 3
    INTERRUPTED = 130


class CommandFailed(Exception):
    """The command could not do it. The message is one line: what, where, what to do."""

    code = ExitCode.FAILED


class WrongUse(CommandFailed):
    """Arguments that cannot be meant; nothing was done."""

    code = ExitCode.WRONG_USE


class NeedsHuman(CommandFailed):
    """It is done as far as a program can; the message says what a person must decide."""

    code = ExitCode.NEEDS_HUMAN


def expected_errors() -> tuple[type[Exception], ...]:
    """Errors of the layers below whose message is meant for a person as it is. Imported only when something went wrong."""
    from processors.ingest.errors import SourceError
    from processors.knowledge.genome import GenomeError
    from processors.knowledge.gff import GeneModelError
    from processors.knowledge.pack import PackError
    from processors.knowledge.sources.sites import SourceRefused
    from processors.land.client import StoreError
    from processors.pipeline import OutputRefused
    from processors.score.models import ModelRefused
    from processors.score.session import ProviderRefused
    from streams.broker import BrokerError
    from streams.settings import SettingsError
    from streams.topics import TopicError
    from streams.wire import WireError

    return (
        CommandFailed,
        SourceError,
        GenomeError,
        GeneModelError,
        PackError,
        SourceRefused,
        OutputRefused,
        StoreError,
        ModelRefused,
        ProviderRefused,
        BrokerError,
        SettingsError,
        TopicError,
        WireError,
        OSError,
    )
