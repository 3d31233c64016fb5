"""A broker in memory, for tests, behind the seam of `streams.broker`."""

from streams.memory.broker import Clock, MemoryBroker
from streams.memory.clients import MemoryConsumer, MemoryProducer, MemoryReader

__all__ = ["Clock", "MemoryBroker", "MemoryConsumer", "MemoryProducer", "MemoryReader"]
