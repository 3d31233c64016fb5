"""Putting the control plane together from settings: the only place that knows all of its parts' real counterparts."""

from __future__ import annotations

from pathlib import Path

from processors.ingest.errors import SourceError
from processors.ingest.source import read_header
from processors.land.client import connect
from streams.backlog import KafkaBacklog
from streams.broker import Producer
from streams.control.clickhouse import ClickHouseRecords
from streams.control.control import Control
from streams.control.desk import Desk
from streams.control.gate import Surroundings
from streams.control.names import note_names
from streams.control.outgoing import ProducerOutbox
from streams.control.plans import ActiveSet, plan_of_active
from streams.control.projection import Projection
from streams.control.rebuild import Rebuilt, republish
from streams.control.releases import Releases
from streams.control.room import DiskReserve
from streams.failpoints import FailPoints
from streams.metrics import Metrics
from streams.settings import Settings


def assemble(settings: Settings, producer: Producer, *, metrics: Metrics, points: FailPoints, worker: str) -> Control:
    """The control plane on real ClickHouse and a producer. Raises StoreError, SettingsError."""
    client = connect(settings.clickhouse_dsn("writer"))
    outbox = ProducerOutbox(producer)
    room = DiskReserve(settings.state, settings.disk_reserve)
    desk = Desk(ClickHouseRecords(client), outbox, Projection(outbox), points, room=room)
    active = ActiveSet(settings.packs_folder(), plan_of_active, lambda packs, plan: note_names(client, packs, plan))
    around = Surroundings(
        settings.roots, active.builds, sample_names, opt_in=settings.reanalysis == "opt_in", commercial=settings.profile == "commercial"
    )
    backlog = KafkaBacklog(settings.kafka_servers(), settings.kafka_options)
    return Control(desk, around, active, settings.key_of_people(), backlog, metrics=metrics, worker=worker)


def rebuild(settings: Settings, producer: Producer) -> Rebuilt:
    """`riverseq rebuild`: send plans, sample states and releases again from ClickHouse, so that an emptied Kafka works again.

    Open revisions take care of themselves: the running control process misses their jobs and sends them again. Raises StoreError,
    BrokerError, SettingsError.
    """
    outbox = ProducerOutbox(producer)
    with connect(settings.clickhouse_dsn("writer")) as client:
        desk = Desk(ClickHouseRecords(client), outbox, Projection(outbox))
        Releases(desk, ActiveSet(settings.packs_folder(), plan_of_active, lambda packs, plan: None)).republish()
        return republish(desk)


def sample_names(path: Path) -> tuple[str, ...]:
    """Sample names of a call set's header. Raises ValueError with the reader's message."""
    try:
        return read_header(path).samples
    except SourceError as error:
        raise ValueError(str(error)) from error
