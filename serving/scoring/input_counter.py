"""Counts what is missing and unknown in raw rows, as the data job counted it in training."""

import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pydantic
import tensorflow as tf

from features.bundle import BundleMetadata
from features.input_shares import InputCounts, TrainingShares
from features.preprocessing import Preprocessor
from features.raw_tensors import (
    RawTensors,
    coded_tensors,
    dense_specs,
    from_parts,
    parse_examples,
    parts_of,
)
from features.raw_values import null_numbers
from features.specs import FeatureSet, FeatureSpec
from serving.export_format import names
from serving.export_format.export_layout import ASSETS, TRAINING_SHARES


class InputCounter:
    """Adds up what is missing and unknown in the rows that it is shown.

    It preprocesses them once more, with the vocabularies of the export in a graph of its own.
    Safe to use from several threads.

    Args:
        version: Folder of the version.
        metadata: Its bundle's metadata.
        training: What the training rows had.

    Attributes:
        training: The same.
    """

    def __init__(self, version: Path, metadata: BundleMetadata, training: TrainingShares) -> None:
        features = metadata.features
        self.training = training
        self._preprocessor = Preprocessor(features, metadata.analysis, str(version / ASSETS))
        self._features = features
        self._names = [spec.name for spec in features.inputs]
        columns = dense_specs(features)
        self._input_of = names.tensor_names(columns)
        specs = {  # columns may have names that TensorFlow does not take
            name: tf.TensorSpec(columns[column].shape, columns[column].dtype, name)
            for column, name in self._input_of.items()
        }
        self._of_dense = tf.function(
            lambda inputs: self._count(
                {column: inputs[name] for column, name in self._input_of.items()}
            ),
            input_signature=[specs],
            autograph=False,
        )
        like = coded_tensors(
            pa.RecordBatch.from_pylist([], features.raw_schema(("input",))), features
        )
        self._of_coded = tf.function(
            lambda *parts: self._count(from_parts(like, parts)),
            input_signature=[
                tf.TensorSpec([None, *part.shape[1:]], part.dtype) for part in parts_of(like)
            ],
            autograph=False,
        )
        self._of_examples = tf.function(
            lambda examples: self._count(parse_examples(examples, features)),
            input_signature=[tf.TensorSpec([None], tf.string)],
            autograph=False,
        )
        self._lock = threading.Lock()
        self._sum = np.zeros((len(self._names), len(InputCounts._fields)), np.int64)

    def prepare(self) -> None:
        """Traces the graphs of requests, which takes a second, before the first one comes."""
        self._of_dense.get_concrete_function()
        self._of_examples.get_concrete_function()

    def add_coded(self, raw: RawTensors) -> None:
        """Counts typed rows, as `coded_tensors` of `raw_tensors` gives them."""
        self._add(self._coded_graph(*parts_of(raw)))

    def add_inputs(self, signature: str, inputs: Mapping[str, Any]) -> None:
        """Counts the rows of a request: of `rank`, what is the user's once."""
        examples = names.examples_input(signature)
        if examples is not None:
            self._add(self._of_examples(inputs[examples]))
        elif signature in (names.RAW_TENSORS, names.RANK):
            self._add(self._of_dense({name: inputs[name] for name in self._input_of.values()}))

    @cached_property
    def _coded_graph(self) -> Callable[..., tf.Tensor]:
        """What is called without a search for the graph of the types that are given."""
        graph: Callable[..., tf.Tensor] = self._of_coded.get_concrete_function()
        return graph

    def counts(self) -> dict[str, InputCounts]:
        """What was counted so far: feature -> counts."""
        with self._lock:
            return {
                name: InputCounts(*map(int, row))
                for name, row in zip(self._names, self._sum, strict=True)
            }

    def _add(self, counted: tf.Tensor) -> None:
        with self._lock:
            self._sum += counted.numpy()

    def _count(self, raw: RawTensors) -> tf.Tensor:
        """int64 (features, 4): rows, missing, tokens, unknown."""
        with tf.device("/CPU:0"):
            inputs = self._preprocessor(raw)
            rows = [
                _counts(inputs[spec.name], raw, spec, self._features)
                for spec in self._features.inputs
            ]
            return tf.stack(rows)


def input_counter(version: Path, metadata: BundleMetadata) -> InputCounter | None:
    """The counter of an export; None where nobody noted what its training rows had."""
    try:
        content = (version / TRAINING_SHARES).read_bytes()
        training = TrainingShares.model_validate_json(content)
    except (OSError, pydantic.ValidationError):
        return None
    return InputCounter(version, metadata, training)


def _counts(
    values: tf.Tensor, raw: RawTensors, spec: FeatureSpec, features: FeatureSet
) -> tf.Tensor:
    rows = tf.shape(values, tf.int64)[0]
    zero = tf.zeros([], tf.int64)
    if spec.kind == "embedding":  # zeros stand for a missing one
        return tf.stack([rows, zero, zero, zero])
    if values.dtype != tf.int32:  # only the raw number knows what is missing
        number: Any = raw[spec.raw_name]
        missing = tf.math.is_nan(number)
        for null in null_numbers(spec.null_values):
            missing |= number == tf.constant(null, number.dtype)
        return tf.stack([rows, tf.math.count_nonzero(missing), zero, zero])
    present = values > 0
    tokens = tf.math.count_nonzero(present)
    any_token = tf.reduce_any(present, axis=1) if values.shape.rank == 2 else present
    missing = rows - tf.math.count_nonzero(any_token)
    if not spec.has_vocabulary:
        return tf.stack([rows, missing, zero, zero])
    buckets = features.vocabularies[spec.vocabulary].num_oov_buckets
    unknown = tf.math.count_nonzero(tf.logical_and(present, values <= buckets))
    return tf.stack([rows, missing, tokens, unknown])
