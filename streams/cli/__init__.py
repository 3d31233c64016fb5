"""The command `riverseq`: one file a group of commands, `app` puts them together.

Commands that start and stop things on this machine come from `deploy`, through the entry-point group `riverseq.commands`: this package
imports nothing of it.
"""

from __future__ import annotations


def main() -> None:
    """Console script."""
    import sys

    from streams.cli.app import run

    sys.exit(run(sys.argv[1:]))
