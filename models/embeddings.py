"""The embedding bank: every table of the network in one variable, read once per batch."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
import tensorflow as tf
import tf_keras

from features.inputs import InputSpec
from models.embedded import Embedded, History, history_view
from models.numeric_token import NumericToken
from models.table_layout import (
    ID_KINDS,
    aligned_steps,
    checked,
    rows_by_vocabulary,
    runs,
    targets,
    tensor_spec,
)

Numeric = Literal["each", "mlp"]


@tf_keras.utils.register_keras_serializable(package="concord")
class EmbeddingBank(tf_keras.layers.Layer):
    """Embeds every input, from one table that holds all vocabularies below each other.

    | input kind | its token |
    |---|---|
    | `id` | its row; id 0 (missing) has a row like any other |
    | `ids`, `steps` | mean of the rows of the ids that are not 0; zeros where there are none |
    | `value` | value x a learned vector (FuxiCTR's convention); or see `numeric` |
    | `vector` | a learned linear projection, no bias |

    Rows ~ N(0, stddev); vectors and projections Glorot normal (`model_equations.md` section 0,
    after reczoo/FuxiCTR@0245987). Inputs that name the same vocabulary share its rows. With
    several sets, set m is columns [m x width, (m + 1) x width) of every row: the mathematics of
    `num_sets` separate tables at the price of one lookup. Behind them stands a column of
    first-order weights for each set that asks for one.

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
        first_order: Table sets that have first-order weights too.
        numeric: What becomes of `value` inputs: `each` has a token of its own; `mlp` makes one
            token, the last, of all of them, by an MLP of each table set's own (CETNet, DHEN,
            Wukong: "dense features").
        numeric_units: Hidden layers of that MLP; none makes it one linear layer.

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
        first_order: Sequence[int] = (),
        numeric: Numeric = "each",
        numeric_units: Sequence[int] = (),
        **kwargs,
    ):
        # float32 under mixed precision too: branches cast what they read, rows stay exact.
        super().__init__(**{"dtype": "float32", **kwargs})
        if width < 1 or num_sets < 1 or not stddev >= 0.0 or not l2 >= 0.0:
            raise ValueError(
                "EmbeddingBank: `width` and `num_sets` must be >= 1, `stddev` and `l2` >= 0. "
                f"Received: width={width}, num_sets={num_sets}, stddev={stddev}, l2={l2}."
            )
        if not set(first_order) <= set(range(num_sets)) or numeric not in get_args(Numeric):
            raise ValueError(
                f"EmbeddingBank: `first_order` must name table sets below num_sets={num_sets}, "
                f"`numeric` one of {', '.join(get_args(Numeric))}. "
                f"Received: first_order={list(first_order)}, numeric={numeric!r}."
            )
        self.inputs = tuple(
            InputSpec(**each) if isinstance(each, Mapping) else each for each in inputs
        )
        self.width, self.num_sets = int(width), int(num_sets)
        self.stddev, self.l2 = float(stddev), float(l2)
        self.first_order = tuple(sorted(set(first_order)))
        self.numeric, self.numeric_units = numeric, tuple(numeric_units)
        self._rows = rows_by_vocabulary(self.inputs)
        self._histories = aligned_steps(self.inputs)
        self._targets = targets(self.inputs)
        self._values = tuple(spec for spec in self.inputs if spec.kind == "value")
        self.numeric_token = None
        if numeric == "mlp" and self._values:
            self.numeric_token = NumericToken(self.width, self.num_sets, self.numeric_units)

    @property
    def field_names(self) -> tuple[str, ...]:
        """Names of the tokens in their order: those of the inputs, `numeric` for their MLP's."""
        if self.numeric_token is None:
            return tuple(spec.name for spec in self.inputs)
        return (*(spec.name for spec in self.inputs if spec.kind != "value"), "numeric")

    def token_of(self, name: str) -> int:
        """Position of the token that an input is in.

        Raises:
            ValueError: There is no such input.
        """
        if self.numeric_token is not None and name in [spec.name for spec in self._values]:
            name = "numeric"
        return self.field_names.index(name)

    @property
    def signature(self) -> dict[str, tf.TensorSpec]:
        """Shape and dtype of every input tensor, batch size unknown."""
        return {spec.name: tensor_spec(spec) for spec in self.inputs}

    @property
    def vocabularies(self) -> tuple[str, ...]:
        """Names of the vocabularies, in the order of their rows."""
        return tuple(self._rows)

    def set_columns(self, table_set: int) -> slice:
        """The columns of `table` that hold a table set's embeddings."""
        return slice(table_set * self.width, (table_set + 1) * self.width)

    def table_rows(self, vocabulary: str) -> tuple[int, int]:
        """The rows [start, stop) of `table` that hold a vocabulary."""
        return self._rows[vocabulary]

    def regularization(self) -> tf.Tensor:
        """l2 / 2 x the sum of squares of all rows, read by the batch or not; float32 scalar."""
        if not self._rows:
            return tf.zeros([])
        return self.l2 * tf.nn.l2_loss(tf.convert_to_tensor(self.table))

    def build(self, input_shape=None) -> None:
        columns = self.num_sets * self.width + len(self.first_order)

        def weight(name: str, shape: tuple[int, int], stddev: float) -> tf.Variable:
            initializer = tf_keras.initializers.RandomNormal(stddev=stddev)
            return self.add_weight(name, shape=shape, initializer=initializer)

        if self._rows:
            num_rows = max(stop for _, stop in self._rows.values())
            self.table = weight("table", (num_rows, columns), self.stddev)
        self.projections = {}  # by input name: (1, columns) of a value, (dimension, columns)
        for spec in self.inputs:
            if spec.kind == "vector" or (spec.kind == "value" and self.numeric_token is None):
                fan_in = spec.dimension if spec.kind == "vector" else 1
                stddev = math.sqrt(2.0 / (fan_in + self.width))  # Glorot, of one set
                self.projections[spec.name] = weight(
                    f"{spec.name}/kernel", (fan_in, columns), stddev
                )
        if self.numeric_token is not None and self.first_order:
            self.numeric_first_order = weight(
                "numeric/first_order", (len(self._values), len(self.first_order)), self.stddev
            )
        super().build(input_shape)

    def call(self, features: dict[str, tf.Tensor]) -> tuple[Embedded, ...]:
        features = checked(self.name, self.signature, features)
        ids, parts = self._look_up(features)
        steps, tokens, non_sequence = {}, [], []  # all with the columns of every table set
        for specs in runs(self.inputs):
            if specs[0].kind == "id":
                tokens.append(next(parts))
            elif specs[0].kind in ("ids", "steps"):
                (spec,) = specs
                valid = tf.cast(ids[spec.name] != 0, tf.float32)[:, :, tf.newaxis]
                steps[spec.name] = next(parts) * valid
                count = tf.maximum(tf.reduce_sum(valid, axis=1, keepdims=True), 1.0)
                tokens.append(tf.reduce_sum(steps[spec.name], axis=1, keepdims=True) / count)
            elif specs[0].name in self.projections:
                (spec,) = specs
                received = features[spec.name]
                values = received[:, tf.newaxis] if spec.kind == "value" else received
                tokens.append((values @ self.projections[spec.name])[:, tf.newaxis, :])
            else:
                continue  # the numeric token stands for it
            if specs[0].kind != "steps":
                non_sequence.append(tokens[-1])
        batch = tf.shape(features[self.inputs[0].name])[0]
        everything = self._split(tokens, batch)
        without_sequences = self._split(non_sequence, batch)
        step_sets = {name: self._split([each], batch) for name, each in steps.items()}
        first_order = dict(zip(self.first_order, everything[self.num_sets :], strict=True))
        token_sets = list(everything[: self.num_sets])
        plain_sets = list(without_sequences[: self.num_sets])
        if self.numeric_token is not None:
            values = tf.stack([features[spec.name] for spec in self._values], axis=1)  # (B, V)
            for m, token in enumerate(self.numeric_token(values)):
                token_sets[m] = tf.concat([token_sets[m], token], axis=1)
                plain_sets[m] = tf.concat([plain_sets[m], token], axis=1)
            for k, m in enumerate(self.first_order):
                linear = values * self.numeric_first_order[:, k]  # (B, V)
                first_order[m] = tf.concat([first_order[m], linear[:, :, tf.newaxis]], axis=1)
        nothing = tf.zeros_like(token_sets[0][:, :0, :1])
        return tuple(
            Embedded(
                token_sets[m],  # (B, F, width)
                plain_sets[m],
                self._histories_of(m, ids, step_sets, token_sets[m]),
                tf.squeeze(first_order.get(m, nothing), axis=2),
            )
            for m in range(self.num_sets)
        )

    def _split(self, parts: Sequence[tf.Tensor], batch: tf.Tensor) -> list[tf.Tensor]:
        """Parts (B, k, columns) side by side, then apart by table set, first orders behind."""
        sizes = [self.width] * self.num_sets + [1] * len(self.first_order)
        none = tf.zeros((batch, 0, sum(sizes)))
        return tf.split(tf.concat(parts, axis=1) if parts else none, sizes, axis=-1)

    def _histories_of(self, table_set, ids, step_sets, tokens) -> dict[str, History]:
        return {
            history: history_view(
                {name: ids[name] for name in names},
                {name: step_sets[name][table_set] for name in names},
                {
                    name: tokens[:, self.token_of(self._targets[name])]
                    for name in names
                    if name in self._targets
                },
                tokens,
            )
            for history, names in self._histories.items()
        }

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "inputs": [spec.to_dict() for spec in self.inputs],
            "width": self.width,
            "num_sets": self.num_sets,
            "stddev": self.stddev,
            "l2": self.l2,
            "first_order": list(self.first_order),
            "numeric": self.numeric,
            "numeric_units": list(self.numeric_units),
        }

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
        sizes = [
            len(run) if run[0].kind == "id" else run[0].length
            for run in runs(self.inputs)
            if run[0].kind in ID_KINDS
        ]
        return ids, iter(tf.split(tf.gather(self.table, row), sizes, axis=1))
