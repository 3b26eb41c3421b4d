"""Files of the user's own; `pipeline.data.reading.own_files` finds out what they are."""

import os

from pipeline.data.sources.base import (
    File,
    JsonLinesFile,
    ParquetFile,
    Source,
    TextFile,
    without_compression,
)

_ENDINGS = {".parquet": "parquet", ".pq": "parquet", ".jsonl": "jsonl", ".json": "jsonl"}


def _own(name: str, title: str, log: File) -> Source:
    return Source(name=name, title=title, homepage="", terms="your own", log=log)


CSV = _own("csv", "delimited text", TextFile(patterns=("*.csv", "*.tsv", "*.txt")))
PARQUET = _own("parquet", "Parquet", ParquetFile(patterns=("*.parquet", "*.pq")))
JSON_LINES = _own("jsonl", "JSON lines", JsonLinesFile(("*.jsonl", "*.json"), {}))
OWN_FILES = {source.name: source for source in (CSV, PARQUET, JSON_LINES)}


def source_of_path(path: str) -> str:
    """`parquet`, `jsonl` or, for all else, `csv`: by the ending of a path or a pattern."""
    return _ENDINGS.get(os.path.splitext(without_compression(path))[1].lower(), "csv")
