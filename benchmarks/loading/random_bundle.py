"""Bundles of random rows in Criteo's shape, to measure loading without a download."""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf

from features.analysis import Analysis
from features.bundle import (
    FORMAT_VERSION,
    MANIFEST,
    METADATA,
    Bundle,
    BundleMetadata,
    Manifest,
    file_entry,
    open_bundle,
)
from features.columns import Column, Layout, columns_of
from features.records import encode_block, encode_rows
from features.specs import FeatureSet

FIELDS = 39
VOCABULARY = 2_000_000 // FIELDS
BLOCK_ROWS = 4096
_FILES = 8


def write_random_bundle(
    path: Path, rows: int, layout: Layout, sequences: int = 0, length: int = 50
) -> Bundle:
    """Writes `rows` training rows, a multiple of which no file needs to hold.

    Args:
        path: Folder to make.
        rows: Rows of the `train` split; the others are empty.
        layout: Layout of the records.
        sequences: Histories beside the fields, their lengths uniform in 0..`length`.
        length: Longest history.
    """
    path.mkdir(parents=True)
    features = _features(sequences, length)
    columns = columns_of(features)
    rng = np.random.default_rng(7)
    entries = {}
    for shard, rows_of_file in enumerate(np.array_split(np.arange(rows), _FILES)):
        file = path / f"train-{shard:05d}-of-{_FILES:05d}.tfrecord"
        with tf.io.TFRecordWriter(str(file)) as writer:
            for start in range(0, len(rows_of_file), BLOCK_ROWS):
                count = min(BLOCK_ROWS, len(rows_of_file) - start)
                arrays = {column.name: _random(rng, column, count) for column in columns}
                if layout == "block":
                    writer.write(encode_block(arrays, columns))
                else:
                    for record in encode_rows(arrays, columns):
                        writer.write(record)
        entries[file.name] = file_entry(str(file), len(rows_of_file))
    metadata = BundleMetadata(
        format_version=FORMAT_VERSION,
        layout=layout,
        block_rows=BLOCK_ROWS,
        features=features,
        analysis=Analysis(
            vocabulary_sizes={spec.vocabulary: VOCABULARY for spec in features.inputs}
        ),
        columns=columns,
        rows={"train": rows, "valid": 0, "test": 0},
        split_rule={},
        source="criteo",
    )
    (path / METADATA).write_text(metadata.model_dump_json())
    manifest = Manifest(
        format_version=FORMAT_VERSION, fingerprint="random", sources={}, files=entries
    )
    (path / MANIFEST).write_text(json.dumps(manifest.model_dump()))
    return open_bundle(path)


def _features(sequences: int, length: int) -> FeatureSet:
    fields = {f"C{i}": {"kind": "categorical"} for i in range(1, FIELDS + 1)}
    histories = {
        f"S{i}": {
            "kind": "sequence",
            "column": f"C{i}",
            "vocabulary": f"C{i}",
            "history": "all",
            "max_length": length,
        }
        for i in range(1, sequences + 1)
    }
    roles = {"label": {"role": "label"}}
    if sequences:
        roles["time"] = {"role": "timestamp"}
    return FeatureSet.model_validate(
        {
            "features": {**fields, **histories, **roles},
            "groups": {"all": list(fields)},
            "histories": {"all": {"key": f"C{FIELDS}"}} if sequences else {},
        }
    )


def _random(rng: np.random.Generator, column: Column, rows: int) -> np.ndarray:
    if column.dtype != "int32":
        return rng.integers(0, 2, rows).astype(column.dtype)
    if column.length is None:
        return rng.integers(0, VOCABULARY, rows, dtype="int32")
    ids = rng.integers(1, VOCABULARY, (rows, column.length), dtype="int32")
    return ids * (np.arange(column.length) < rng.integers(0, column.length + 1, (rows, 1)))
