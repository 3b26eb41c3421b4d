"""A log from any connector of Beam, as JSON lines that the data job reads.

    .venv/bin/python docs/examples/log_from_beam.py FROM FOLDER [BEAM OPTIONS]

FROM is one of

    bigquery:PROJECT:DATASET.TABLE   needs apache-beam[gcp] and --temp_location=gs://...
    kafka:HOST:PORT/TOPIC/RECORDS    the first RECORDS messages, JSON objects; needs Java
    avro:GLOB, json:GLOB             files

The data job reads files, and not the connectors: its bundle follows from the bytes that it read,
which the manifest lists, and a rejected row from its place. What a connector gave is gone by then.
"""

import argparse
import json
import sys

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions


def reader(source: str) -> beam.PTransform:
    """A transform from a pipeline to rows: dicts, or text that is a JSON object.

    Raises:
        ValueError: No such kind of source.
    """
    kind, _, where = source.partition(":")
    if kind == "bigquery":
        return beam.io.ReadFromBigQuery(table=where)
    if kind == "kafka":
        from apache_beam.io.kafka import ReadFromKafka

        server, topic, records = where.split("/")
        config = {"bootstrap.servers": server, "auto.offset.reset": "earliest"}
        return ReadFromKafka(config, topics=[topic], max_num_records=int(records))
    if kind == "avro":
        return beam.io.ReadFromAvro(where)
    if kind == "json":
        return beam.io.ReadFromText(where)
    raise ValueError(f"{source!r} names no source. Give bigquery:, kafka:, avro: or json:.")


def as_line(row: dict | str | tuple) -> str:
    """A row as one line of JSON; moments and decimal numbers are text, which the job reads."""
    if isinstance(row, tuple):  # Kafka's key and message
        row = row[1].decode()
    return row if isinstance(row, str) else json.dumps(row, default=str)


def main(arguments: list[str]) -> None:
    """Copies the rows into `FOLDER/log-....jsonl.gz`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("folder")
    given, options = parser.parse_known_args(arguments)
    with beam.Pipeline(options=PipelineOptions(options)) as pipeline:
        rows = pipeline | "Read" >> reader(given.source)
        lines = rows | "Lines" >> beam.Map(as_line).with_output_types(str)
        lines | "Write" >> beam.io.WriteToText(f"{given.folder}/log", ".jsonl.gz")


if __name__ == "__main__":
    main(sys.argv[1:])
