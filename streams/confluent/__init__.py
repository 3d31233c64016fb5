"""Kafka itself, through confluent-kafka (librdkafka), behind the seam of `streams.broker`."""

from streams.confluent.consumer import ConfluentConsumer
from streams.confluent.producer import ConfluentProducer
from streams.confluent.reader import ConfluentReader

__all__ = ["ConfluentConsumer", "ConfluentProducer", "ConfluentReader"]
