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
        index = path.with_name(f"{path.name}.tbi")
        if shutil.which("tabix") and (not index.exists() or index.stat().st_mtime < path.stat().st_mtime):
            subprocess.run(["tabix", "-f", "-p", "vcf", str(path)], check=True)
    found = []
    if shutil.which("bcftools"):
        # it takes one annotation file, so both sources are put into one beforehand, which is not timed
        both = folder / "knowledge.vcf.gz"
        subprocess.run(
            ["bcftools", "annotate", "-a", str(files.clinvar), "-c", "INFO/CLNSIG", "-Oz", "-o", str(both), str(files.frequency)],
            check=True,
        )
        subprocess.run(["tabix", "-f", "-p", "vcf", str(both)], check=True)
        command = f"bcftools annotate --threads {cores - 1} -a '{both}' -c INFO/AF,INFO/CLNSIG -Ou '{source}' > /dev/null"
        found.append(_timed("bcftools annotate", _version("bcftools", "--version"), command))
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
