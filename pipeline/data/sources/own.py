"""Files of the user's own; `pipeline.data.reading.own_files` finds out what they are."""

import os

from pipeline.data.sources.base import (
    ExampleFile,
    File,
    JsonLinesFile,
    PairsFile,
    ParquetFile,
    RecordFile,
    Source,
    TextFile,
    without_compression,
)

_ENDINGS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".json": "jsonl",
    ".tfrecord": "tfrecord",
    ".tfrecords": "tfrecord",
    ".tfrec": "tfrecord",
    ".svm": "libsvm",
    ".libsvm": "libsvm",
    ".ffm": "libffm",
    ".libffm": "libffm",
    ".orc": "orc",
    ".avro": "avro",
}


def _own(name: str, title: str, log: File) -> Source:
    return Source(name=name, title=title, homepage="", terms="your own", log=log)


CSV = _own("csv", "delimited text", TextFile(patterns=("*.csv", "*.tsv", "*.txt")))
PARQUET = _own("parquet", "Parquet", ParquetFile(patterns=("*.parquet", "*.pq")))
JSON_LINES = _own("jsonl", "JSON lines", JsonLinesFile(("*.jsonl", "*.json"), {}))
TFRECORD = _own(
    "tfrecord", "TFRecords of tf.train.Examples", ExampleFile(("*.tfrecord*", "*.tfrec"), {})
)
LIBSVM = _own("libsvm", "libsvm text", PairsFile(("*.svm", "*.libsvm"), "libsvm", {}))
LIBFFM = _own("libffm", "libffm text", PairsFile(("*.ffm", "*.libffm"), "libffm", {}))
ORC = _own("orc", "ORC", RecordFile(("*.orc",), "orc"))
AVRO = _own("avro", "Avro", RecordFile(("*.avro",), "avro"))
_ALL = (CSV, PARQUET, JSON_LINES, TFRECORD, LIBSVM, LIBFFM, ORC, AVRO)
OWN_FILES = {source.name: source for source in _ALL}


def source_of_path(path: str) -> str:
    """The source that reads a file, by the ending of its path or of a pattern; else `csv`."""
    name = os.path.basename(without_compression(path)).lower()
    ending = os.path.splitext(name)[1]
    if ".tfrecord-" in name:  # train.tfrecord-00000-of-00008
        return "tfrecord"
    return _ENDINGS.get(ending, "csv")
