"""`up` and `down`: the calls behind the commands of these names."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from deploy.local.errors import LocalError
from deploy.local.services import PARTS, installation
from deploy.local.state import AlreadyRunning, Run, open_state
from deploy.local.supervisor import Event, EventKind, OnEvent, StartFailed, Step, Supervisor
from processors import warm

_COMPILED = ("ingest", "chain")
"""Parts whose processes run kernels."""


class StopFailed(LocalError):
    """The running `up` did not end in time."""


def up(
    root: Path,
    *,
    detach: bool = False,
    on_event: OnEvent | None = None,
    workers: int = 1,
    roots: Sequence[Path] = (),
    ports: tuple[int, int] | None = None,
    kafka: str | None = None,
    clickhouse: str | None = None,
    parts: Collection[str] = PARTS,
) -> Run | None:
    """Start everything on the state folder `root`, which is made if missing.

    In the foreground (call from the main thread) it blocks until SIGINT, SIGTERM, SIGHUP or `down`, has stopped everything when it
    returns, and returns None; what answers where comes with the event UP. With `detach` it returns that `Run` once all answers, and a
    process of its own keeps supervising. `on_event` is told of each change in both cases (detached: until UP).

    `workers` is the number of chain workers, `roots` the folders that events' files may lie in, `ports` a range (first, last) to choose
    from. `kafka` and `clickhouse` (default: the variables RIVERSEQ_KAFKA, RIVERSEQ_CLICKHOUSE) name ones that run elsewhere.
    `parts` leaves things out.

    Raises a `LocalError`: `AlreadyRunning`, `NewerState`, `StateError`, `NoJava`, `NoFreePort`, `JarsUnavailable`, `StartFailed`...
    """
    options: dict[str, Any] = {
        "workers": workers,
        "roots": tuple(root.absolute() for root in roots),
        "ports": ports,
        "kafka": kafka or os.environ.get("RIVERSEQ_KAFKA") or None,
        "clickhouse": clickhouse or os.environ.get("RIVERSEQ_CLICKHOUSE") or None,
        "parts": tuple(parts),
    }
    state = open_state(root, create=True)
    if detach:
        if (pid := state.holder()) is not None:
            raise AlreadyRunning(state.root, pid)
        return _detached(state.root, options, on_event)
    with state.lock():
        state.secrets()
        built = installation(state, **options)
        first = (
            ()
            if warm.is_warm() or not set(_COMPILED) & set(parts)
            else (Step("compiling kernels, at the first start: about a minute", _compile_kernels),)
        )
        Supervisor(state, (*first, *built.parts), built.run, on_event).run()
    return None


def _compile_kernels() -> None:
    # the workers would do it, but their start has a time limit; they also say what went wrong
    with suppress(warm.WarmFailed, OSError):
        warm.ensure()


def down(root: Path, *, timeout: float = 180.0) -> bool:
    """Stop what runs on `root`, in order, and wait until all has ended. False if nothing ran.

    Raises `StateError` if `root` is no state folder, `StopFailed` after `timeout` seconds.
    """
    state = open_state(root)
    pid = state.holder()
    deadline = time.monotonic() + timeout
    while pid == 0 and time.monotonic() < deadline:
        # it has the lock but has not written its id yet
        time.sleep(0.05)
        pid = state.holder()
    if pid is None:
        state.remove_run()
        return False
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        pass
    except PermissionError as error:
        raise StopFailed(f"{state.root}: process {pid} belongs to another user; stop it as that user") from error
    while state.holder() == pid:
        if time.monotonic() > deadline:
            raise StopFailed(f"{state.root}: process {pid} has not ended after {timeout:.0f} s; see {state.logs / 'supervisor.log'}")
        time.sleep(0.1)
    return True


def _detached(root: Path, options: dict[str, Any], on_event: OnEvent | None) -> Run:
    """Start `python -m deploy.local` in a session of its own, pass its events on until UP."""
    output = root / "logs" / "supervisor.out"
    reading, writing = os.pipe()
    arguments = json.dumps({"root": str(root), **options, "roots": [str(path) for path in options["roots"]]})
    with output.open("w") as sink:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "deploy.local", str(writing)],
            stdin=subprocess.PIPE,
            text=True,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(writing,),
        )
    os.close(writing)
    assert child.stdin is not None
    # not as an argument: a DSN may hold a password, and anybody can list arguments
    with suppress(BrokenPipeError), child.stdin as options_pipe:
        options_pipe.write(arguments)
    failure = ""
    try:
        with os.fdopen(reading) as events:
            for line in events:
                event = event_from_json(line)
                if event.kind is EventKind.FAILED:
                    failure = event.detail
                if on_event is not None:
                    on_event(event)
                if event.kind is EventKind.UP and event.run is not None:
                    return event.run
    except BaseException:
        # Ctrl-C while it starts: what was begun ends too
        child.terminate()
        child.wait()
        raise
    child.wait()
    raise StartFailed(failure or f"the supervisor ended with code {child.returncode}: {output.read_text()[-2000:].strip()}")


def serve_detached(descriptor: int, arguments: str) -> int:
    """The detached side: `up` in the foreground, its events as JSON lines on `descriptor`, which is closed after UP."""
    options = json.loads(arguments)
    options["roots"] = [Path(path) for path in options["roots"]]
    options["ports"] = tuple(options["ports"]) if options["ports"] else None
    pipe = os.fdopen(descriptor, "w")

    def on_event(event: Event) -> None:
        if not pipe.closed:
            pipe.write(json.dumps(asdict(event)) + "\n")
            pipe.flush()
            if event.kind in (EventKind.UP, EventKind.FAILED):
                pipe.close()

    try:
        up(Path(options.pop("root")), on_event=on_event, **options)
    except LocalError as error:
        on_event(Event(EventKind.FAILED, detail=str(error)))
        return 1
    return 0


def event_from_json(line: str) -> Event:
    """The event that `serve_detached` wrote."""
    raw = json.loads(line)
    run = raw["run"]
    if run is not None:
        run = Run.from_json(run)
    return Event(EventKind(raw["kind"]), raw["service"], raw["detail"], run)
