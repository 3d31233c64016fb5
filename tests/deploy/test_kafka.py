"""The embedded broker: the real one, under the real supervisor, killed and stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from deploy.local import LocalError, Run, State, down, open_state, up
from deploy.local.jars import JarMismatch, cache_folder, jars_folder, kafka_jars, locked, verify
from deploy.local.kafka import MESSAGE_LIMIT, Broker, BrokerFailed, acknowledged_write
from deploy.local.ports import HOST, choose_ports
from deploy.local.process import Process
from deploy.local.state import AlreadyRunning, NewerState
from deploy.local.supervisor import StartFailed

ELSEWHERE = "http://lab:correct-horse@clickhouse.lab:8123/riverseq"


def java_pids(folder: Path) -> list[int]:
    """Processes whose command line names `folder` and Kafka."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if b"kafka.Kafka" in line and os.fsencode(folder) in line:
            found.append(int(entry.name))
    return found


def eventually(claim: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    """A state folder on which `up` has started the broker, detached; `down` in the end."""
    root = tmp_path_factory.mktemp("up") / "state"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RIVERSEQ_CLICKHOUSE", ELSEWHERE)
        up(root, detach=True, parts=("broker",))
    yield open_state(root)
    assert down(root)
    assert java_pids(root) == []


def running(state: State) -> Run:
    run = state.run()
    assert run is not None
    return run


@pytest.mark.broker
def test_up_returns_once_the_broker_truly_answers(state: State) -> None:
    run = running(state)
    assert run.processes["broker"].ready
    assert acknowledged_write(run.kafka) is None
    assert run.clickhouse == "http://clickhouse.lab:8123/riverseq"
    assert run.pid != os.getpid()
    arguments = Path(f"/proc/{run.pid}/cmdline").read_bytes()
    assert b"deploy.local" in arguments
    assert ELSEWHERE.encode() not in arguments
    assert ELSEWHERE.encode() in Path(f"/proc/{run.pid}/environ").read_bytes()
    assert json.loads((state.root / "run.json").read_text())["kafka"] == run.kafka
    host, _, port = run.kafka.partition(":")
    assert (host, int(port)) == (HOST, state.ports()["broker"])


@pytest.mark.broker
def test_a_second_up_is_refused_naming_the_first(state: State) -> None:
    for detach in (True, False):
        with pytest.raises(AlreadyRunning, match=f"process {running(state).pid}"):
            up(state.root, detach=detach, parts=("broker",))
    assert running(state).processes["broker"].ready


@pytest.mark.broker
def test_topics_are_not_made_by_accident(state: State) -> None:
    producer = Producer({"bootstrap.servers": running(state).kafka, "message.timeout.ms": 2000})
    errors: list[object] = []
    producer.produce("misspelt", b"x", on_delivery=lambda error, _: errors.append(error))
    producer.flush(10)
    assert errors
    assert errors[0] is not None


@pytest.mark.broker
def test_acknowledged_messages_survive_sigkill_and_the_broker_comes_back_on_its_port(state: State) -> None:
    before = running(state)
    admin = AdminClient({"bootstrap.servers": before.kafka})
    admin.create_topics([NewTopic("survivors", num_partitions=1, replication_factor=1)])["survivors"].result(20)
    acknowledged: list[int] = []
    producer = Producer({"bootstrap.servers": before.kafka, "acks": "all", "enable.idempotence": True, "reconnect.backoff.max.ms": 500})

    def delivered(number: int) -> Callable[[object, object], None]:
        return lambda error, _: acknowledged.append(number) if error is None else None

    body = bytes(50_000)
    pid = before.processes["broker"].pid
    assert pid is not None
    for number in range(400):
        producer.produce("survivors", str(number).encode() + b":" + body, on_delivery=delivered(number))
        producer.poll(0)
        if number == 200:
            os.kill(pid, signal.SIGKILL)
    assert producer.flush(90) == 0
    assert sorted(acknowledged) == list(range(400))

    assert eventually(lambda: running(state).processes["broker"].ready and running(state).processes["broker"].restarts == 1, 60)
    after = running(state)
    assert after.kafka == before.kafka
    assert after.processes["broker"].reason == "killed by SIGKILL"
    assert after.processes["broker"].pid != pid

    consumer = Consumer({"bootstrap.servers": after.kafka, "group.id": "reader", "enable.auto.commit": False})
    consumer.assign([TopicPartition("survivors", 0, 0)])
    found: list[int] = []
    while len(found) < 400:
        message = consumer.poll(20)
        assert message is not None
        assert message.error() is None
        value = message.value()
        assert value is not None
        found.append(int(value.partition(b":")[0]))
    assert consumer.get_watermark_offsets(TopicPartition("survivors", 0)) == (0, 400)
    consumer.close()
    assert found == list(range(400))


@pytest.mark.broker
def test_a_message_over_the_limit_is_refused_and_one_at_it_is_taken(state: State) -> None:
    servers = running(state).kafka
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic("large", num_partitions=1, replication_factor=1)])["large"].result(20)
    producer = Producer({"bootstrap.servers": servers, "message.max.bytes": 2 * MESSAGE_LIMIT})
    outcome: dict[str, object] = {}
    producer.produce("large", bytes(MESSAGE_LIMIT - 200), on_delivery=lambda error, _: outcome.__setitem__("at", error))
    producer.flush(20)
    producer.produce("large", bytes(MESSAGE_LIMIT + 1), on_delivery=lambda error, _: outcome.__setitem__("over", error))
    producer.flush(20)
    assert outcome["at"] is None
    assert "MSG_SIZE_TOO_LARGE" in str(outcome["over"])


