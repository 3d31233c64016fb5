"""Building in parts: the same pack whatever the number of processes, after SIGKILL too, and never a half-valid one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from processors.ingest.errors import SourceTruncated
from processors.knowledge import bgzf_ranges, build_folder
from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.pack import Pack, list_packs
from processors.knowledge.source import Request, build_source
from processors.knowledge.sources.refused import SourceRefused
from tests.processors.knowledge.bgzf import write_bgzf

LEAST = 6_000
LENGTH = 40_000
HEAD = "##fileformat=VCFv4.2\n##contig=<ID=1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
CHILD = f"""
import os, signal, sys
from pathlib import Path
from processors.knowledge import bgzf_ranges
from processors.knowledge.genome import Genome
from processors.knowledge.pack import list_packs
from processors.knowledge.source import Request, build_source

def tell(share, text):
    print(share, text, flush=True)
    if sys.argv[4] in text:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    bgzf_ranges.LEAST = {LEAST}
    root = Path(sys.argv[1])
    genome = Genome(next(pack for pack in list_packs(root) if pack.kind == "genome"))
    build_source(Request("frequency", (Path(sys.argv[2]),), root, "own", "1", genome, jobs=int(sys.argv[3]), progress=tell))
"""


@dataclass(frozen=True)
class Made:
    """A genome of one contig and a sites file on it that is cut into several parts; `whole` is the pack of an undisturbed build."""

    folder: Path
    sequence: str
    lines: list[str]
    file: Path
    whole: Pack

    def request(self, root: Path, file: Path | None = None) -> Request:
        """A request to build below `root`, which gets the genome."""
        genome = Genome(build_genome(self.folder / "g.fa", root, "own", "1"))
        return Request("frequency", (file or self.file,), root, "own", "1", genome, jobs=1)

    def altered(self, name: str, line: int, text: str) -> Path:
        lines = [*self.lines]
        lines[line] = text
        return write_bgzf(self.folder / name, (HEAD + "".join(f"{one}\n" for one in lines)).encode(), 2_000)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("parallel")
    rng = np.random.default_rng(3)
    sequence = "".join("ACGT"[base] for base in rng.integers(0, 4, LENGTH))
    (folder / "g.fa").write_text(f">1\n{sequence}\n")
    places = rng.permutation(np.flatnonzero(rng.random(LENGTH - 100) < 0.12))  # unsorted, on purpose
    lines = []
    for place in places.tolist():
        base = sequence[place]
        others = [letter for letter in "ACGT" if letter != base]
        alt = {0: ",".join(others), 1: base + "ACGTTGCA" * 3}.get(place % 7, others[0])
        values = ",".join(f"{rng.random():.5f}" for _ in alt.split(","))
        lines.append(f"1\t{place + 1}\t.\t{base}\t{alt}\t.\t{'PASS' if place % 5 else 'RF'}\tAF={values}")
    lines += [line.rsplit("=", 1)[0] + "=0.5" for line in lines[:200] if "," not in line]  # the same alleles again, with another value
    file = write_bgzf(folder / "sites.vcf.gz", (HEAD + "".join(f"{line}\n" for line in lines)).encode(), 2_000)
    halfway = Made(folder, sequence, lines, file, None)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bgzf_ranges, "LEAST", LEAST)
        assert len(bgzf_ranges.cut(file)) >= 6
        return replace(halfway, whole=build_source(halfway.request(folder / "packs")))


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bgzf_ranges, "LEAST", LEAST)


def content(pack: Pack) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(pack.path.iterdir())}


def left(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "frequency").iterdir() if path.name.startswith("."))


def killed(made: Made, root: Path, jobs: int, when: str) -> list[str]:
    """What a build said before it killed itself, at the first progress text with `when` in it."""
    made.request(root)
    script = root / "child.py"
    script.write_text(CHILD)
    done = subprocess.run(
        [sys.executable, str(script), str(root), str(made.file), str(jobs), when],
        capture_output=True, text=True, timeout=600, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr[-2_000:]
    return done.stdout.splitlines()


def test_a_pack_is_the_same_to_the_byte_whatever_the_number_of_processes(made: Made, tmp_path: Path) -> None:
    pack = build_source(replace(made.request(tmp_path), jobs=2))
    assert content(pack) == content(made.whole)
    assert left(tmp_path) == []


def test_a_file_that_is_cut_gives_what_the_same_file_whole_gives(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bgzf_ranges, "LEAST", 1 << 30)
    assert bgzf_ranges.cut(made.file) == []
    pack = build_source(made.request(tmp_path))
    assert content(pack) == content(made.whole)
    assert pack.extra["counts"]["unsorted"] > 0.4 * len(made.lines)


@pytest.mark.parametrize(("jobs", "when"), [(2, "part 3 of"), (1, "sorting")])
def test_a_build_that_was_killed_goes_on_from_its_finished_parts_and_gives_the_same_pack(
    made: Made, tmp_path: Path, jobs: int, when: str
) -> None:
    parts = len(bgzf_ranges.cut(made.file))
    said = killed(made, tmp_path, jobs, when)
    assert [pack.kind for pack in list_packs(tmp_path)] == ["genome"]
    (work,) = (path for path in (tmp_path / "frequency").glob(".building-*") if path.is_dir())
    assert len(list(work.glob("parts/*/done.json"))) >= sum("part" in line for line in said) >= 3
    told: list[tuple[float, str]] = []
    again = replace(made.request(tmp_path), progress=lambda share, text: told.append((share, text)))
    pack = build_source(again)
    assert content(pack) == content(made.whole)
    assert left(tmp_path) == []
    assert sum("part" in text for _, text in told) == parts
    assert [share for share, _ in told] == sorted(share for share, _ in told)
    assert told[-1][0] == pytest.approx(1)


def test_two_builds_of_the_same_at_once_are_one_pack(made: Made, tmp_path: Path) -> None:
    request = made.request(tmp_path)
    waited = threading.Event()
    packs: list[Pack] = []

    def second() -> None:
        packs.append(build_source(replace(request, progress=lambda _, text: waited.set() if text.startswith("waiting") else None)))

    thread = threading.Thread(target=second)

    def first(_: float, text: str) -> None:
        if text.endswith(f"part 2 of {len(bgzf_ranges.cut(made.file))}"):
            thread.start()
            assert waited.wait(300)

    packs.append(build_source(replace(request, progress=first)))
    thread.join(300)
    assert [pack.digest for pack in packs] == [made.whole.digest] * 2
    assert left(tmp_path) == []


def test_what_killed_builds_left_is_removed_when_nobody_went_on_with_it(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = made.request(tmp_path)
    old = tmp_path / "frequency" / ".building-0123"
    (old / "parts").mkdir(parents=True)
    build_source(request)
    assert left(tmp_path) == [old.name]
    monkeypatch.setattr(build_folder, "STALE", -1)
    build_source(replace(request, version="2"))
    assert left(tmp_path) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_bad_record_is_named_by_its_number_in_the_file_in_whatever_part_it_lies(made: Made, tmp_path: Path, jobs: int) -> None:
    line = len(made.lines) * 2 // 3
    bad = made.altered(f"bad{jobs}.vcf.gz", line, made.lines[line].split("AF=")[0] + "AF=1.5")
    with pytest.raises(SourceRefused, match=rf"bad{jobs}.vcf.gz: data record {line + 1}: AF=1.5 is no frequency"):
        build_source(replace(made.request(tmp_path, bad), jobs=jobs))
    assert left(tmp_path) == []


def test_a_file_cut_at_a_block_is_refused_before_it_is_read(made: Made, tmp_path: Path) -> None:
    short = tmp_path / "short.vcf.gz"
    short.write_bytes(made.file.read_bytes()[:-28])
    with pytest.raises(SourceTruncated, match="end marker"):
        build_source(made.request(tmp_path, short))
    assert [pack.kind for pack in list_packs(tmp_path)] == ["genome"]
    assert left(tmp_path) == []


def test_a_file_of_another_build_is_refused_in_parts_too(made: Made, tmp_path: Path) -> None:
    swapped = str.maketrans("ACGT", "CGTA")
    lines = [
        "\t".join([*line.split("\t")[:3], line.split("\t")[3].translate(swapped), "ACGTACGT", *line.split("\t")[5:]]) for line in made.lines
    ]
    text = HEAD + "".join(f"{line.split('AF=')[0]}AF=0.1\n" for line in lines)
    other = write_bgzf(tmp_path / "other.vcf.gz", text.encode(), 2_000)
    with pytest.raises(SourceRefused, match="REF contradicts own"):
        build_source(made.request(tmp_path, other))


def test_a_file_that_changes_while_it_is_read_is_refused(made: Made, tmp_path: Path) -> None:
    file = tmp_path / "sites.vcf.gz"
    file.write_bytes(made.file.read_bytes())

    def touch(_: float, text: str) -> None:
        if "part 2 of" in text:
            os.utime(file, (time.time() + 5, time.time() + 5))

    with pytest.raises(SourceRefused, match="changed while it was read"):
        build_source(replace(made.request(tmp_path, file), progress=touch))
    assert left(tmp_path) == []
