"""Our side of the consequence benchmark, in a process of its own that the caller holds to one core; prints JSON.

    python -m bench.consequence_worker PACKS BUILD ONE OUT VCF...

`start` is CPU seconds from the process's begin to the first variant written (interpreter, packs, compiled code from its cache). Each VCF
is then annotated file to file; reading alone and the stage's codes alone are measured on the same file.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from processors.annotate.stage import call
from processors.knowledge.sources.sites import open_sites
from processors.pipeline import annotate_file
from processors.records import read_records
from processors.resources import Resources, plan_for


@dataclass(frozen=True)
class Run:
    """CPU and wall seconds of `annotate_file` on one file; `reading` and `codes` are CPU seconds of these steps alone."""

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
    resources = Resources.load(plan_for(packs, build), packs, "cpu")
    annotate_file(one, target, resources)
    start = time.process_time()
    sys.stdout.write(json.dumps({"start": start, "runs": [asdict(run(Path(vcf), target, resources)) for vcf in arguments[4:]]}) + "\n")


def run(vcf: Path, target: Path, resources: Resources) -> Run:
    """Measure one file; its steps first, which also brings it and the packs into memory."""
    begin = time.process_time()
    blocks = list(read_records(open_sites(vcf, resources.genome)))
    read = time.process_time()
    for records in blocks:
        for chunk in records.chunks:
            call(chunk, resources)
    coded = time.process_time()
    del blocks
    wall, cpu = time.perf_counter(), time.process_time()
    done = annotate_file(vcf, target, resources)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Run(vcf.name, done.alleles, done.rows, cpu, wall, read - begin, coded - read)


if __name__ == "__main__":
    main(sys.argv[1:])