@pytest.mark.broker
def test_the_broker_dies_with_a_supervisor_killed_by_sigkill_and_the_next_up_finds_the_data(tmp_path: Path) -> None:
    root = tmp_path / "state"
    first = up(root, detach=True, parts=("broker",))
    assert first is not None
    admin = AdminClient({"bootstrap.servers": first.kafka})
    admin.create_topics([NewTopic("kept", num_partitions=1, replication_factor=1)])["kept"].result(20)
    assert java_pids(root)
    os.kill(first.pid, signal.SIGKILL)
    assert eventually(lambda: not java_pids(root), 10)
    assert open_state(root).run() is None

    program = (
        "import sys, pathlib; from deploy.local import up\n"
        "told = lambda e: print(e.kind.value, e.run.kafka if e.run else e.service, flush=True)\n"
        "up(pathlib.Path(sys.argv[1]), parts=['broker'], on_event=told)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(root)], stdout=subprocess.PIPE, text=True) as foreground:
        assert foreground.stdout is not None
        for line in foreground.stdout:
            if line.startswith("up"):
                break
        try:
            assert line.split() == ["up", first.kafka]
            topics = AdminClient({"bootstrap.servers": first.kafka}).list_topics(timeout=20).topics
            assert "kept" in topics
        finally:
            foreground.send_signal(signal.SIGINT)
            foreground.wait(60)
    assert foreground.returncode == 0
    assert java_pids(root) == []
    assert down(root) is False


def test_a_detached_up_that_fails_tells_why_in_the_foreground(tmp_path: Path) -> None:
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen()
        port = server.getsockname()[1]
        with pytest.raises(StartFailed, match=f"no free port for broker in {port}-{port}"):
            up(tmp_path / "state", detach=True, parts=("broker",), ports=(port, port))
    assert open_state(tmp_path / "state").holder() is None


def test_up_refuses_the_state_folder_of_a_newer_version(tmp_path: Path) -> None:
    root = open_state(tmp_path / "state", create=True).root
    (root / "version").write_text("2\n")
    for detach in (True, False):
        with pytest.raises(NewerState, match="newer riverseq"):
            up(root, detach=detach, parts=("broker",))
    assert not (root / "secrets.json").exists()


def test_down_where_nothing_was_ever_started_says_so(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="no riverseq state folder"):
        down(tmp_path / "none")


def test_a_folder_with_a_comma_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokerFailed, match="comma"):
        Broker(tmp_path / "a,b", 1, 2, tmp_path / "log").prepare()


@pytest.mark.broker
def test_a_broker_that_cannot_listen_gives_the_root_cause_as_its_reason(tmp_path: Path) -> None:
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen()
        broker = Broker(tmp_path, server.getsockname()[1], choose_ports(["controller"])["controller"], tmp_path / "kafka.log")
        broker.prepare()
        process = Process(broker.command(), {}, tmp_path / "broker.log")
        try:
            assert eventually(lambda: not process.running(), 60)
        finally:
            process.kill()
    assert process.reason() == "exit code 1: java.net.BindException: Address already in use"


@pytest.mark.broker
def test_a_cluster_id_that_begins_with_a_dash_formats_the_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(bytes=b"\xfb" * 16))
    Broker(tmp_path, 1, 2, tmp_path / "log").prepare()
    assert "cluster.id=-_v7" in (tmp_path / "data" / "meta.properties").read_text()


def test_the_jars_are_those_of_the_lock_and_of_one_kafka() -> None:
    names = locked().keys()
    versions = {name.removesuffix(".jar").rpartition("-")[2] for name in names if name.startswith("kafka")}
    assert versions == {"4.4.0"}
    jars = kafka_jars()
    assert set(jars.names) == set(names)
    assert all((jars.folder / name).is_file() for name in names)


def test_a_jar_that_was_changed_is_refused_by_name(tmp_path: Path) -> None:
    kafka_jars()
    folder = jars_folder(tmp_path)
    shutil.copytree(jars_folder(), folder)
    jar = folder / "kafka-clients-4.4.0.jar"
    data = bytearray(jar.read_bytes())
    data[1000] ^= 1
    jar.write_bytes(data)
    with pytest.raises(JarMismatch, match=r"kafka-clients-4\.4\.0\.jar: SHA-256 .* is not .* of kafka\.lock"):
        kafka_jars(tmp_path)
    jar.unlink()
    with pytest.raises(JarMismatch, match="missing"):
        verify(folder, locked())


def test_the_cache_goes_where_it_is_told() -> None:
    assert cache_folder({"RIVERSEQ_CACHE": "/a", "XDG_CACHE_HOME": "/b"}) == Path("/a")
    assert cache_folder({"XDG_CACHE_HOME": "/b"}) == Path("/b/riverseq")
    assert cache_folder({}) == Path.home() / ".cache" / "riverseq"


def test_where_no_broker_listens_the_check_says_so_in_time() -> None:
    begun = time.monotonic()
    assert acknowledged_write(f"{HOST}:9", timeout=1.0)
    assert time.monotonic() - begun < 5
