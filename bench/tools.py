"""bcftools annotate and vcfanno doing the lookup alone on the same file: ClinVar's significance and the allele frequency."""

from __future__ import annotations

import resource
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from bench.data import BenchFiles


@dataclass(frozen=True)
class ToolRun:
    """Wall and CPU seconds of one run; `version` as the tool says it."""

    name: str
    version: str
    seconds: float
    cpu_seconds: float


def run_tools(files: BenchFiles, folder: Path, cores: int) -> list[ToolRun]:
    """Every tool that is installed, on the sample `whole`. Output goes nowhere, so that no disk is measured."""
    source = files.samples["whole"]
    for path in (source, files.clinvar, files.frequency):
        if not path.with_name(f"{path.name}.tbi").exists() and shutil.which("tabix"):
            subprocess.run(["tabix", "-p", "vcf", str(path)], check=True)
    found = []
    if shutil.which("bcftools"):
        # one annotation file a run, so two in a pipe
        first = f"bcftools annotate --threads {cores - 1} -a '{files.frequency}' -c INFO/AF -Ou '{source}'"
        second = f"bcftools annotate --threads {cores - 1} -a '{files.clinvar}' -c INFO/CLNSIG -Ou -"
        found.append(_timed("bcftools annotate", _version("bcftools", "--version"), f"{first} | {second} > /dev/null"))
    if shutil.which("vcfanno"):
        settings = folder / "vcfanno.toml"
        blocks = [
            f'[[annotation]]\nfile="{path}"\nfields=["{field}"]\nops=["self"]\nnames=["{name}"]\n'
            for path, field, name in ((files.frequency, "AF", "source_af"), (files.clinvar, "CLNSIG", "source_clnsig"))
        ]
        settings.write_text("\n".join(blocks))
        found.append(_timed("vcfanno", _version("vcfanno", "-h"), f"vcfanno -p {cores} '{settings}' '{source}' > /dev/null 2>&1"))
    return found


def _timed(name: str, version: str, command: str) -> ToolRun:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    subprocess.run(["sh", "-c", command], check=True)
    seconds = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ToolRun(name, version, seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _version(tool: str, option: str) -> str:
    answer = subprocess.run([tool, option], capture_output=True, text=True, check=False)
    text = f"{answer.stdout}\n{answer.stderr}"
    return next((line.strip() for line in text.splitlines() if any(letter.isdigit() for letter in line)), "")
