"""TFRecord files of tf.train.Examples: their features, and their records as Arrow columns."""

import os
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import tensorflow as tf
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from google.protobuf.message import DecodeError
from google.protobuf.text_format import ParseError
from tensorflow_metadata.proto.v0 import schema_pb2

from features.errors import DataError
from features.schema import from_text
from pipeline.data.reading.column_error import ColumnError
from pipeline.data.reading.text_rows import BadLine
from pipeline.data.sources.base import ExampleColumn, ExampleFile

SCHEMA = "schema.pbtxt"
_RECORDS = 1_000  # that are looked at where no schema tells
_BLOCK = 4_096  # records of a block
_GZIP = b"\x1f\x8b"
# Of records that are no Examples, or other ones; TensorFlow quotes bytes that are no text.
_REFUSED = (tf.errors.InvalidArgumentError, UnicodeDecodeError)
_TYPES = {"bytes": tf.string, "float": tf.float32, "int64": tf.int64}
_TYPE_OF_SCHEMA: dict[int, str] = {
    schema_pb2.BYTES: "bytes",
    schema_pb2.FLOAT: "float",
    schema_pb2.INT: "int64",
}


def example_file(path: str, patterns: tuple[str, ...]) -> ExampleFile:
    """How the TFRecords at `path` are read: by the `schema.pbtxt` beside them, or the first ones.

    Args:
        path: One of the files, whose first 1,000 records are looked at where there is no schema.
        patterns: Patterns of all files.

    Raises:
        DataError: The file cannot be read or holds no Examples, or the schema is of other ones.
    """
    beside = os.path.join(os.path.dirname(path), SCHEMA)
    columns = _columns_of_schema(beside) if tf.io.gfile.exists(beside) else _columns_of(path)
    if not columns:
        raise DataError(
            f"{path} holds no features in its first {_RECORDS:,} tf.train.Examples. Put the "
            f"{SCHEMA} of its features beside it, or set data.source to what the file is."
        )
    return ExampleFile(patterns, columns)


def read_examples(
    file: ExampleFile, path: str, wanted: Sequence[str]
) -> Iterator[tuple[int, pa.RecordBatch, np.ndarray, list[BadLine]]]:
    """Reads records: (those before them, rows of the columns, their places from 1, the others).

    Args:
        file: What the features are.
        path: Where the file lies.
        wanted: Features to read.

    Raises:
        ColumnError: A feature holds bytes that are no text.
        OSError: The file is damaged or breaks off.
    """
    spec = {
        name: tf.io.RaggedFeature(_TYPES[file.columns[name].type], row_splits_dtype=tf.int64)
        for name in wanted
    }
    before = 0
    for records in _batches(path):
        parsed, bad = _parse(records, spec)
        good = np.setdiff1d(np.arange(len(records)), list(bad)).astype(np.int64)
        arrays = {}
        for name in wanted:
            arrays[name] = _array(parsed[name], file.columns[name], name, good, bad)
        kept = np.array([row not in bad for row in good.tolist()], bool)
        rows = pa.RecordBatch.from_pydict(arrays).filter(pa.array(kept, pa.bool_()))
        lines = [
            BadLine(before + row + 1, reason, _quote(records[row]))
            for row, reason in sorted(bad.items())
        ]
        yield before, rows, before + 1 + good[kept], lines
        before += len(records)


def _batches(path: str) -> Iterator[np.ndarray]:
    try:
        for records in tf.data.TFRecordDataset(path, _compression(path)).batch(_BLOCK):
            yield records.numpy()
    except tf.errors.OpError as error:
        raise OSError(error.message.split("\n")[0]) from None


def _compression(path: str) -> str:
    with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
        return "GZIP" if stream.read(2) == _GZIP else ""


