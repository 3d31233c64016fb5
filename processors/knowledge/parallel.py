"""Building a pack from VCF or BCF files in several processes: in parts, atomic, and going on where a killed build ended.

Files are cut into ranges by their bytes (`bgzf_ranges`; what is not BGZF is one part). Each part is read by one process into sorted runs in
the build's work folder, and counts as finished once its folder has its final name; then the runs merge into the pack, which appears by one
rename. The work folder is named by the request, the files (path, size, time of change), genome, parser, columns and code: whoever builds
the same again goes on with its finished parts. The pack is the same to the byte whatever the number of processes, and whether or not a
build was killed.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import multiprocessing.connection
import os
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from processors.ingest.errors import SourceError
from processors.knowledge.allele_parts import MERGING, Recipe, Rows, finish_pack, sha256_of
from processors.knowledge.allele_runs import Spill
from processors.knowledge.bgzf_ranges import Range, cut
from processors.knowledge.build_folder import build_folder
from processors.knowledge.genome import Genome
from processors.knowledge.pack import Pack, PackError, read_pack
from processors.knowledge.source import Request
from processors.knowledge.sources.refused import RecordRefused, SourceRefused
from processors.knowledge.sources.sites import Sites, judge_build, open_sites, require_alleles

_MODULES = (
    "processors.ingest.normalise", "processors.ingest.scan", "processors.ingest.contigs", "processors.ingest.bcf",
    "processors.knowledge.sites_text", "processors.knowledge.sources.sites", "processors.knowledge.sources.info",
    "processors.knowledge.allele_columns", "processors.knowledge.allele_runs",
    "processors.knowledge.bgzf_ranges", "processors.knowledge.parallel",
)  # fmt: skip
"""What decides the content of a part, beside the parser: another text of these is another build."""
_TAKES_PROCESSES = 2
"""Parts below this are read in the caller's process: starting one costs about two seconds."""


class Parse(Protocol):
    """Makes rows of a block of sites. Picklable, and its `repr` says all that it depends on (a frozen dataclass is both).

    `tally` counts what is left out, by reason. Raises RecordRefused, with the block's record numbers.
    """

    def __call__(self, block: Sites, tally: Counter[str], path: Path) -> Rows: ...


@dataclass(frozen=True)
class Part:
    """A stretch of a file; `span` None: all of it."""

    file: Path
    span: Range | None

    @property
    def bytes(self) -> int:
        return self.span.end - self.span.start if self.span is not None else self.file.stat().st_size


@dataclass(frozen=True)
class PartRead:
    """What reading a part told: counts by reason, and where its first and last record lie (linear, -1: nowhere)."""

    counts: Counter[str]
    first: int
    last: int


def build_from_sites(request: Request, parse: Parse, recipe: Recipe, extra: Mapping[str, Any] | None = None) -> Pack:
    """A pack of `request.kind` from sites files.

    Raises SourceRefused (also for a file that changes meanwhile), ingest.errors.SourceError; PackError where a reading process was killed.
    """
    genome = request.genome
    if genome is None:
        raise PackError(f"{request.kind} is keyed by allele: a genome of {request.build} is needed")
    for path in request.files:
        open_sites(path, genome).close()  # a header of another build is refused before anything is made
    stamps = [_stamp(path) for path in request.files]
    said = [request.kind, request.name, request.version, request.date, request.licence]
    digest = hashlib.blake2b(
        json.dumps([said, stamps, genome.pack.digest, repr(parse), repr(recipe), _code(parse)]).encode(), digest_size=8
    ).hexdigest()
    tell = request.progress or (lambda share, text: None)
    with build_folder(request.root / request.kind, digest, lambda text: tell(0.0, text)) as held:
        if held.made is not None:
            return held.made
        try:
            with ThreadPoolExecutor(1) as hashing:
                sha256 = hashing.submit(sha256_of, request.files)
                runs, tally = _read(_parts(request.files), request, genome, parse, recipe, held.path, tell)
                judge_build(_names(request.files), genome, tally)
                require_alleles(_names(request.files), genome, tally)
                digests = sha256.result()
            if stamps != [_stamp(path) for path in request.files]:
                raise SourceRefused(f"{_names(request.files)}: changed while it was read; build it again")
            pack = finish_pack(request, recipe, held.path, runs, tally, digests, extra or {})
        except (SourceRefused, SourceError):
            held.remove()  # nothing of it can be gone on with
            raise
        held.finished(pack)
        return pack


def _parts(files: Iterable[Path]) -> list[Part]:
    parts: list[Part] = []
    for path in files:
        spans = cut(path)
        parts += [Part(path, span) for span in spans] if spans else [Part(path, None)]
    return parts


