"""The whole way on a real broker and a real engine, by the commands that a person types; a small demo is what runs."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from deploy.local import commands
from deploy.local.demo.run import run_demo
from deploy.local.state import open_state
from streams.cli.app import run

pytestmark = pytest.mark.broker


@dataclass(frozen=True)
class Answer:
    """What a command ended with."""

    code: int
    stdout: str
    stderr: str


class Installation:
    """A running demo and the command line on it, called within this process: each import of it takes a second."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *words: str, code: int = 0) -> Answer:
        """Run `riverseq WORDS`; asserts the exit code. A command that does not end within two minutes is interrupted."""
        printed, said = (io.TextIOWrapper(io.BytesIO(), write_through=True) for _ in range(2))
        before = signal.signal(signal.SIGALRM, _interrupt)
        signal.alarm(120)
        try:
            with redirect_stdout(printed), redirect_stderr(said):
                ended = run([*words, "--state", str(self.folder)])
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)
        answer = Answer(ended, *(stream.buffer.getvalue().decode() for stream in (printed, said)))
        assert ended == code, f"{words}: {ended}\n{answer.stdout}\n{answer.stderr}"
        return answer

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.run(*words, "--json", code=code).stdout)

    @property
    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "demo" / "summary.json").read_text())
        return found


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise TimeoutError("the command did not end")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("demo") / "state"
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("RIVERSEQ_")}
    try:
        assert run_demo(folder, seed=5, keep=True, as_json=False, contigs=(3_000_000, 1_500_000), sites=30_000) == 0
        yield Installation(folder)
    finally:
        commands.down(folder)
        os.environ.update(kept)


def test_every_variant_of_the_demo_is_accounted_for_by_reading_back(demo: Installation) -> None:
    summary = demo.summary
    assert summary["conserved"] is True
    assert summary["variants_in"] == summary["landed"] + summary["quarantined"] > 15_000
    assert {"star_allele", "symbolic", "bad_ref", "unknown_base"} <= summary["quarantined_by_reason"].keys()
    assert [sample["sample"] for sample in summary["samples"]] == ["father", "mother", "child"]


def test_what_was_put_in_on_purpose_is_found_in_everyone_who_carries_it(demo: Installation) -> None:
    summary = demo.summary
    assert summary["stories_found"] == summary["stories"] > 15
    assert any(finding["clinvar"] == "Pathogenic" for finding in summary["top_findings"])


def test_status_of_a_sample_is_one_object_with_the_keys_of_the_contract(demo: Installation) -> None:
    found = demo.json("status", "child")
    assert list(found) == ["sample", "state", "variants_in", "landed", "quarantined", "revision", "plan", "stages", "reanalysis"]
    assert found["state"] == "published"
    assert found["variants_in"] == found["landed"] + found["quarantined"]
    assert {row["sample"] for row in demo.json("status")} == {"father", "mother", "child"}


def test_a_variant_and_a_gene_can_be_asked_for(demo: Installation) -> None:
    finding = demo.summary["top_findings"][0]
    rows = demo.json("query", "--variant", finding["variant"])
    assert {row["sample"]: row["zygosity"] for row in rows} == finding["carriers"]
    assert finding["variant"].split("-")[1] in {str(row["position"]) for row in demo.json("query", "--gene", finding["gene"])}
    csv = demo.run("query", "SELECT sample_id, count() AS calls FROM calls_current GROUP BY sample_id", "--format", "csv").stdout
    assert len(csv.strip().splitlines()) == 4


def test_a_reader_reads_tables_and_nothing_else(demo: Installation) -> None:
    answer = demo.run("query", "SELECT * FROM file('/etc/hostname', 'LineAsString')", code=1)
    assert "ACCESS_DENIED" in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1


