"""What a person is told while things start and stop."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploy.local.state import Run
from deploy.local.supervisor import Event, EventKind
from streams.cli.session import print_json


def addresses(run: Run) -> dict[str, object]:
    """The object that `up --json` prints."""
    return {"kafka": run.kafka, "clickhouse": run.clickhouse, "board": run.board, "metrics": dict(run.metrics)}


class Told:
    """Prints what the supervisor tells: one line a service, and the addresses once all is up."""

    def __init__(self, console: Console, as_json: bool, *, addresses_too: bool = True) -> None:
        self._console = console
        self._json = as_json
        self._addresses = addresses_too

    def __call__(self, event: Event) -> None:
        match event.kind:
            case EventKind.READY:
                self._console.print(Text.assemble(("  ready    ", "green"), f"{event.service} {event.detail}"))
            case EventKind.STEP:
                self._console.print(Text.assemble(("  step     ", "cyan"), event.service))
            case EventKind.DIED:
                self._console.print(Text.assemble(("  died     ", "red"), f"{event.service}: {event.detail}"))
            case EventKind.UP if event.run is not None and self._addresses:
                self._up(event.run)
            case EventKind.STOPPING:
                self._console.print(Text.assemble(("  stopping ", "dim"), f"{event.service} {event.detail}"))

    def _up(self, run: Run) -> None:
        found = addresses(run)
        if self._json:
            print_json(found)
            return
        table = Table.grid(padding=(0, 2))
        for name, address in found.items():
            for line in address.items() if isinstance(address, dict) else [("", address)]:
                table.add_row(f"{name} {line[0]}".strip(), str(line[1] or "-"))
        self._console.print(table)
