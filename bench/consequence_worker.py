"""Our side of the consequence benchmark, in a process of its own that the caller holds to one core; prints JSON.

    python -m bench.consequence_worker PACKS BUILD ONE OUT VCF...

`start` is CPU seconds from the process's begin to the first variant written (interpreter, packs, compiled code from its cache). Each VCF
is then annotated file to file; reading alone and the stage's codes alone are measured on the same file. `compiled` counts the kernels that
were compiled meanwhile: figures are good where it is 0, so run it twice.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from numba.core import event

from bench.measure import shortest
from processors.annotate.stage import call
from processors.knowledge.sources.sites import open_sites
from processors.pipeline import Annotated, annotate_file
from processors.records import read_records
from processors.resources import Resources, plan_for


@dataclass(frozen=True)
class Run:
    """CPU and wall seconds of `annotate_file` on one file, the shortest of some passes; `reading` and `codes`: CPU s of these alone."""

    vcf: str
    alleles: int
    rows: int
    cpu: float
    wall: float
    reading: float
    codes: float


def main(arguments: list[str]) -> None:
    """Run as the module says."""
    packs, build, one, target = Path(arguments[0]), arguments[1], Path(arguments[2]), Path(arguments[3])
    with event.install_recorder("numba:compile") as compiled:
        resources = Resources.load(plan_for(packs, build), packs, "cpu")
        annotate_file(one, target, resources)
        start = time.process_time()
        runs = [asdict(run(Path(vcf), target, resources)) for vcf in arguments[4:]]
    sys.stdout.write(json.dumps({"start": start, "runs": runs, "compiled": len(compiled.buffer)}) + "\n")


def run(vcf: Path, target: Path, resources: Resources) -> Run:
    """Measure one file, then its steps."""
    done = Annotated()

    def whole() -> tuple[float, float]:
        nonlocal done
        wall, cpu = time.perf_counter(), time.process_time()
        done = annotate_file(vcf, target, resources)
        return time.process_time() - cpu, time.perf_counter() - wall

    cpu, wall = shortest(whole)
    begin = time.process_time()
    blocks = list(read_records(open_sites(vcf, resources.genome)))
    read = time.process_time()
    for records in blocks:
        for chunk in records.chunks:
            call(chunk, resources)
    return Run(vcf.name, done.alleles, done.rows, cpu, wall, read - begin, time.process_time() - read)


if __name__ == "__main__":
    main(sys.argv[1:])
