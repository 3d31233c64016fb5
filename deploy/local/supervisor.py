"""Start an ordered list of services, keep them alive, stop them in reverse order.

One thread does everything: the kernel kills a child when the thread that made it ends, so no child may come from a passing one.
"""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from types import FrameType

from deploy.local.errors import LocalError
from deploy.local.process import Process
from deploy.local.state import ProcessState, Run, State

Probe = Callable[[], str | None]
"""None when ready, else why not. Must return within a few seconds."""

_TICK = 0.1
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StartFailed(LocalError):
    """A service or step did not come up at first start; the message ends with what it printed last. Everything is stopped."""


class EventKind(StrEnum):
    """What `on_event` is told."""

    STARTING = "starting"
    READY = "ready"
    DIED = "died"
    STEP = "step"
    UP = "up"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Event:
    """One change. `service` is empty for the whole; `detail` is for people; `run` is there with UP alone."""

    kind: EventKind
    service: str = ""
    detail: str = ""
    run: Run | None = None


OnEvent = Callable[[Event], None]


@dataclass(frozen=True)
class Service:
    """A process to keep running. `prepare` runs before each start; its failure counts as the service's. Times in seconds."""

    name: str
    command: tuple[str, ...]
    ready: Probe
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    start_timeout: float = 120.0
    stop_timeout: float = 20.0


@dataclass(frozen=True)
class Step:
    """Something done once between two services, in the supervisor's own process."""

    name: str
    run: Callable[[], None]


Part = Service | Step | tuple[Service, ...]
"""What starts next: one service, one step, or services that do not need each other and start together."""


@dataclass(frozen=True)
class Policy:
    """How deaths are answered: delay doubles from `first` to `longest` seconds, ±25 %, and starts over after `stable` seconds of life.

    At first start a service may die `attempts` - 1 times; the next death fails the whole. Later it is restarted for ever.
    """

    first: float = 0.5
    longest: float = 30.0
    stable: float = 60.0
    attempts: int = 3
    watch: float = 5.0

    def delay(self, deaths: int) -> float:
        """Seconds to wait after this many deaths in a row (1 or more)."""
        return float(min(self.longest, self.first * 2 ** min(deaths - 1, 30))) * random.uniform(0.75, 1.25)  # noqa: S311 (jitter)


class _Stop(Exception):
    """Somebody asked for the end."""


