"""Contracts shared by every stage: identities, assemblies, plans, chunks, events, ClickHouse tables."""
