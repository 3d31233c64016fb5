"""Consumer groups of the data plane, by the topic that they read: whoever asks how much is unread must name the same groups."""

from __future__ import annotations

from streams.topics import CHUNKS_RAW, WORK

INGEST = "riverseq-ingest"
CHAIN = "riverseq-chain"

READERS = {WORK.name: INGEST, CHUNKS_RAW.name: CHAIN}
"""Base topic (all of its lanes) → the group that works on it."""