class _Supervised:
    """A service and the life of its process."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.process: Process | None = None
        self.restarts = 0
        self.deaths = 0
        self.death = ""
        self.problem = ""
        self.ready = False
        self.ever_ready = False
        self.due = 0.0
        self.next_probe = 0.0
        self.begun = time.monotonic()

    def state(self) -> ProcessState:
        reason = "; ".join(text for text in (self.death, self.problem) if text)
        return ProcessState(self.process.pid if self.process else None, self.restarts, reason, self.ready)


class Supervisor:
    """Runs `parts` in order on a locked state folder. `run` holds the addresses that run.json shows; its processes are filled in here."""

    def __init__(
        self, state: State, parts: Sequence[Part], run: Run, on_event: OnEvent | None = None, policy: Policy | None = None
    ) -> None:
        self._state = state
        self._parts = parts
        self._run = run
        self._on_event = on_event
        self._policy = policy or Policy()
        self._supervised: dict[str, _Supervised] = {}
        self._stops = 0
        self._up = False
        self._written: Run | None = None

    def stop(self) -> None:
        """Ask for an orderly end; asked again, everything is killed at once. Safe from any thread and from a signal handler."""
        self._stops += 1

    def run(self) -> None:
        """Start everything, then supervise until `stop` or SIGINT, SIGTERM, SIGHUP.

        Raises `StartFailed`. Whatever happens, no process stays when it returns.
        """
        self._state.remove_run()
        with self._signals():
            try:
                for part in self._parts:
                    self._begin(part)
                self._up = True
                self._publish()
                self._tell(Event(EventKind.UP, run=self._snapshot()))
                while True:
                    self._tick()
                    self._pause()
            except _Stop:
                pass
            except LocalError as error:
                self._tell(Event(EventKind.FAILED, detail=str(error)))
                raise
            finally:
                self._up = False
                self._stop_all()
                self._state.remove_run()
                self._tell(Event(EventKind.STOPPED))

    def _begin(self, part: Part) -> None:
        if isinstance(part, Step):
            self._tell(Event(EventKind.STEP, part.name))
            try:
                part.run()
            except Exception as error:
                raise StartFailed(f"{part.name}: {type(error).__name__}: {error}") from error
            self._pause(0.0)
            return
        begun = [_Supervised(service) for service in (part if isinstance(part, tuple) else (part,))]
        self._supervised.update({supervised.service.name: supervised for supervised in begun})
        while not all(supervised.ready for supervised in begun):
            self._tick()
            self._pause()

    def _tick(self) -> None:
        now = time.monotonic()
        for supervised in self._supervised.values():
            process = supervised.process
            if process is None:
                if now >= supervised.due:
                    self._launch(supervised)
            elif not process.running():
                self._bury(supervised, process.reason())
            elif now >= supervised.next_probe:
                self._probe(supervised, process)
        self._publish()

    def _launch(self, supervised: _Supervised) -> None:
        service = supervised.service
        self._tell(Event(EventKind.STARTING, service.name, supervised.death))
        if supervised.deaths:
            supervised.restarts += 1
        log = self._state.logs / f"{service.name}.log"
        try:
            if service.prepare is not None:
                service.prepare()
            supervised.process = Process(service.command, service.environment, log)
        except (OSError, LocalError) as error:
            self._bury(supervised, str(error))

    def _bury(self, supervised: _Supervised, reason: str) -> None:
        process, supervised.process = supervised.process, None
        if process is not None:
            # what it may have started must not meet its successor
            process.kill()
            if time.monotonic() - process.started > self._policy.stable:
                supervised.deaths = 0
        supervised.ready = False
        supervised.death, supervised.problem = reason, ""
        supervised.deaths += 1
        if not supervised.ever_ready and supervised.deaths >= self._policy.attempts:
            raise self._start_failed(supervised, f"did not start in {supervised.deaths} attempts: {reason}", process)
        delay = self._policy.delay(supervised.deaths)
        supervised.due = time.monotonic() + delay
        self._tell(Event(EventKind.DIED, supervised.service.name, f"{reason}; starts again in {delay:.1f} s"))

    def _probe(self, supervised: _Supervised, process: Process) -> None:
        problem = supervised.service.ready()
        if problem is None and not process.running():
            # something else answered on its port
            return
        now = time.monotonic()
        if problem is None and not supervised.ready:
            self._tell(Event(EventKind.READY, supervised.service.name, f"after {now - process.started:.1f} s"))
        supervised.ready = problem is None
        supervised.ever_ready |= supervised.ready
        supervised.problem = f"not ready: {problem}" if problem else ""
        supervised.next_probe = now + (self._policy.watch if supervised.ready else _TICK)
        timeout = supervised.service.start_timeout
        if not supervised.ever_ready and now - supervised.begun > timeout:
            raise self._start_failed(supervised, f"is not ready after {timeout:.0f} s: {problem}", process)

    def _start_failed(self, supervised: _Supervised, what: str, process: Process | None) -> StartFailed:
        name = supervised.service.name
        lines = [f"{name} {what}", f"log: {self._state.logs / f'{name}.log'}"]
        return StartFailed("\n".join([*lines, *(process.tail() if process else [])]))

    def _stop_all(self) -> None:
        for supervised in reversed(self._supervised.values()):
            process = supervised.process
            if process is None:
                continue
            name, service = supervised.service.name, supervised.service
            self._tell(Event(EventKind.STOPPING, name))
            if not process.stop(service.stop_signal, service.stop_timeout, hurry=lambda: self._stops > 1):
                self._tell(Event(EventKind.STOPPING, name, f"killed: did not end within {service.stop_timeout:.0f} s"))
            supervised.process = None

    def _snapshot(self) -> Run:
        return replace(self._run, processes={name: s.state() for name, s in self._supervised.items()})

    def _publish(self) -> None:
        run = self._snapshot()
        if not self._up or run == self._written:
            return
        # a full disk must not end the supervision of what may free it; tried again at the next tick
        with suppress(OSError):
            self._state.write_run(run)
            self._written = run

    def _tell(self, event: Event) -> None:
        row = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event.kind.value}
        row |= {k: v for k, v in (("service", event.service), ("detail", event.detail)) if v}
        with suppress(OSError), (self._state.logs / "supervisor.log").open("a") as log:
            log.write(json.dumps(row) + "\n")
        if self._on_event is not None:
            # who stopped listening (a closed pipe) does not end what others use
            with suppress(OSError):
                self._on_event(event)

    def _pause(self, seconds: float = _TICK) -> None:
        if not self._stops:
            time.sleep(seconds)
        if self._stops:
            raise _Stop

    @contextmanager
    def _signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def handle(_number: int, _frame: FrameType | None) -> None:
            self.stop()

        # what the caller ignores stays ignored: that is how nohup and a shell's background jobs ask to be left alone
        heeded = [number for number in _STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, handle) for number in heeded}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
