"""Every metric of every process, declared here and nowhere else. Units are in the names; labels are closed sets, never ids of people."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

PREFIX = "riverseq"
_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 300.0)


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self, process: str = "", version: str = "") -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

        def counter(name: str, says: str, *labels: str) -> Counter:
            return Counter(name, says, labels, namespace=PREFIX, registry=self.registry)

        def gauge(name: str, says: str, *labels: str) -> Gauge:
            return Gauge(name, says, labels, namespace=PREFIX, registry=self.registry)

        def histogram(name: str, says: str, *labels: str, buckets: tuple[float, ...] = _SECONDS) -> Histogram:
            return Histogram(name, says, labels, buckets=buckets, namespace=PREFIX, registry=self.registry)

        # which code runs
        self.build = Info("build", "Process and version", registry=self.registry, namespace=PREFIX)
        self.build.info({"process": process, "version": version})

        # --- runner: messages through a worker
        # messages that reached an end; outcome is done or quarantined
        self.messages = counter("messages_total", "Messages that reached an end", "stage", "lane", "outcome")
        # alleles that reached an end, the rate that a person asks for
        self.rows = counter("rows_total", "Rows (alleles) of finished messages", "stage", "lane")
        # bytes of finished messages
        self.bytes = counter("message_bytes_total", "Bytes of finished messages", "stage", "lane")
        # from being taken from the broker to its end, waiting included
        self.message_seconds = histogram("message_seconds", "Time from taken to finished", "stage", "lane")
        # from the event that led to the message (header origin) to its end
        self.age_seconds = histogram("message_age_seconds", "Time from the origin event to finished", "stage", "lane")
        # bounded by settings; at the bound the worker takes nothing new
        self.rows_in_flight = gauge("in_flight_rows", "Rows taken and not finished", "stage")
        self.bytes_in_flight = gauge("in_flight_bytes", "Bytes taken and not finished", "stage")
        # messages fetched and waiting for their lane's turn
        self.queued = gauge("queued_messages", "Messages waiting in a lane", "stage", "lane")
        # 1 while partitions are paused, by why: full, away, waiting
        self.paused = gauge("paused_partitions", "Partitions paused", "stage")
        # 1 while a dependency does not answer
        self.away = gauge("dependency_away", "1 while the worker waits for a dependency", "stage")
        self.retries = counter("retries_total", "Attempts that found a dependency away", "stage")
        # messages held for a plan or pack that is not here
        self.waiting = gauge("waiting_messages", "Messages held for a plan or pack", "stage")
        self.quarantined = counter("quarantined_total", "Messages sent to quarantine", "stage", "error")
        self.rebalances = counter("rebalances_total", "Partitions assigned, revoked or lost", "stage", "kind")
        # messages dropped unfinished at a revoke: another worker does them again
        self.abandoned = counter("abandoned_messages_total", "Messages given up with their partition", "stage")
        self.lag = gauge("lag_messages", "Messages behind the end of the partition", "stage", "topic", "partition")
        self.commits = counter("commits_total", "Offset commits", "stage")

        # --- steps inside a stage
        self.step_seconds = histogram("step_seconds", "Wall time of one call of a step", "step")
        self.step_cpu_seconds = counter("step_cpu_seconds_total", "CPU time of a step's threads", "step")
        self.step_rows = counter("step_rows_total", "Rows through a step", "step")
        self.batch_rows = histogram("batch_rows", "Rows in one micro-batch", "step", buckets=(256, 1024, 4096, 16_384, 65_536, 262_144))

        # --- annotations kept for alleles that come again
        # outcome is hit or miss: the hit rate is hit over both
        self.cached_annotations = counter("annotation_cache_alleles_total", "Alleles asked of the annotation cache", "outcome")
        self.cache_evictions = counter("annotation_cache_evictions_total", "Alleles dropped from the annotation cache")
        self.cache_bytes = gauge("annotation_cache_bytes", "Memory of the annotation cache")

        # --- jobs: long work beside the poll loop
        self.jobs = counter("jobs_total", "Jobs that ended", "stage", "lane", "outcome")
        self.open_jobs = gauge("open_jobs", "Jobs begun and not ended", "stage", "lane")
        self.job_gate = gauge("job_gate_closed", "1 while jobs pause because downstream is full", "stage")

        # --- producer
        self.produced = counter("produced_total", "Messages delivered to a topic", "topic")
        self.produced_bytes = counter("produced_bytes_total", "Bytes delivered to a topic", "topic")
        self.delivery_failures = counter("delivery_failures_total", "Messages a broker refused", "topic")

        # --- control plane
        self.events = counter("events_total", "Events taken by intake", "kind", "outcome")
        self.samples = gauge("samples", "Samples by state", "state")
        self.published = counter("publications_total", "Revisions published", "complete")
        self.sample_seconds = histogram(
            "sample_seconds", "Time from event to publication", "lane", buckets=(1, 3, 10, 30, 60, 120, 300, 900, 3600)
        )
        self.readback_seconds = histogram("readback_seconds", "Time of one read-back of a submission")
        self.announced = counter("announced_total", "Results announced", "kind")
        # a release and the samples on file: what changed, what it reached, how long each step took
        self.delta_seconds = histogram("delta_seconds", "Time of one step of a delta", "step")
        self.delta_keys = counter("delta_changed_keys_total", "Keys that releases changed", "kind")
        self.delta_alleles = counter("delta_alleles_total", "Alleles on file that releases reached")
        # outcome is touched (a new revision), carried (unchanged under the new plan) or dropped (changed meanwhile)
        self.delta_samples = counter("delta_samples_total", "Samples brought under a new plan", "outcome")
        self.disk_free = gauge("disk_free_bytes", "Free bytes where the state folder lies")
