"""Every finding on the topic `results`, with nothing but confluent-kafka and fastavro: python example_consumer.py 127.0.0.1:9092 SCHEMAS"""

import io
import json
import sys
import tomllib
from pathlib import Path

import fastavro
from confluent_kafka import Consumer

servers, folder = sys.argv[1], Path(sys.argv[2])  # SCHEMAS is the folder schemas/events
ids = tomllib.loads((folder / "registry.toml").read_text())["ids"]
schemas = {int(number): fastavro.schema.load_schema(str(folder / "history" / f"{name}.avsc")) for number, name in ids.items()}
consumer = Consumer({"bootstrap.servers": servers, "group.id": "my-lims", "auto.offset.reset": "earliest"})
consumer.subscribe(["results"])
while True:
    message = consumer.poll(1.0)
    if message is None or message.error():
        continue
    raw = message.value() or b""  # byte 0 is 0, then four bytes of schema id, then Avro
    number = int.from_bytes(raw[1:5], "big")
    result = fastavro.schemaless_reader(io.BytesIO(raw[5:]), schemas[number], None)
    print(json.dumps({"type": ids[str(number)].split(".")[0], "result": result}), flush=True)
