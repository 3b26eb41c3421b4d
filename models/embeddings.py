"""The embedding bank: what branches see of a batch, all tables read once."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, get_args

import tensorflow as tf
import tf_keras

from features.inputs import InputSpec
from models.bank_tables import BankTables
from models.embedded import Embedded, History, history_view
from models.given_once import given_once, repeated, side_by_side
from models.numeric_token import NumericToken
from models.optimizers.rows import RowSlots
from models.row_table import Initializer, ReadRows, RowTable, row_penalty
from models.table_layout import (
    Place,
    aligned_steps,
    as_specs,
    checked,
    targets,
    tensor_spec,
)

Numeric = Literal["each", "mlp"]


@tf_keras.utils.register_keras_serializable(package="concord")
class EmbeddingBank(tf_keras.layers.Layer):
    """Embeds every input, from a table that holds all vocabularies below each other.

    | input kind | its token |
    |---|---|
    | `id` | its row; id 0 (missing) has a row like any other |
    | `ids`, `steps` | mean of the rows of the ids that are not 0; zeros where there are none |
    | `value` | value x a learned vector (FuxiCTR's convention); or see `numeric` |
    | `vector` | a learned linear projection, no bias |

    Rows ~ N(0, stddev); vectors and projections Glorot normal (`docs/model_equations.md` section 0,
    after reczoo/FuxiCTR@0245987). Inputs that name the same vocabulary share its rows. With
    several sets, set m is columns [m x width, (m + 1) x width) of every row: the mathematics of
    `num_sets` separate tables at the price of one lookup. Behind them stands a column of
    first-order weights for each set that asks for one. Vocabularies with rows of another width
    lie in a table of their own and are projected to tokens (`BankTables`); those whose ids share
    rows are described by `Storage`.

    Outside of training, features may have a batch of 1 beside others of N, as one user beside N
    candidates: they are looked up and pooled once, and their tokens then repeated N times. The
    batch of 1 must be known from the tensor's shape.

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
        initializer: Their distribution.
        l2: Factor of the regulariser over whole tables; see `regularization`.
        l2_batch: Factor of the regulariser over the rows that a batch reads, each once.
        widths: By vocabulary, the width of its rows, where it is not that of a token.
        compressed: By vocabulary, options of `Storage`: `{"type": "hashed", "rows": 1000}`.
        slots: State of an optimizer behind the weights of every row; None for none.
        first_order: Table sets that have first-order weights too.
        numeric: What becomes of `value` inputs: `each` has a token of its own; `mlp` makes one
            token, the last, of all of them, by an MLP of each table set's own (CETNet, DHEN,
            Wukong: "dense features").
        numeric_units: Hidden layers of that MLP; none makes it one linear layer.

    Call arguments:
        features: Tensors by input name, shaped and typed as `InputSpec` says; others are ignored.
        return_read: Whether to return the rows that were read too, a `ReadRows` for each table
            in training.

    Returns:
        A tuple of `num_sets` `Embedded`; with `return_read`, that and a list.
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
        initializer: Initializer = "normal",
        l2_batch: float = 0.0,
        widths: Mapping[str, int] | None = None,
        compressed: Mapping[str, Mapping[str, Any]] | None = None,
        slots: RowSlots | Sequence[float] | None = None,
        **kwargs,
    ):
        # float32 under mixed precision too: branches cast what they read, rows stay exact.
        super().__init__(**{"dtype": "float32", **kwargs})
        widths = dict(widths or {})
        if min([width, num_sets, *widths.values()]) < 1 or not min(stddev, l2, l2_batch) >= 0.0:
            raise ValueError(
                "EmbeddingBank: `width`, `widths` and `num_sets` must be >= 1, `stddev`, `l2` and "
                f"`l2_batch` >= 0. Received: width={width}, widths={widths}, num_sets={num_sets}, "
                f"stddev={stddev}, l2={l2}, l2_batch={l2_batch}."
            )
        if not set(first_order) <= set(range(num_sets)) or numeric not in get_args(Numeric):
            raise ValueError(
                f"EmbeddingBank: `first_order` must name table sets below num_sets={num_sets}, "
                f"`numeric` one of {', '.join(get_args(Numeric))}. "
                f"Received: first_order={list(first_order)}, numeric={numeric!r}."
            )
        self.inputs = as_specs(inputs)
        self.width, self.num_sets = int(width), int(num_sets)
        self.stddev, self.l2 = float(stddev), float(l2)
        self.first_order = tuple(sorted(set(first_order)))
        self.numeric, self.numeric_units = numeric, tuple(numeric_units)
        self.l2_batch, self.initializer = float(l2_batch), initializer
        self.widths = widths
        self.compressed = {name: dict(each) for name, each in (compressed or {}).items()}
        self.rows = BankTables(
            self.inputs,
            self.width,
            self.num_sets,
            len(self.first_order),
            self.widths,
            self.compressed,
            slots,
            self.stddev,
            initializer,
            name="rows",
        )
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
    def places(self) -> dict[str, Place]:
        """Where each vocabulary lies in `tables`, in the order of appearance."""
        return self.rows.places

    @property
    def tables(self) -> list[RowTable]:
        """The tables: one for each width of a row."""
        return self.rows.tables

    def rows_of(self, vocabulary: str, table_set: int) -> tf.Tensor:
        """A vocabulary's rows of one table set as they are stored, (rows, width of a row)."""
        place = self.places[vocabulary]
        columns = slice(table_set * place.width, (table_set + 1) * place.width)
        return self.tables[place.table].weights_between(place.start, place.stop, columns)

    def drop_slots(self) -> None:
        """Lets go of the optimizer's state in the rows, which scoring and exports do not need."""
        self.rows.drop_slots()

    def regularization(self, read: Sequence[ReadRows] = ()) -> tf.Tensor:
        """This replica's share of the penalty on embedding rows; float32 scalar.

        l2 / 2 x the sum of squares of all rows, and l2_batch / 2 x that of the rows that the
        global batch read, each once. (FuxiCTR's is the first, reczoo/FuxiCTR@0245987.)

        Args:
            read: What `call` returned in training; outside of it `l2_batch` has no effect.
        """
        penalty = tf.zeros([])
        if self.l2:
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            squares = [table.sum_of_squares() for table in self.tables]
            penalty += 0.5 * self.l2 / replicas * tf.add_n(squares or [tf.zeros([])])
        if self.l2_batch:
            squares = [row_penalty(each) for each in read]
            penalty += 0.5 * self.l2_batch * tf.add_n(squares or [tf.zeros([])])
        return penalty

    def build(self, input_shape=None) -> None:
        columns = self.num_sets * self.width + len(self.first_order)

        def weight(name: str, shape: tuple[int, int], stddev: float) -> tf.Variable:
            initializer = tf_keras.initializers.RandomNormal(stddev=stddev)
            return self.add_weight(name, shape=shape, initializer=initializer)

        self.rows.build(())
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

    def call(
        self,
        features: dict[str, tf.Tensor],
        training: bool | None = None,
        return_read: bool = False,
    ) -> tuple[Embedded, ...] | tuple[tuple[Embedded, ...], list[ReadRows]]:
        features = checked(self.name, self.signature, features)
        once = given_once(features)
        if once and training:
            raise ValueError(
                f"{self.name}: in training all inputs must have one batch. Received a batch of 1 "
                f"for {', '.join(sorted(once))} beside others. Repeat them."
            )
        batch = tf.shape(next(x for name, x in features.items() if name not in once))[0]
        ids, rows, read = self.rows(features, training=training, once=once)
        parts = iter(rows)
        steps, tokens, non_sequence = {}, [], []  # all with the columns of every table set
        for specs in self.rows.runs(once):
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
        everything = self._split(tokens, batch, once)
        without_sequences = self._split(non_sequence, batch, once)
        step_sets = {name: self._split([each], batch, once) for name, each in steps.items()}
        first_order = dict(zip(self.first_order, everything[self.num_sets :], strict=True))
        token_sets = list(everything[: self.num_sets])
        plain_sets = list(without_sequences[: self.num_sets])
        if self.numeric_token is not None:
            values = [features[spec.name] for spec in self._values]
            if once:
                values = [repeated(each, batch) for each in values]
            values = tf.stack(values, axis=1)  # (B, V)
            for m, token in enumerate(self.numeric_token(values)):
                token_sets[m] = tf.concat([token_sets[m], token], axis=1)
                plain_sets[m] = tf.concat([plain_sets[m], token], axis=1)
            for k, m in enumerate(self.first_order):
                linear = values * self.numeric_first_order[:, k]  # (B, V)
                first_order[m] = tf.concat([first_order[m], linear[:, :, tf.newaxis]], axis=1)
        if once:
            ids = {name: repeated(ids[name], batch) for name in steps}
        nothing = tf.zeros_like(token_sets[0][:, :0, :1])
        tables = tuple(
            Embedded(
                token_sets[m],  # (B, F, width)
                plain_sets[m],
                self._histories_of(m, ids, step_sets, token_sets[m]),
                tf.squeeze(first_order.get(m, nothing), axis=2),
            )
            for m in range(self.num_sets)
        )
        return (tables, read) if return_read else tables

    def _split(
        self, parts: Sequence[tf.Tensor], batch: tf.Tensor, once: Collection[str]
    ) -> list[tf.Tensor]:
        """Parts (B or 1, k, columns) side by side, then apart by table set, first orders behind."""
        sizes = [self.width] * self.num_sets + [1] * len(self.first_order)
        if not parts:
            parts = [tf.zeros((batch, 0, sum(sizes)))]
        joined = side_by_side(parts, batch) if once else tf.concat(parts, axis=1)
        return tf.split(joined, sizes, axis=-1)

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
            "initializer": self.initializer,
            "l2_batch": self.l2_batch,
            "widths": dict(self.widths),
            "compressed": {name: dict(each) for name, each in self.compressed.items()},
            "slots": list(self.rows.slots),
        }
