"""A disk that fills up under the broker, and is freed again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, os, pathlib, sys, time
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from deploy.local import down, open_state, up
disk = pathlib.Path(sys.argv[1])
(disk / "ballast").write_bytes(bytes(120 << 20))
root = disk / "state"
run = up(root, detach=True, parts=("broker",))
try:
    admin = AdminClient({"bootstrap.servers": run.kafka})
    admin.create_topics([NewTopic("t", num_partitions=1, replication_factor=1)])["t"].result(30)
    outcomes, sent, body = [], 0, os.urandom(300_000)
    producer = Producer({"bootstrap.servers": run.kafka, "linger.ms": 0, "message.timeout.ms": 180_000, "reconnect.backoff.max.ms": 500})
    def produce(seconds):
        global sent
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if len(producer) < 20:
                producer.produce("t", body, on_delivery=lambda error, _: outcomes.append(str(error) if error else ""))
                sent += 1
            producer.poll(0.05)
    produce(12)
    before, free = len(outcomes), os.statvfs(disk).f_bavail
    (disk / "ballast").unlink()
    left = producer.flush(150)
    end = time.monotonic() + 60
    def broker():
        return open_state(root).run().processes["broker"]
    while not (broker().ready and broker().restarts) and time.monotonic() < end:
        time.sleep(0.2)
    broker = broker()
    consumer = Consumer({"bootstrap.servers": run.kafka, "group.id": "g"})
    watermark = consumer.get_watermark_offsets(TopicPartition("t", 0), timeout=30)
    print(json.dumps(dict(before=before, free=free, left=left, sent=sent, failed=[o for o in outcomes if o], delivered=len(outcomes),
        restarts=broker.restarts, ready=broker.ready, reason=broker.reason, end=watermark[1])))
finally:
    down(root)
"""


@pytest.mark.soak
def test_a_broker_on_a_full_disk_says_so_and_takes_every_message_once_there_is_room(tmp_path: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let a process have mounts of its own (unshare -rm)")
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f'mount -t tmpfs -o size=200m none {disk} && exec "{sys.executable}" -c "$0" {disk}'
    answer = subprocess.run(["unshare", "-rm", "bash", "-c", script, PROGRAM], capture_output=True, text=True, timeout=400, check=False)
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout.splitlines()[-1])
    assert found["before"] < found["sent"], "the disk never filled"
    assert found["restarts"] > 0
    assert "No space left" in found["reason"]
    assert found["ready"]
    assert found["left"] == 0
    assert found["failed"] == []
    assert found["delivered"] == found["sent"] <= found["end"]
