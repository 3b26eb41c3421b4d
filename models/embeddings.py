"""The embedding bank: every table of the network in one variable, read once per batch."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras

from features.inputs import InputSpec
from models.table_layout import ID_KINDS, aligned_steps, rows_by_vocabulary, tensor_spec


class History(NamedTuple):
    """Earlier events of a user, step by step, oldest first.

    steps: (batch, length, width x number of aligned sequences), 0 where padded.
    mask: bool (batch, length), True where there is an event.
    """

    steps: tf.Tensor
    mask: tf.Tensor


class Embedded(NamedTuple):
    """What a branch can see of a batch.

    tokens: (batch, num_fields, width), one token per input in the order of declaration.
    histories: by the name of the history.
    """

    tokens: tf.Tensor
    histories: dict[str, History]


@tf_keras.utils.register_keras_serializable(package="concord")
class EmbeddingBank(tf_keras.layers.Layer):
    """Embeds every input, from one table that holds all vocabularies below each other.

    | input kind | its token |
    |---|---|
    | `id` | its row; id 0 (missing) has a row like any other |
    | `ids`, `steps` | mean of the rows of the ids that are not 0; zeros where there are none |
    | `value` | value x a learned vector (FuxiCTR's convention) |
    | `vector` | a learned linear projection, no bias |

    Rows ~ N(0, stddev); vectors and projections Glorot normal (`model_equations.md` section 0,
    after reczoo/FuxiCTR@0245987). Inputs that name the same vocabulary share its rows. With
    several sets, set m is columns [m x width, (m + 1) x width) of every row: the mathematics of
    `num_sets` separate tables at the price of one lookup.

    An id outside its vocabulary never reads another vocabulary's row: the lookup fails on a CPU
    (`indices[..] = -1`), and reads zeros on a GPU, where TensorFlow does not check indices. Under
    XLA, which clamps indices, it reads row 0.

    Example:
        >>> bank = EmbeddingBank([InputSpec("city", "id", "city", 10)], width=4)
        >>> bank({"city": tf.constant([3, 0])})[0].tokens.shape
        TensorShape([2, 1, 4])

    Args:
        inputs: The network's inputs, as `InputSpec`s or as their dicts.
        width: Length of a token.
        num_sets: Number of independent sets of tables.
        stddev: Standard deviation of the initial rows.
        l2: Factor of the regulariser over whole tables; see `regularization`.

    Call arguments:
        features: Tensors by input name, shaped and typed as `InputSpec` says; others are ignored.

    Returns:
        A tuple of `num_sets` `Embedded`.
    """

    def __init__(
        self,
        inputs: Sequence[InputSpec | Mapping[str, Any]],
        width: int = 16,
        num_sets: int = 1,
        stddev: float = 1e-4,
        l2: float = 0.0,
        **kwargs,
    ):
        # float32 under mixed precision too: branches cast what they read, rows stay exact.
        super().__init__(**{"dtype": "float32", **kwargs})
        if width < 1 or num_sets < 1 or not stddev >= 0.0 or not l2 >= 0.0:
            raise ValueError(
                "EmbeddingBank: `width` and `num_sets` must be >= 1, `stddev` and `l2` >= 0. "
                f"Received: width={width}, num_sets={num_sets}, stddev={stddev}, l2={l2}."
            )
        self.inputs = tuple(
            InputSpec(**each) if isinstance(each, Mapping) else each for each in inputs
        )
        self.width, self.num_sets = int(width), int(num_sets)
        self.stddev, self.l2 = float(stddev), float(l2)
        self._rows = rows_by_vocabulary(self.inputs)
        self._histories = aligned_steps(self.inputs)

    @property
    def field_names(self) -> tuple[str, ...]:
        """Names of the inputs, in the order of their tokens."""
        return tuple(spec.name for spec in self.inputs)

    @property
    def signature(self) -> dict[str, tf.TensorSpec]:
        """Shape and dtype of every input tensor, batch size unknown."""
        return {spec.name: tensor_spec(spec) for spec in self.inputs}

    def table_rows(self, vocabulary: str) -> tuple[int, int]:
        """The rows [start, stop) of `table` that hold a vocabulary."""
        return self._rows[vocabulary]

    def regularization(self) -> tf.Tensor:
        """l2 / 2 x the sum of squares of all rows, read by the batch or not; float32 scalar."""
        if not self._rows:
            return tf.zeros([])
        return self.l2 * tf.nn.l2_loss(tf.convert_to_tensor(self.table))

    def build(self, input_shape=None) -> None:
        columns = self.num_sets * self.width

        def weight(name: str, rows: int, stddev: float) -> tf.Variable:
            initializer = tf_keras.initializers.RandomNormal(stddev=stddev)
            return self.add_weight(name, shape=(rows, columns), initializer=initializer)

        if self._rows:
            num_rows = max(stop for _, stop in self._rows.values())
            self.table = weight("table", num_rows, self.stddev)
        self.projections = {}  # by input name: (1, columns) of a value, (dimension, columns)
        for spec in self.inputs:
            if spec.kind in ("value", "vector"):
                fan_in = spec.dimension if spec.kind == "vector" else 1
                stddev = math.sqrt(2.0 / (fan_in + self.width))  # Glorot, of one set
                self.projections[spec.name] = weight(f"{spec.name}/kernel", fan_in, stddev)
        super().build(input_shape)

    def call(self, features: dict[str, tf.Tensor]) -> tuple[Embedded, ...]:
        features = self._checked(features)
        ids, parts = self._look_up(features)
        steps, tokens = {}, []
        for specs in self._runs():
            if specs[0].kind == "id":
                tokens.append(next(parts))
                continue
            for spec in specs:
                if spec.kind in ("ids", "steps"):
                    valid = tf.cast(ids[spec.name] != 0, tf.float32)[:, :, tf.newaxis]
                    steps[spec.name] = next(parts) * valid
                    count = tf.maximum(tf.reduce_sum(valid, axis=1, keepdims=True), 1.0)
                    tokens.append(tf.reduce_sum(steps[spec.name], axis=1, keepdims=True) / count)
                else:
                    received = features[spec.name]
                    values = received[:, tf.newaxis] if spec.kind == "value" else received
                    tokens.append((values @ self.projections[spec.name])[:, tf.newaxis, :])
        token_sets = tf.split(tf.concat(tokens, axis=1), self.num_sets, axis=-1)
        step_sets = {name: tf.split(each, self.num_sets, axis=-1) for name, each in steps.items()}
        masks = {
            history: tf.reduce_any([ids[name] != 0 for name in names], axis=0)  # (B, length)
            for history, names in self._histories.items()
        }
        return tuple(
            Embedded(
                token_sets[m],  # (B, F, width)
                {
                    history: History(
                        tf.concat([step_sets[name][m] for name in names], axis=-1), masks[history]
                    )
                    for history, names in self._histories.items()
                },
            )
            for m in range(self.num_sets)
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "inputs": [spec.to_dict() for spec in self.inputs],
            "width": self.width,
            "num_sets": self.num_sets,
            "stddev": self.stddev,
            "l2": self.l2,
        }

    def _checked(self, features: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        checked = {}
        for name, expected in self.signature.items():
            if name not in features:
                raise ValueError(
                    f"{self.name}: input {name!r} is missing, of shape {expected.shape} and type "
                    f"{expected.dtype.name}. Received: {sorted(features)}."
                )
            received = tf.convert_to_tensor(features[name])
            if not received.shape.is_compatible_with(expected.shape):
                raise ValueError(
                    f"{self.name}: input {name!r} must have shape {expected.shape}. "
                    f"Received: {received.shape}."
                )
            checked[name] = tf.ensure_shape(tf.cast(received, expected.dtype), expected.shape)
        return checked

    def _look_up(self, features):
        """All rows of the batch in one gather.

        Returns:
            The ids by input name, each (B, k); and an iterator over the rows (B, k, sets x
            width), those of a run of `id` inputs in one part.
        """
        specs = [spec for spec in self.inputs if spec.kind in ID_KINDS]
        if not specs:
            return {}, iter(())
        ids = {
            spec.name: features[spec.name]
            if spec.kind != "id"
            else features[spec.name][:, tf.newaxis]
            for spec in specs
        }
        lengths = [max(spec.length, 1) for spec in specs]
        bounds = np.repeat([self._rows[spec.vocabulary] for spec in specs], lengths, axis=0)
        first, stop = (tf.constant(each, tf.int32) for each in bounds.T)
        row = tf.concat(list(ids.values()), axis=1) + first  # (B, sum of k)
        row = tf.where((row >= first) & (row < stop), row, -1)
        # One split, not slices: the gradient of each slice would be as large as all rows.
        sizes = []
        for run in self._runs():
            sizes += [len(run)] if run[0].kind == "id" else [s.length for s in run if s.length]
        return ids, iter(tf.split(tf.gather(self.table, row), sizes, axis=1))

    def _runs(self) -> list[list[InputSpec]]:
        """The inputs in their order, neighbouring `id` inputs together."""
        runs = itertools.groupby(self.inputs, key=lambda spec: spec.kind == "id")
        return [list(run) for _, run in runs]
