"""The real control process on a real Kafka and a real ClickHouse: killed where it hurts, and nothing is lost or told twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest

from deploy.local.kafka import running_broker
from deploy.local.ports import choose_ports
from processors.knowledge.genome import Genome, build_genome
from processors.knowledge.pack import activate
from processors.knowledge.transcript_build import build_transcripts
from schemas.events import AnnotationPlan, CompletionEvent, Finding, Job, SampleInterpreted, SampleState, SourceFile
from streams import wire
from streams.broker import Output, Partition
from streams.confluent import ConfluentProducer, ConfluentReader
from streams.failpoints import VARIABLE, FailPoint
from streams.plans import from_event
from streams.topics import create_topics

pytestmark = pytest.mark.broker
GFF3 = """##gff-version 3
1\ttest\tgene\t101\t400\t.\t+\t.\tID=gene:G1;Name=G1;biotype=protein_coding;gene_id=G1
1\ttest\tmRNA\t101\t400\t.\t+\t.\tID=transcript:T1;Parent=gene:G1;biotype=protein_coding;transcript_id=T1
1\ttest\texon\t101\t400\t.\t+\t.\tParent=transcript:T1
1\ttest\tCDS\t101\t400\t.\t+\t0\tParent=transcript:T1
"""
VCF = """##fileformat=VCFv4.2
##contig=<ID=1,length=2000>
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1
1\t1\t.\tA\tC\t.\tPASS\t.\tGT\t0/1
"""


class Installation:
    """Packs, a file, topics, and lives of the control process."""

    def __init__(self, folder: Path, servers: str, engine: Any) -> None:
        self.folder, self.servers, self.engine = folder, servers, engine
        self.log = folder / "control.log"
        self.producer = ConfluentProducer(servers, name="test")
        (folder / "genome.fa").write_text(">1\n" + "".join(np.random.default_rng(1).choice(list("ACGT"), 2000)) + "\n")
        (folder / "genes.gff3").write_text(GFF3)
        self.vcf = folder / "a.vcf"
        self.vcf.write_text(VCF)
        genome = build_genome(folder / "genome.fa", folder / "packs", "toy", "1")
        opened = Genome(genome)
        genes = build_transcripts(folder / "genes.gff3", folder / "packs", opened.table, name="genes", version="1", genome=opened)
        for pack in (genome, genes):
            activate(folder / "packs", pack)

    @contextmanager
    def control(self, point: FailPoint | None = None) -> Iterator[subprocess.Popen[bytes]]:
        port = choose_ports(["control"])["control"]
        environment = {
            **os.environ, "RIVERSEQ_STATE": str(self.engine.state), "RIVERSEQ_KAFKA": self.servers, "RIVERSEQ_CLICKHOUSE": self.engine.url,
            "RIVERSEQ_PACKS": str(self.folder / "packs"), "RIVERSEQ_ROOTS": json.dumps([str(self.folder)]),
            "RIVERSEQ_METRICS_PORT": str(port), VARIABLE: point.value if point else "",
        }  # fmt: skip
        with self.log.open("ab") as out:
            process = subprocess.Popen([sys.executable, "-m", "streams.control"], env=environment, stdout=out, stderr=out)
        self.url = f"http://127.0.0.1:{port}"
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def killed(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until a process has killed itself at its fail point."""
        assert process.wait(300) == -signal.SIGKILL, self.log.read_text()[-4000:]

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=10):
                return True
        except (URLError, OSError):
            return False

    def send(self, topic: str, event: Any) -> None:
        self.producer.produce(Output(topic, b"k", wire.encode(event)))
        assert self.producer.flush(120.0) == 0

    def read(self, topic: str, *types: type[Any]) -> list[Any]:
        """Everything on a topic now, tombstones left out."""
        reader = ConfluentReader(self.servers)
        try:
            found: list[Any] = []
            for partition in reader.partitions(topic):
                first, end = reader.bounds(partition)
                found += self._part(reader, partition, first, end, types)
            return found
        finally:
            reader.close()

    @staticmethod
    def _part(reader: ConfluentReader, partition: Partition, first: int, end: int, types: tuple[type[Any], ...]) -> list[Any]:
        reader.assign({partition: first})
        found: list[Any] = []
        seen = first
        while seen < end:
            for message in reader.consume(100, 1.0):
                seen = message.offset + 1
                if message.value:
                    found.append(wire.decode(message.value, *types))
        return found

    def until(self, what: Callable[[], Any], process: subprocess.Popen[bytes], seconds: float = 300.0) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := what():
                return found
            assert process.poll() is None, self.log.read_text()[-4000:]
            time.sleep(0.1)
        raise AssertionError(self.log.read_text()[-4000:])


