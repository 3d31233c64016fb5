"""The one base of everything that can go wrong when starting, stopping or examining a local installation."""

from __future__ import annotations


class LocalError(Exception):
    """Its message says what was found, where, and what to do next; a command prints it as it is and exits with 1."""
