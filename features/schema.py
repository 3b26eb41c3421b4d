"""Bundle metadata as tensorflow-metadata Schemas, for readers that know nothing of this project.

`record_schema` describes the rows that a bundle stores, and how its records hold them;
`raw_schema` the tf.Examples of raw values that an exported model's `serving_default` takes. They
are two files, because a feature has the same name and different types in the two.
"""

from collections.abc import Sequence

import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from features.analysis import Analysis
from features.columns import Column, Layout, columns_of
from features.inputs import InputSpec, model_inputs
from features.raw_tensors import parsing_spec
from features.records import ROWS
from features.specs import FeatureSet, FeatureSpec

_TYPES = {
    tf.string: schema_pb2.BYTES,
    tf.int64: schema_pb2.INT,
    tf.float32: schema_pb2.FLOAT,
}


_BLOCKS = (
    "A tf.train.Example holds a block of rows: under the key of the tag `rows:`, their number as "
    "int64; under the name of each feature, one bytes value, the elements of all its rows one "
    "after the other in the type of its tag `dtype:`, little endian. Of a feature with `shape`, "
    "each row has that many elements; of one with `value_count`, as many as the bytes value under "
    "the key of its tag `row_lengths:` says, an int32 a row, little endian."
)


def record_schema(
    features: FeatureSet, analysis: Analysis, layout: Layout = "row"
) -> schema_pb2.Schema:
    """The rows of a bundle, and how its records hold them.

    A feature with `shape` has that many values in every row; one with `value_count` a list, which
    is padded with 0 on the right up to `value_count.max` where a dense tensor is wanted. Domains
    of ids are named after their vocabulary, and their `max` is the last id. Annotations:
    `kind:<kind>`, `role:<role>`, `dtype:<type in memory>`, `group:<name>` for each feature group,
    `history:<name>` of aligned sequences.

    The schema itself has the annotation `layout:row`, whose Examples hold a row each with the
    values as described, or `layout:block`: then its comment says how the Examples hold blocks of
    such rows, which nothing else in a Schema could.
    """
    schema = schema_pb2.Schema()
    schema.annotation.tag.append(f"layout:{layout}")
    if layout == "block":
        schema.annotation.tag.append(f"rows:{ROWS}")
        schema.annotation.comment.append(_BLOCKS)
    inputs = {spec.name: spec for spec in model_inputs(features, analysis)}
    for column in columns_of(features):
        spec = features.features[column.name]
        stored = schema.feature.add(name=column.name)
        _set_values(stored, column)
        if column.length is None:  # a row may leave out an empty list, nothing else
            stored.presence.min_fraction = 1.0
            stored.presence.min_count = 1
        _set_domain(stored, spec, inputs.get(spec.name))
        _annotate(stored, spec, features)
        stored.annotation.tag.append(f"dtype:{column.dtype}")
        if layout == "block" and column.length is not None:
            stored.annotation.tag.append(f"row_lengths:{column.name}/row_lengths")
        shape = None if column.length is not None else [size.size for size in stored.shape.dim]
        _represent(schema, column.name, shape)
    return schema


def _set_values(stored: schema_pb2.Feature, column: Column) -> None:
    stored.type = schema_pb2.FLOAT if column.dtype == "float32" else schema_pb2.INT
    if column.length is not None:
        stored.value_count.min = 0
        stored.value_count.max = column.length
        return
    stored.shape.SetInParent()  # no dimension: a scalar
    if column.dimension is not None:
        stored.shape.dim.add(size=column.dimension)


def _set_domain(
    stored: schema_pb2.Feature, spec: FeatureSpec, model_input: InputSpec | None
) -> None:
    if spec.role == "label":
        stored.float_domain.min = 0.0
        stored.float_domain.max = 1.0
    elif model_input is not None and model_input.vocabulary_size:
        stored.int_domain.name = model_input.vocabulary
        stored.int_domain.min = 0
        stored.int_domain.max = model_input.vocabulary_size - 1
        stored.int_domain.is_categorical = True


def raw_schema(features: FeatureSet) -> schema_pb2.Schema:
    """tf.Examples of raw values: tokens as bytes, numbers as floats, times as int64.

    An Example may leave out any feature, which then is missing: a parser fills a dense tensor with
    the default value of its representation. So no feature has a `shape`, which readers of TFX take
    for a promise that every Example has the feature; one with a fixed number of values says it by
    `value_count`.
    """
    schema = schema_pb2.Schema()
    by_raw_name: dict[str, list[FeatureSpec]] = {}
    for spec in features.inputs:
        by_raw_name.setdefault(spec.raw_name, []).append(spec)
    for name, parsed in parsing_spec(features).items():
        stored = schema.feature.add(name=name, type=_TYPES[parsed.dtype])
        default, shape = None, None
        if isinstance(parsed, tf.io.FixedLenFeature):
            shape = list(parsed.shape)
            stored.value_count.min = stored.value_count.max = shape[0] if shape else 1
            default = parsed.default_value if not shape else parsed.default_value[0]
        else:
            stored.value_count.min = 0
        for spec in by_raw_name[name]:
            _annotate(stored, spec, features)
        _represent(schema, name, shape, default)
    return schema


def _annotate(stored: schema_pb2.Feature, spec: FeatureSpec, features: FeatureSet) -> None:
    tags = [f"kind:{spec.kind}", f"role:{spec.role}"]
    tags += [f"group:{group}" for group, members in features.groups.items() if spec.name in members]
    if spec.events != spec.name:
        tags.append(f"history:{spec.events}")
    stored.annotation.tag.extend(tag for tag in tags if tag not in stored.annotation.tag)


def _represent(
    schema: schema_pb2.Schema,
    name: str,
    shape: Sequence[int] | None,
    default: str | float | None = None,
) -> None:
    """Says as which tensor to read a feature, in the terms of TFX's readers.

    Args:
        schema: The schema to say it in.
        name: The feature.
        shape: Of its values in a row; None where it is a list.
        default: What stands for each value of a row that has none.
    """
    tensor = schema.tensor_representation_group[""].tensor_representation[name]
    if shape is None:
        tensor.ragged_tensor.feature_path.step.append(name)
        tensor.ragged_tensor.row_partition_dtype = schema_pb2.TensorRepresentation.INT64
        return
    tensor.dense_tensor.column_name = name
    tensor.dense_tensor.shape.SetInParent()  # no dimension: a scalar
    for size in shape:
        tensor.dense_tensor.shape.dim.add(size=size)
    if isinstance(default, str):
        tensor.dense_tensor.default_value.bytes_value = default.encode()
    elif isinstance(default, float):
        tensor.dense_tensor.default_value.float_value = default
    elif default is not None:
        tensor.dense_tensor.default_value.int_value = default


def to_text(schema: schema_pb2.Schema) -> str:
    """The text format; the same schema always gives the same text."""
    return text_format.MessageToString(schema)


def from_text(text: str) -> schema_pb2.Schema:
    """The inverse of `to_text`."""
    return text_format.Parse(text, schema_pb2.Schema())
