"""Raw rows as tensors: the input of the preprocessing graph, whichever way the rows arrive.

Missing values: `""` for tokens, NaN for numbers, `MISSING_TIME` for times, an empty list for
lists. Lists are ragged, or dense and padded with `""`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

from features.dictionaries import with_dictionaries
from features.specs import FeatureSet, FeatureSpec

MISSING_TIME = np.iinfo(np.int64).min


@dataclass(frozen=True)
class CodedTokens:
    """Tokens as places in a dictionary, so that each is looked up once however often it occurs.

    Args:
        dictionary: Strings of shape (distinct tokens,); one of them may be "", missing.
        codes: int32 places in it, of shape (batch,), or ragged of shape (batch, None).
    """

    dictionary: tf.Tensor
    codes: "tf.Tensor | tf.RaggedTensor"


_UNEQUAL = "sequences of history '{}' must have one length in each row"

RawTensors = dict[str, "tf.Tensor | tf.RaggedTensor | CodedTokens"]

_DEFAULTS = {
    tf.string: "",
    tf.float32: float("nan"),
    tf.float64: float("nan"),
    tf.int64: int(MISSING_TIME),
}


def _dtype(spec: FeatureSpec) -> tf.DType:
    return tf.as_dtype(spec.tensor_type)


def _is_list(spec: FeatureSpec) -> bool:
    return pa.types.is_list(spec.raw_type) and spec.kind != "embedding"


def from_arrow(
    batch: pa.RecordBatch, features: FeatureSet, roles: Sequence[str] = ("input",)
) -> RawTensors:
    """Typed raw columns, as `features.raw.coerce` gives them, as tensors keyed by raw name.

    Tokens in Arrow dictionaries become `CodedTokens`.
    """
    tensors: RawTensors = {}
    for spec in features.with_role(*roles):
        if spec.raw_name not in tensors:
            tensors[spec.raw_name] = _column(batch.column(spec.raw_name), spec)
    return tensors


def coded_tensors(
    batch: pa.RecordBatch, features: FeatureSet, roles: Sequence[str] = ("input",)
) -> RawTensors:
    """The same with every token coded: what reads them looks each one up once."""
    return from_arrow(with_dictionaries(batch), features, roles)


def _column(column: pa.Array, spec: FeatureSpec) -> "tf.Tensor | tf.RaggedTensor | CodedTokens":
    if spec.kind == "embedding":
        missing = pa.scalar([0.0] * spec.embedding_dimension, spec.raw_type)
        flat = pc.fill_null(column, missing).flatten().to_numpy(zero_copy_only=False)
        return tf.constant(flat.reshape(len(column), spec.embedding_dimension), tf.float32)
    lengths = None
    if _is_list(spec):
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        column = column.flatten()
    if pa.types.is_dictionary(column.type):
        missing = len(column.dictionary)  # its place is behind all tokens
        tokens = pa.concat_arrays([column.dictionary, pa.array([""])])
        codes = pc.fill_null(column.indices, missing) if column.null_count else column.indices
        dictionary, codes = _text(tokens), codes.cast(pa.int32())
        return CodedTokens(dictionary, _in_rows(tf.constant(codes.to_numpy()), lengths))
    return _in_rows(_values(column, _dtype(spec)), lengths)


def _in_rows(values: tf.Tensor, lengths: np.ndarray | None) -> "tf.Tensor | tf.RaggedTensor":
    if lengths is None:
        return values
    lengths = lengths.astype(np.int64)
    return tf.RaggedTensor.from_row_lengths(values, lengths, validate=False)


def _values(column: pa.Array, dtype: tf.DType) -> tf.Tensor:
    filled = pc.fill_null(column, _DEFAULTS[dtype]) if column.null_count else column
    if dtype == tf.string:
        return _text(filled)
    return tf.constant(filled.to_numpy(zero_copy_only=False), dtype)


def _text(tokens: pa.Array) -> tf.Tensor:
    return tf.constant(tokens.cast(pa.binary()).to_numpy(zero_copy_only=False), tf.string)


def parsing_spec(
    features: FeatureSet,
) -> dict[str, "tf.io.FixedLenFeature | tf.io.RaggedFeature"]:
    """For `tf.io.parse_example`: the input features of serialized tf.Examples of raw values.

    Tokens are bytes, numbers floats, times int64; whatever an Example leaves out is missing. The
    floats of an Example are float32: numbers of `precision: float64` are their text, as bytes.
    """
    spec_of: dict[str, tf.io.FixedLenFeature | tf.io.RaggedFeature] = {}
    for spec in features.inputs:
        if spec.kind == "embedding":
            size = spec.embedding_dimension
            spec_of[spec.raw_name] = tf.io.FixedLenFeature([size], tf.float32, [0.0] * size)
        elif _is_list(spec):
            spec_of[spec.raw_name] = tf.io.RaggedFeature(tf.string, row_splits_dtype=tf.int64)
        else:
            dtype = _dtype(spec)
            if dtype == tf.float64:
                dtype = tf.string
            spec_of[spec.raw_name] = tf.io.FixedLenFeature([], dtype, _DEFAULTS[dtype])
    return spec_of


def parse_examples(examples: tf.Tensor, features: FeatureSet) -> RawTensors:
    """Raw tensors of serialized tf.Examples; a value left out, or an empty list, is missing.

    Raises:
        InvalidArgumentError: An Example has several values where one is expected, values of
            another type, or sequences of one history that differ in length.
    """
    defaults: dict[str, tf.io.FixedLenFeature] = {}
    spec_of: dict[str, tf.io.FixedLenSequenceFeature | tf.io.RaggedFeature] = {}
    for name, parsed in parsing_spec(features).items():
        if isinstance(parsed, tf.io.FixedLenFeature):
            defaults[name] = parsed
            # `FixedLenFeature` would refuse an empty list, and with it the whole batch.
            spec_of[name] = tf.io.FixedLenSequenceFeature(
                parsed.shape, parsed.dtype, allow_missing=True, default_value=_default(parsed)
            )
        else:
            spec_of[name] = parsed
    tensors = tf.io.parse_example(examples, spec_of)
    raw = {
        name: _only_value(values, defaults[name], name) if name in defaults else values
        for name, values in tensors.items()
    }
    for spec in features.inputs:
        if spec.precision == "float64" and raw[spec.raw_name].dtype == tf.string:
            text = raw[spec.raw_name]
            text = tf.where(text == "", "nan", text)
            raw[spec.raw_name] = tf.strings.to_number(text, tf.float64)
    for history, names in features.aligned.items():
        _check_steps(history, [raw[name] for name in names])
    return raw


def _check_steps(history: str, sequences: "Sequence[tf.RaggedTensor]") -> None:
    """Refuses sequences of a history that differ in length; one without any step is missing."""
    steps = tf.stack([sequence.row_lengths() for sequence in sequences])  # (sequences, batch)
    tf.debugging.Assert(_one_length(steps), [_UNEQUAL.format(history)])


def check_dense_steps(raw: Mapping[str, tf.Tensor], features: FeatureSet) -> None:
    """Refuses dense sequences of a history that differ in length, as far as can be told.

    Of equally wide tensors the i-th column is the i-th step: `""` there is a step without a value,
    or behind the last. Tensors of several widths were padded each by itself, so that `""` at the
    end is padding, and the steps before it are as many in each; a sequence without any is missing.

    Args:
        raw: Raw name -> dense tensor, as `dense_specs` says.
        features: What the columns mean.

    Raises:
        InvalidArgumentError: A row has more steps in one of them than in another.
    """
    for history, names in features.aligned.items():
        sequences = [raw[name] for name in names]
        widths = tf.stack([tf.shape(sequence)[1] for sequence in sequences])
        steps = tf.stack(
            [lengths_of(sequence != "") for sequence in sequences]
        )  # (sequences, batch)
        tf.debugging.Assert(
            tf.reduce_all(widths == widths[0]) | _one_length(steps), [_UNEQUAL.format(history)]
        )


def _one_length(steps: tf.Tensor) -> tf.Tensor:
    """Whether the sequences, axis 0, have equally many steps in each row, axis 1, or none."""
    return tf.reduce_all((steps == tf.reduce_max(steps, axis=0)) | (steps == 0))


def lengths_of(is_there: tf.Tensor) -> tf.Tensor:
    """Position, from 1, of each row's last step that is there; 0 in a row without any.

    Args:
        is_there: Bool (batch, steps).
    """
    positions = tf.range(1, tf.shape(is_there)[1] + 1)
    # The maximum with 0 is for tensors without a single column, whose reduce_max is -2**31.
    return tf.maximum(tf.reduce_max(tf.where(is_there, positions, 0), axis=1), 0)


def _default(feature: tf.io.FixedLenFeature) -> str | float | int:
    """What stands for a missing value, or for each number of a missing vector."""
    default: Any = feature.default_value
    value: str | float | int = default[0] if isinstance(default, list) else default
    return value


def _only_value(values: tf.Tensor, feature: tf.io.FixedLenFeature, name: str) -> tf.Tensor:
    """The value of each row, of (batch, most values, ...); rows without one have the default."""
    several = f"feature {name!r} has several values in an Example, where one is expected"
    tf.debugging.assert_less_equal(tf.shape(values)[1], 1, message=several)
    missing = tf.fill([tf.shape(values)[0], 1, *feature.shape], _default(feature))
    return tf.concat([values, tf.cast(missing, values.dtype)], axis=1)[:, 0]


def dense_specs(features: FeatureSet) -> dict[str, tf.TensorSpec]:
    """Shapes and types of raw inputs where every tensor is dense: lists end in `""`."""
    specs: dict[str, tf.TensorSpec] = {}
    for spec in features.inputs:
        shape: list[int | None] = [None]
        if spec.kind == "embedding":
            shape = [None, spec.embedding_dimension]
        elif _is_list(spec):
            shape = [None, None]
        specs[spec.raw_name] = tf.TensorSpec(shape, _dtype(spec), name=spec.raw_name)
    return specs


def to_dense(raw: RawTensors) -> dict[str, tf.Tensor]:
    """Makes every list dense, padded with `""`, and writes coded tokens out: as `dense_specs`."""
    return {name: _dense(tensor) for name, tensor in raw.items()}


def _dense(tensor: "tf.Tensor | tf.RaggedTensor | CodedTokens") -> tf.Tensor:
    if isinstance(tensor, CodedTokens):
        if not isinstance(tensor.codes, tf.RaggedTensor):
            return tf.gather(tensor.dictionary, tensor.codes)
        padding = len(tensor.dictionary)
        padded = tf.concat([tensor.dictionary, [""]], axis=0)
        return tf.gather(padded, tensor.codes.to_tensor(padding))
    return tensor.to_tensor("") if isinstance(tensor, tf.RaggedTensor) else tensor


def parts_of(raw: RawTensors) -> list[tf.Tensor]:
    """The dense tensors that raw values consist of: a graph takes those fastest."""
    parts = []
    for tensor in raw.values():
        if isinstance(tensor, CodedTokens):
            parts.append(tensor.dictionary)
            tensor = tensor.codes
        if isinstance(tensor, tf.RaggedTensor):
            parts.append(tensor.row_splits)
            tensor = tensor.flat_values
        parts.append(tensor)
    return parts


def from_parts(like: RawTensors, parts: Iterable[tf.Tensor]) -> RawTensors:
    """The inverse of `parts_of`, for raw values of the same types as `like`."""
    rest = iter(parts)

    def next_of(tensor: Any) -> Any:
        if isinstance(tensor, CodedTokens):
            return CodedTokens(next(rest), next_of(tensor.codes))
        if isinstance(tensor, tf.RaggedTensor):
            splits = next(rest)
            return tf.RaggedTensor.from_row_splits(next(rest), splits, validate=False)
        return next(rest)

    return {name: next_of(tensor) for name, tensor in like.items()}