def test_results_carry_every_finding_and_one_publication_a_sample(demo: Installation) -> None:
    lines = demo.run("subscribe", "--from", "beginning", "--to-end").stdout.splitlines()
    first = [row for row in map(json.loads, lines) if row["revision"] == 1]
    interpreted = [row for row in first if row["type"] == "SampleInterpreted"]
    assert len({row["sample_id"] for row in interpreted}) == 3
    assert sum(row["findings"] for row in interpreted) == len({row["id"] for row in first if row["type"] == "Finding"}) > 10
    mine = demo.run("subscribe", "--from", "beginning", "--to-end", "--filter", "sample=child,type=SampleInterpreted").stdout.splitlines()
    assert {json.loads(line)["complete"] for line in mine} == {True}


def test_the_same_announcement_again_changes_nothing_and_does_not_wait_for_ever(demo: Installation) -> None:
    path = str(demo.folder / "demo" / "input" / "mother.vcf.gz")
    before = demo.json("status", "mother")
    again = demo.json("submit", path, "--build", "Demo1", "--wait")
    assert (again["state"], again["revision"]) == ("published", before["revision"])


def test_a_replay_is_a_new_revision_with_the_same_content(demo: Installation) -> None:
    before = demo.json("status", "father")
    after = demo.json("replay", "father", "--wait")
    assert after["revision"] == before["revision"] + 1
    assert {key: after[key] for key in ("variants_in", "landed", "quarantined")} == {
        key: before[key] for key in ("variants_in", "landed", "quarantined")
    }


def test_a_cut_file_fails_with_its_place_and_what_stood_before_stands(demo: Installation) -> None:
    whole = demo.folder / "demo" / "input" / "mother.vcf.gz"
    cut = demo.folder / "demo" / "cut.vcf.gz"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    answer = demo.run("submit", str(cut), "--build", "Demo1", "--wait", code=1)
    assert "cut.vcf.gz" in answer.stdout + answer.stderr
    landed = demo.json("query", "SELECT count() AS n FROM sample_current WHERE complete")
    assert int(landed[0]["n"]) == 3


def test_mistakes_at_submission_are_said_before_anything_is_sent(demo: Installation) -> None:
    path = str(demo.folder / "demo" / "input" / "child.vcf.gz")
    assert "Demo1" in demo.run("submit", path, "--build", "GRCh38", code=2).stderr
    outside = demo.folder.parent / "outside.vcf.gz"
    shutil.copy(path, outside)
    assert "outside the folders" in demo.run("submit", str(outside), "--build", "Demo1", code=2).stderr
    assert "child" in demo.run("submit", path, "--build", "Demo1", "--sample", "nobody", code=2).stderr


def test_a_second_up_on_the_folder_is_refused(demo: Installation) -> None:
    assert "already running" in demo.run("up", "--detach", code=1).stderr


def test_annotate_gives_a_row_for_each_allele_without_kafka_or_a_database(demo: Installation, tmp_path: Path) -> None:
    target = tmp_path / "child.tsv"
    demo.run("annotate", str(demo.folder / "demo" / "input" / "child.vcf.gz"), "--build", "Demo1", "-o", str(target))
    lines = target.read_text().splitlines()
    assert lines[0].split("\t")[:5] == ["id", "chrom", "pos", "ref", "alt"]
    picked = [line for line in lines[1:] if line.split("\t")[23] == "1"]
    assert len(picked) >= demo.json("status", "child")["landed"]


def test_a_deleted_sample_is_gone_and_the_others_stay(demo: Installation) -> None:
    demo.run("delete", "father", "--yes")
    assert "no sample" in demo.run("status", "father", code=1).stderr
    assert {row["sample"] for row in demo.json("status")} >= {"mother", "child"}
    assert len(demo.json("query", "SELECT DISTINCT sample_id FROM calls_current")) == 2


def test_down_leaves_no_process_behind(demo: Installation) -> None:
    running = open_state(demo.folder).run()
    assert running is not None
    pids = [running.pid, *[process.pid for process in running.processes.values() if process.pid]]
    demo.run("down")
    deadline = time.monotonic() + 10
    while alive := [pid for pid in pids if _runs(pid)]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.1)
    assert "nothing runs" in demo.run("down").stdout


def _runs(pid: int) -> bool:
    """False for a process that is gone, or that only waits for its parent to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
