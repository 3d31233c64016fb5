"""Ingest: call sets to chunks. `read_header` looks at a file, `ingest` reads it."""

from processors.ingest.chunker import NORMALISER_VERSION, Emitted, Ingestion, ingest
from processors.ingest.errors import SourceError
from processors.ingest.source import SourceHeader, read_header

__all__ = ["NORMALISER_VERSION", "Emitted", "Ingestion", "SourceError", "SourceHeader", "ingest", "read_header"]