def _parse(
    records: np.ndarray, spec: dict[str, tf.io.RaggedFeature]
) -> tuple[dict[str, tf.RaggedTensor], dict[int, str]]:
    """The features of all records that can be parsed; why the others cannot."""
    try:
        return tf.io.parse_example(records, spec), {}
    except _REFUSED:
        pass
    bad: dict[int, str] = {}
    for row, record in enumerate(records):
        try:
            tf.io.parse_example(records[row : row + 1], spec)
        except _REFUSED as error:
            bad[row] = _why(record, spec, error)
    good = [record for row, record in enumerate(records) if row not in bad]
    return tf.io.parse_example(tf.constant(good, tf.string, [len(good)]), spec), bad


def _why(record: bytes, spec: dict[str, tf.io.RaggedFeature], error: Exception) -> str:
    example = _example(record)
    if example is None:
        return "not a tf.train.Example"
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        if name in spec and kind and _TYPES[kind.removesuffix("_list")] != spec[name].dtype:
            return f"{name} has {kind}, where {spec[name].dtype.name} values are expected"
    return str(error).split("\n")[0]


def _array(
    ragged: tf.RaggedTensor, column: ExampleColumn, name: str, good: np.ndarray, bad: dict[int, str]
) -> pa.Array:
    """A column; adds which rows have several values where one is expected."""
    lengths = ragged.row_lengths().numpy()
    values = ragged.flat_values.numpy()
    if column.type == "bytes":
        try:
            flat = pa.array([value.decode() for value in values.tolist()], pa.string())
        except UnicodeDecodeError:
            raise ColumnError(name, "it holds bytes that are not UTF-8 text") from None
    else:
        flat = pa.array(values)
    starts = np.cumsum(lengths) - lengths
    if column.is_list:
        offsets = np.append(starts, lengths.sum()).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), flat)
    for row in np.flatnonzero(lengths > 1).tolist():
        reason = f"{name} has {lengths[row]} values, where one is expected"
        bad.setdefault(int(good[row]), reason)
    return flat.take(pa.array(starts, mask=lengths == 0))


def _example(record: bytes) -> tf.train.Example | None:
    try:
        return tf.train.Example.FromString(record)
    except DecodeError:
        return None


def _columns_of(path: str) -> dict[str, ExampleColumn]:
    """The features of the first records; one without values anywhere is none."""
    columns: dict[str, ExampleColumn] = {}
    try:
        for records in _batches(path):
            for record in records[:_RECORDS]:
                example = _example(record)
                for name, feature in (example.features.feature if example else {}).items():
                    kind = feature.WhichOneof("kind")
                    values = getattr(feature, kind).value if kind else ()
                    if len(values):
                        several = len(values) > 1 or (name in columns and columns[name].is_list)
                        columns[name] = ExampleColumn(kind.removesuffix("_list"), several)
            break
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}. Get it again.") from error
    return dict(sorted(columns.items()))  # a map has no order


def _columns_of_schema(path: str) -> dict[str, ExampleColumn]:
    try:
        with tf.io.gfile.GFile(path) as stream:
            schema = from_text(stream.read())
    except (ParseError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} is no Schema of tensorflow-metadata: {error}. Mend it, or remove it: the "
            "first records tell the features too."
        ) from error
    if "layout:block" in schema.annotation.tag:
        raise DataError(
            f"{path} describes a bundle of Concord, whose records hold blocks of rows that are "
            "preprocessed. Train on it with --bundle, or give the raw log."
        )
    columns = {}
    for feature in schema.feature:
        if feature.type not in _TYPE_OF_SCHEMA:
            continue  # a struct
        is_one = feature.value_count.max == 1 or (
            feature.HasField("shape") and np.prod([d.size for d in feature.shape.dim]) == 1
        )
        kind = _TYPE_OF_SCHEMA[feature.type]
        columns[feature.name] = ExampleColumn(kind, not is_one)  # type: ignore[arg-type]
    return columns


def _quote(record: bytes) -> str:
    example = _example(record)
    if example is None:
        return repr(record[:200])
    return " ".join(str(example).split())
