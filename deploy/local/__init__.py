"""Everything on one machine: embedded Kafka and ClickHouse, the workers, and a supervisor that keeps them alive."""

from deploy.local.commands import down, up
from deploy.local.errors import LocalError
from deploy.local.state import Run, State, open_state
from deploy.local.supervisor import Event, EventKind

__all__ = ["Event", "EventKind", "LocalError", "Run", "State", "down", "open_state", "up"]