def _read(
    parts: list[Part], request: Request, genome: Genome, parse: Parse, recipe: Recipe, work: Path, tell: Callable[[float, str], None]
) -> tuple[list[Path], Counter[str]]:
    """Runs of all parts in order, and their counts. Of several parts at fault the first one's error is raised."""
    folder = work / "parts"
    folder.mkdir(exist_ok=True)
    found: dict[int, PartRead] = {}
    total = sum(part.bytes for part in parts)

    def done(number: int, read: PartRead) -> None:
        found[number] = read
        share = sum(parts[k].bytes for k in found) / max(total, 1)
        alleles = sum(one.counts["alleles"] for one in found.values())
        tell(MERGING * share, f"{alleles:,} alleles, part {len(found)} of {len(parts)}")

    for number in range(len(parts)):
        if (folder / f"{number:06d}" / "done.json").exists():
            done(number, _part_read(folder / f"{number:06d}"))
    left = [number for number in range(len(parts)) if number not in found]
    jobs = min(request.jobs or os.cpu_count() or 1, len(left))
    errors: dict[int, BaseException] = {}
    if jobs < _TAKES_PROCESSES:
        for number in left:
            try:
                done(number, _read_part(parts[number], genome, parse, recipe, folder / f"{number:06d}", tell if len(parts) == 1 else None))
            except RecordRefused as error:
                errors[number] = error
                break
    else:
        _spread(parts, left, jobs, genome, parse, recipe, folder, done, errors)
    for number in sorted(errors):
        raise _placed(errors[number], parts, number, found)
    runs = [run for number in range(len(parts)) for run in sorted((folder / f"{number:06d}").glob("[0-9]*"))]
    tally = sum((found[number].counts for number in range(len(parts))), Counter())
    tally["unsorted"] += sum(  # a record at the beginning of a part, and the one in front of it
        parts[k].file == parts[k - 1].file and 0 <= found[k].first < found[k - 1].last for k in range(1, len(parts))
    )
    return runs, tally


def _spread(
    parts: list[Part],
    left: list[int],
    jobs: int,
    genome: Genome,
    parse: Parse,
    recipe: Recipe,
    folder: Path,
    done: Callable[[int, PartRead], None],
    errors: dict[int, BaseException],
) -> None:
    """Read parts in processes of their own, in order; after an error no later part is begun."""
    context = multiprocessing.get_context("spawn")  # a fork would share the threads' locks of whoever builds
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_end_with_parent) as pool:
        waiting: dict[Future[PartRead], int] = {}
        queue = iter(left)
        try:
            while True:
                while len(waiting) < 2 * jobs and not errors and (number := next(queue, None)) is not None:
                    target = folder / f"{number:06d}"
                    waiting[pool.submit(_read_part_of, parts[number], genome.pack.path, parse, recipe, target)] = number
                if not waiting:
                    return
                ready, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in ready:
                    number = waiting.pop(future)
                    error = future.exception()
                    if error is not None:
                        errors[number] = error
                    else:
                        done(number, future.result())
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _end_with_parent() -> None:
    """A reader must not go on when its build was killed."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _read_part_of(part: Part, genome: Path, parse: Parse, recipe: Recipe, target: Path) -> PartRead:
    return _read_part(part, Genome(read_pack(genome)), parse, recipe, target, None)


def _read_part(
    part: Part, genome: Genome, parse: Parse, recipe: Recipe, target: Path, tell: Callable[[float, str], None] | None
) -> PartRead:
    """Read a part into `target`, which appears when it is whole."""
    work = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.rmtree(work, ignore_errors=True)
    spill = Spill(work, recipe)
    with open_sites(part.file, genome, part.span) as sites:
        for block in sites.blocks():
            spill.add(parse(block, sites.tally, part.file))
            if tell is not None:
                tell(MERGING * sites.fraction, f"{sites.tally['alleles']:,} alleles")
        spill.flush()
    work.mkdir(exist_ok=True, parents=True)
    read = PartRead(sites.tally, sites.first_place, sites.last_place)
    (work / "done.json").write_text(json.dumps({"counts": sites.tally, "first": sites.first_place, "last": sites.last_place}))
    try:
        work.rename(target)
    except OSError:
        if not (target / "done.json").exists():
            raise
        shutil.rmtree(work, ignore_errors=True)
    return read


def _part_read(folder: Path) -> PartRead:
    said = json.loads((folder / "done.json").read_text())
    return PartRead(Counter(said["counts"]), said["first"], said["last"])


def _placed(error: BaseException, parts: list[Part], number: int, found: Mapping[int, PartRead]) -> BaseException:
    """The error, its record counted from the file's beginning."""
    if isinstance(error, BrokenExecutor):
        return PackError(f"{parts[number].file}: a reading process was killed (out of memory?); build again, with fewer --jobs")
    if not isinstance(error, RecordRefused):
        return error
    before = [k for k in range(number) if parts[k].file == parts[number].file]
    return error.behind(sum(found[k].counts["records"] for k in before))


def _stamp(path: Path) -> list[Any]:
    state = path.stat()
    return [str(path.resolve()), state.st_size, state.st_mtime_ns]


def _code(parse: Parse) -> str:
    """Digest of the program text that decides what a part holds."""
    state = hashlib.blake2b(digest_size=8)
    for name in (*_MODULES, type(parse).__module__):
        module = sys.modules.get(name)
        if module is not None and module.__file__:
            state.update(Path(module.__file__).read_bytes())
    return state.hexdigest()


def _names(files: Iterable[Path]) -> str:
    return ", ".join(str(path) for path in files)
