"""Warm-up requests: what a server runs through a version before the first request of others.

TensorFlow Serving reads them from `assets.extra/tf_serving_warmup_requests`, a TFRecord file of
`PredictionLog`s, of which it takes at most 1,000.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from features.specs import FeatureSet
from serving.export_format import names
from serving.export_format.signature_table import SignatureTable, user_columns
from serving.scoring.signature_inputs import encode_examples, signature_inputs

BATCH_SIZES = (1, 8, 64)


def write_warm_up(
    path: Path,
    table: SignatureTable,
    rows: pa.RecordBatch,
    features: FeatureSet,
    batch_sizes: Sequence[int] = BATCH_SIZES,
) -> None:
    """Writes a request for every signature and batch size.

    Args:
        path: The file.
        table: The signatures.
        rows: Typed raw rows, at least one; they are repeated where there are too few.
        features: What the columns mean.
        batch_sizes: Rows of the requests, and candidates of `rank`.
    """
    with tf.io.TFRecordWriter(str(path)) as writer:
        for request in warm_up_requests(table, rows, features, batch_sizes):
            writer.write(request.SerializeToString(deterministic=True))


def warm_up_requests(
    table: SignatureTable,
    rows: pa.RecordBatch,
    features: FeatureSet,
    batch_sizes: Sequence[int] = BATCH_SIZES,
) -> Iterator[prediction_log_pb2.PredictionLog]:
    """The requests that `write_warm_up` writes; a different row comes first in each."""
    first = 0
    for signature in table:
        for size in batch_sizes:
            batch = rows.take(pa.array((first + np.arange(size)) % rows.num_rows))
            yield _request(signature, batch, features, table)
            first += size


def _request(
    signature: str, rows: pa.RecordBatch, features: FeatureSet, table: SignatureTable
) -> prediction_log_pb2.PredictionLog:
    log = prediction_log_pb2.PredictionLog()
    if signature in (names.CLASSIFY, names.REGRESS):
        kind = log.classify_log if signature == names.CLASSIFY else log.regress_log
        request = kind.request
        examples = encode_examples(rows, features)
        request.input.example_list.examples.extend(map(tf.train.Example.FromString, examples))
    else:
        request = log.predict_log.request
        inputs = signature_inputs(signature, rows, features, user_columns(table))
        for name, tensor in inputs.items():
            value = tf.make_tensor_proto(tensor.numpy(), tensor.dtype, tensor.shape)
            request.inputs[name].CopyFrom(value)
    # The name under which a server offers the model is not known here, and none asks for it.
    request.model_spec.signature_name = signature
    return log