@pytest.fixture
def installation(tmp_path: Path, engine: Any, client: Any) -> Iterator[Installation]:
    with running_broker(tmp_path / "kafka") as broker:
        create_topics(broker.servers)
        yield Installation(tmp_path.resolve(), broker.servers, engine)


def test_a_control_process_killed_at_every_turn_publishes_once(installation: Installation, client: Any, bench: Any) -> None:
    here = installation
    event = CompletionEvent("", "lab", "riverseq.sample.ready", 1_700_000_000_000, "run", "hg-toy", SourceFile(str(here.vcf)))
    here.send("run.events", event)
    event = CompletionEvent("", "lab", "riverseq.sample.ready", 1_700_000_000_000, "run", "toy", SourceFile(str(here.vcf)))
    here.send("run.events", event)

    with here.control(FailPoint.INTAKE_ROWS) as process:  # rows are written, no job is sent
        here.killed(process)
    assert here.read("work", Job) == []

    with here.control() as process:
        [job] = here.until(lambda: here.read("work", Job), process)
        here.until(here.ready, process)
        process.kill()  # whether or not the offset was committed

    [plan] = [from_event(sent) for sent in here.read("plans", AnnotationPlan)]
    assert plan.plan_id == job.plan_id
    made = bench.chunks(job, plan)
    for chunk in made:
        bench.land(client, chunk, plan)
    here.send("run.events", bench.manifest(job, made))

    with here.control(FailPoint.PUBLISHED) as process:  # published, nothing announced
        here.killed(process)
    assert here.read("results", Finding, SampleInterpreted) == []

    with here.control(FailPoint.ANNOUNCED) as process:  # delivered, not known to be
        here.killed(process)

    with here.control() as process:
        here.until(lambda: client.value("SELECT count() FROM announced FINAL"), process)
        here.until(here.ready, process)
        here.send("run.events", event)  # and the same announcement again
        here.until(lambda: client.value("SELECT count() FROM decision WHERE kind = 'duplicate'"), process)
        with urllib.request.urlopen(f"{here.url}/metrics", timeout=60) as page:
            assert b'riverseq_events_total{kind="CompletionEvent",outcome="duplicate"} 1.0' in page.read()
        process.send_signal(signal.SIGTERM)
        assert process.wait(180) == 0, here.log.read_text()[-4000:]

    results = here.read("results", Finding, SampleInterpreted)
    interpreted = {event for event in results if isinstance(event, SampleInterpreted) for event in [event.id]}
    assert len(interpreted) == 1
    assert len({event.id for event in results}) == 3
    assert len({repr(event) for event in results}) == 3  # what is sent again is the same
    for table in ("submission", "revision", "publication", "announced"):
        assert client.value(f"SELECT count() FROM {table} FINAL") == 1, table
    assert {job.revision_id for job in here.read("work", Job)} == {job.revision_id}
    assert client.rows("SELECT kind, reason LIKE 'build: %' FROM decision WHERE kind = 'rejected'") == [("rejected", 1)]
    assert len({(state.sample_id) for state in here.read("sample.state", SampleState)}) == 1
    assert here.read("sample.state", SampleState)[-1].state == "published"
    assert client.value("SELECT count() FROM transcript FINAL") == 1
