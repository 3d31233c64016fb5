"""CPU, memory and metrics of the running processes, and what machine this is."""

from __future__ import annotations

import os
import platform
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.state import Run

MIB = 1024 * 1024
PASSES, BRIEF = 3, 2.0
"""What takes fewer wall seconds than BRIEF is done PASSES times, and the shortest pass counts."""
STEP_CPU = "riverseq_step_cpu_seconds_total"
STEP_ROWS = "riverseq_step_rows_total"


@dataclass(frozen=True)
class Sample:
    """CPU seconds (user and system, children included) of each process, and CPU seconds and rows of each step, since they began."""

    cpu: Mapping[str, float]
    step_cpu: Mapping[str, float]
    step_rows: Mapping[str, float]


def shortest(measured: Callable[[], tuple[float, float]]) -> tuple[float, float]:
    """(CPU, wall) seconds of something that tells these of itself."""
    best = measured()
    for _ in range(PASSES - 1 if best[1] < BRIEF else 0):
        best = min(best, measured(), key=lambda seconds: seconds[1])
    return best


def take(run: Run) -> Sample:
    """Where all counters stand now."""
    cpu = {}
    for name, process in run.processes.items():
        if process.pid is not None:
            cpu[name] = _cpu(psutil.Process(process.pid))
    step_cpu: dict[str, float] = {}
    step_rows: dict[str, float] = {}
    for name, address in run.metrics.items():
        for metric, label, value in scrape(f"{address}/metrics"):
            target = step_cpu if metric == STEP_CPU else step_rows if metric == STEP_ROWS else None
            if target is not None:
                key = f"{name.partition('-')[0]}.{label}"
                target[key] = target.get(key, 0.0) + value
    return Sample(cpu, step_cpu, step_rows)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    own: float = times.user + times.system
    return own + sum(_cpu(child) for child in process.children())


def scrape(address: str) -> list[tuple[str, str, float]]:
    """(metric, label `step`, value) of every sample that has the label."""
    with urllib.request.urlopen(address, timeout=5) as answer:
        text = answer.read().decode()
    return [
        (sample.name, sample.labels["step"], sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if "step" in sample.labels
    ]


def reset_peaks(run: Run) -> None:
    """Let the kernel count each process's peak memory anew (proc(5), clear_refs 5)."""
    for process in run.processes.values():
        if process.pid is not None:
            Path(f"/proc/{process.pid}/clear_refs").write_text("5")


def peaks(run: Run) -> dict[str, float]:
    """Greatest resident memory of each process since `reset_peaks`, in MiB."""
    found = {}
    for name, process in run.processes.items():
        if process.pid is not None:
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            found[name] = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
    return found


def machine() -> dict[str, str | int | float]:
    """What the figures were measured on."""
    model = next(
        (line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), ""
    )
    return {
        "cpu": model or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 1024**3, 1),
        "load_before": round(os.getloadavg()[0], 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }
