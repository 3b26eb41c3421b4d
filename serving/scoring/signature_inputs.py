"""Typed raw rows as the inputs of a signature: serialized tf.Examples, or a tensor a column."""

from collections.abc import Collection, Mapping
from typing import Any

import pyarrow as pa
import tensorflow as tf

from features.raw_tensors import from_arrow, to_dense
from features.specs import FeatureSet
from serving.export_format import names


def signature_inputs(
    signature: str, rows: pa.RecordBatch, features: FeatureSet, user_columns: Collection[str] = ()
) -> dict[str, tf.Tensor]:
    """The arguments of a signature.

    Args:
        signature: Name of the signature, one of `serving.export_format.names`.
        rows: Typed raw columns, as `features.raw.coerce` gives them. `rank` takes the user of the
            first row, and each row's candidate.
        features: What the columns mean.
        user_columns: The user's raw columns in `rank`, see `signature_table.user_columns`.
    """
    examples_input = names.examples_input(signature)
    if examples_input is not None:
        examples = encode_examples(rows, features)
        return {examples_input: tf.constant(examples, tf.string, [len(examples)])}
    raw = to_dense(from_arrow(rows, features))
    if signature == names.RANK:
        user = to_dense(from_arrow(rows.slice(0, 1), features))
        raw |= {column: user[column] for column in user_columns}
    return named_inputs(raw)


def named_inputs(raw: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Dense raw tensors under the names that signatures give them."""
    inputs = names.tensor_names(raw)
    return {inputs[raw_name]: tensor for raw_name, tensor in raw.items()}


def with_first_user(rows: pa.RecordBatch, user_columns: Collection[str]) -> pa.RecordBatch:
    """The rows with the user of the first: what `rank` scores, written out row by row."""
    first = pa.array([0] * rows.num_rows, pa.int64())
    columns = {
        name: rows.column(name).take(first) if name in user_columns else rows.column(name)
        for name in rows.schema.names
    }
    return pa.RecordBatch.from_pydict(columns, schema=rows.schema)


def encode_examples(rows: pa.RecordBatch, features: FeatureSet) -> list[bytes]:
    """Serializes typed raw rows, one tf.train.Example each.

    A missing value is left out of its Example: parsing then fills in what stands for missing.

    Args:
        rows: Typed raw columns, as `features.raw.coerce` gives them.
        features: What the columns mean; input features are written.
    """
    schema = features.raw_schema(("input",))
    columns = {name: rows.column(name).to_pylist() for name in schema.names}
    exact = {spec.raw_name for spec in features.inputs if spec.tensor_type == "float64"}
    for name in exact:  # an Example's floats are float32
        columns[name] = [None if value is None else repr(value) for value in columns[name]]
        schema = schema.set(schema.get_field_index(name), pa.field(name, pa.string()))
    encoded = []
    for row in range(rows.num_rows):
        example = tf.train.Example()
        for field in schema:
            value = columns[field.name][row]
            if value is not None:
                _fill(example.features.feature[field.name], value, field.type)
        encoded.append(example.SerializeToString(deterministic=True))
    return encoded


def _fill(feature: tf.train.Feature, value: Any, kind: pa.DataType) -> None:
    values = value if isinstance(value, list) else [value]
    element = kind.value_type if pa.types.is_list(kind) else kind
    if pa.types.is_string(element):
        feature.bytes_list.value.extend((each or "").encode() for each in values)
    elif pa.types.is_floating(element):
        feature.float_list.value.extend(values)
    else:
        feature.int64_list.value.extend(values)
