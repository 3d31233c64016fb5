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


_EXPECTED = frozenset(
    {
        "streams.cli.failures.CommandFailed",
        "processors.ingest.errors.SourceError",
        "processors.knowledge.download.DownloadFailed",
        "processors.knowledge.genome.GenomeError",
        "processors.knowledge.gff_lines.GeneModelError",
        "processors.knowledge.liftover.chain.ChainRefused",
        "processors.knowledge.liftover.lift.LiftRefused",
        "processors.knowledge.pack.PackError",
        "processors.knowledge.sources.refused.SourceRefused",
        "processors.land.client.StoreError",
        "processors.pipeline.OutputRefused",
        "processors.score.models.ModelRefused",
        "processors.score.session.ProviderRefused",
        "streams.broker.BrokerError",
        "streams.settings.SettingsError",
        "streams.topics.TopicError",
        "streams.wire.WireError",
        "builtins.OSError",
    }
)
"""Errors of the layers below whose message is meant for a person as it is; by name, so that none is imported to be compared with."""


def is_expected(error: Exception) -> bool:
    """True where an error, or a kind of error that it is, has a message for a person."""
    return not _EXPECTED.isdisjoint(f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__)


def expected_names() -> frozenset[str]:
    """What `is_expected` knows, for the test that each still exists."""
    return _EXPECTED
