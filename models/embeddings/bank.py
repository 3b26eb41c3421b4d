"""The embedding bank: what branches see of a batch, all tables read once."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras

from features.inputs import InputSpec
from features.scope_name import scope_name
from models.embeddings.bank_tables import BankTables, LookedUp
from models.embeddings.broadcast import given_once, repeated, side_by_side
from models.embeddings.embedded import Embedded, History, history_view
from models.embeddings.embedding_inputs import ID_KINDS, checked_tensors
from models.embeddings.embedding_layout import EmbeddingLayout
from models.embeddings.numeric_embedding import NumericEmbedding
from models.embeddings.numeric_encoding import periodic, piecewise_linear
from models.embeddings.row_slots import RowSlots
from models.embeddings.row_table import Initializer, ReadRows, RowTable, row_penalty


class _FieldEmbeddings(NamedTuple):
    """The embedding of every field, the numeric inputs' common one left out.

    all: For each run of inputs, (B, k, columns of every embedding set); B is 1 for what is given
        once.
    non_sequence: Those of the inputs that are no sequences.
    steps: By sequence, (B, length, columns), 0 where padded.
    """

    all: list[tf.Tensor]
    non_sequence: list[tf.Tensor]
    steps: dict[str, tf.Tensor]


@tf_keras.utils.register_keras_serializable(package="concord")
class EmbeddingBank(tf_keras.layers.Layer):
    """Embeds every input, from a table that holds all vocabularies below each other.

    | input kind | its field embedding |
    |---|---|
    | `categorical` | its row; id 0 (missing) has a row like any other |
    | `multivalued`, `sequence` | mean of the rows of the ids that are not 0; zeros without any |
    | `numeric` | value x a learned vector (FuxiCTR's convention); see `EmbeddingLayout.numeric` |
    | `numeric` with `pieces` | a learned piecewise-linear function of the value |
    | `dense` | a learned linear projection, no bias |
    | ids of `EmbeddingLayout.given` | as above, each vector under the input's own projection |

    Rows ~ N(0, stddev); vectors and projections Glorot normal (`docs/model_equations.md` section 0,
    after reczoo/FuxiCTR@0245987). Inputs that name the same vocabulary share its rows. With
    several sets, set m is columns [m x embedding_dim, (m + 1) x embedding_dim) of every row, or as
    many as `EmbeddingLayout.set_dims` gives it: the
    mathematics of `num_sets` separate tables at the price of one lookup. Behind them stands a
    column of first-order weights for each set that asks for one. Vocabularies with rows of another
    embedding dimension lie in a table of their own and are projected (`BankTables`); those whose
    ids share rows are described by `Storage`.

    Outside of training, features may have a batch of 1 beside others of N, as one user beside N
    candidates: they are looked up and pooled broadcast, and their field embeddings then repeated N
    times. The batch of 1 must be known from the tensor's shape.

    An id outside its vocabulary never reads another vocabulary's row: the lookup fails on a CPU
    (`indices[..] = -1`), and reads zeros on a GPU, where TensorFlow does not check indices. Under
    XLA, which clamps indices, it reads row 0.

    Example:
        >>> from features.inputs import InputSpec
        >>> inputs = [InputSpec("city", "categorical", "city", 10)]
        >>> bank = EmbeddingBank(EmbeddingLayout(inputs, embedding_dim=4))
        >>> bank({"city": tf.constant([3, 0])})[0].field_embeddings.shape
        TensorShape([2, 1, 4])

    Args:
        layout: Inputs, embedding dimensions, embedding sets and tables.
        stddev: Standard deviation of the initial rows.
        l2: Factor of the regulariser over whole tables; see `regularization`.
        initializer: Distribution of the initial rows.
        l2_batch: Factor of the regulariser over the rows that a batch reads, each once.
        slots: State of an optimizer behind the weights of every row; None for none.
        frequency_stddev: Standard deviation of the initial frequencies of `periodic` inputs, which
            are scaled numbers: the first ones are as good as linear where it is small.

    Call arguments:
        features: Tensors by input name, shaped and typed as `InputSpec` says; others are ignored.
        return_read: Whether to return the rows that were read too, a `ReadRows` for each table
            in training.

    Returns:
        A tuple of `num_sets` `Embedded`; with `return_read`, that and a list.
    """

    def __init__(
        self,
        layout: EmbeddingLayout,
        stddev: float = 1e-4,
        l2: float = 0.0,
        initializer: Initializer = "normal",
        l2_batch: float = 0.0,
        slots: RowSlots | Sequence[float] | None = None,
        frequency_stddev: float = 0.1,
        **kwargs,
    ):
        # float32 under mixed precision too: branches cast what they read, rows stay exact.
        super().__init__(**{"dtype": "float32", **kwargs})
        numbers = (stddev, l2, l2_batch, frequency_stddev)
        if not all(number >= 0.0 for number in numbers):  # also catches nan
            raise ValueError(
                "EmbeddingBank: `stddev`, `l2`, `l2_batch` and `frequency_stddev` must be >= 0. "
                f"Received: stddev={stddev}, l2={l2}, l2_batch={l2_batch}, "
                f"frequency_stddev={frequency_stddev}."
            )
        self.layout = layout
        self.stddev, self.initializer = float(stddev), initializer
        self.l2, self.l2_batch = float(l2), float(l2_batch)
        self.frequency_stddev = float(frequency_stddev)
        self.rows = BankTables(layout, slots, self.stddev, initializer, name="rows")
        # Not `numeric_embedding`: weights of finished runs lie under this name.
        self.numeric_token = None
        if layout.joins_numeric:
            self.numeric_token = NumericEmbedding(
                layout.embedding_dim,
                layout.num_sets,
                layout.numeric_units,
                layout.set_dims or None,
                name="numeric_token",
            )

    @property
    def tables(self) -> list[RowTable]:
        """The tables: one for each embedding dimension of rows."""
        return self.rows.tables

    def rows_of(self, vocabulary: str, embedding_set: int) -> tf.Tensor:
        """A vocabulary's rows of one embedding set as they are stored, (rows, embedding_dim)."""
        place = self.layout.places[vocabulary]
        columns = self.layout.set_columns(embedding_set, place.embedding_dim)
        return self.tables[place.table].weights_between(
            place.start, place.stop, slice(columns.start, columns.stop)
        )

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
            squares = [row_penalty(rows) for rows in read]
            penalty += 0.5 * self.l2_batch * tf.add_n(squares or [tf.zeros([])])
        return penalty

    def build(self, input_shape: Any = None) -> None:
        layout = self.layout

        def weight(name: str, shape: tuple[int, int], stddev: float) -> tf.Variable:
            initializer = tf_keras.initializers.RandomNormal(stddev=stddev)
            return self.add_weight(name, shape=shape, initializer=initializer)

        self.rows.build(())
        self.projections = {}  # by input name: (1, columns) of a value, (dimension, columns)
        self.frequencies = {}  # by input name: (num_sets, num_frequencies)
        for spec in layout.projected:
            if layout.is_periodic(spec):
                shape = (layout.num_sets, layout.num_frequencies)
                name = f"{scope_name(spec.name)}/frequencies"
                self.frequencies[spec.name] = weight(name, shape, self.frequency_stddev)
            fan_in = layout.projected_length(spec)
            stddev = math.sqrt(2.0 / (fan_in + layout.embedding_dim))  # Glorot, of one set
            shape = (fan_in, sum(layout.segments))
            self.projections[spec.name] = weight(f"{scope_name(spec.name)}/kernel", shape, stddev)
        self.given = {
            vocabulary: self.add_weight(
                f"{scope_name(vocabulary)}/given", shape=shape, initializer="zeros", trainable=False
            )
            for vocabulary, shape in layout.given_sizes.items()
        }
        if layout.joins_numeric and layout.first_order:
            shape = (len(layout.numeric_inputs), len(layout.first_order))
            self.numeric_first_order = weight("numeric/first_order", shape, self.stddev)
        super().build(input_shape)

    def call(
        self,
        features: dict[str, tf.Tensor],
        training: bool | None = None,
        return_read: bool = False,
    ) -> tuple[Embedded, ...] | tuple[tuple[Embedded, ...], list[ReadRows]]:
        sequences = [spec.name for spec in self.layout.inputs if spec.kind == "sequence"]
        features = checked_tensors(self.name, self.layout.signature, features, sequences)
        broadcast = given_once(features)
        if broadcast and training:
            raise ValueError(
                f"{self.name}: in training all inputs must have one batch. Received a batch of 1 "
                f"for {', '.join(sorted(broadcast))} beside others. Repeat them."
            )
        looked_up = self.rows(features, training=training, broadcast=broadcast)
        for spec in filter(self.layout.is_given, self.layout.inputs):
            ids = features[spec.name]
            looked_up.ids[spec.name] = ids[:, tf.newaxis] if spec.kind == "categorical" else ids
        fields = self._field_embeddings(features, looked_up, broadcast)
        views = self._views(features, looked_up.ids, fields, broadcast)
        return (views, looked_up.read) if return_read else views

    def _field_embeddings(
        self, features: Mapping[str, tf.Tensor], looked_up: LookedUp, broadcast: Collection[str]
    ) -> _FieldEmbeddings:
        """Pools the rows of lists and sequences, and projects values and vectors."""
        rows_of_runs = iter(looked_up.rows)
        fields = _FieldEmbeddings([], [], {})
        for first, *_ in self.layout.runs(broadcast):
            if self.layout.is_given(first):
                vectors = tf.nn.embedding_lookup(
                    self.given[str(first.vocabulary)], looked_up.ids[first.name]
                )
                rows = vectors @ self.projections[first.name]  # (B, k, columns)
            elif first.kind in ID_KINDS:
                rows = next(rows_of_runs)  # (B, 1 + others, columns)
            if first.kind == "categorical":
                embedding = rows
            elif first.kind in ("multivalued", "sequence"):
                valid = tf.cast(looked_up.ids[first.name] != 0, tf.float32)[:, :, tf.newaxis]
                steps = rows * valid
                count = tf.maximum(tf.reduce_sum(valid, axis=1, keepdims=True), 1.0)
                embedding = tf.reduce_sum(steps, axis=1, keepdims=True) / count
                if first.kind == "sequence":
                    fields.steps[first.name] = steps
            elif first.name in self.projections:
                embedding = self._projected(first, features[first.name])[:, tf.newaxis, :]
            else:
                continue  # the one of all numeric inputs stands for it
            fields.all.append(embedding)
            if first.kind != "sequence":
                fields.non_sequence.append(embedding)
        return fields

    def _projected(self, spec: InputSpec, values: tf.Tensor) -> tf.Tensor:
        """The columns of all embedding sets, and first-order ones, of a number or vector."""
        kernel, layout = self.projections[spec.name], self.layout
        if spec.kind == "dense":
            return values @ kernel
        if spec.pieces:
            return piecewise_linear(values, spec.pieces) @ kernel
        if not layout.is_periodic(spec):
            return values[:, tf.newaxis] @ kernel
        of_sets = tf.unstack(periodic(values, self.frequencies[spec.name]), axis=1)
        sets = (*range(layout.num_sets), *layout.first_order)
        kernels = tf.split(kernel, layout.segments, axis=1)
        return tf.concat([of_sets[m] @ own for m, own in zip(sets, kernels, strict=True)], axis=1)

    def _views(
        self,
        features: Mapping[str, tf.Tensor],
        ids: Mapping[str, tf.Tensor],
        fields: _FieldEmbeddings,
        broadcast: Collection[str],
    ) -> tuple[Embedded, ...]:
        """Each embedding set's columns of everything, and the numeric inputs' common embedding."""
        layout = self.layout
        batch = tf.shape(next(x for name, x in features.items() if name not in broadcast))[0]
        columns = self._split(fields.all, batch, broadcast)
        embeddings, linear = columns[: layout.num_sets], columns[layout.num_sets :]
        non_sequence = self._split(fields.non_sequence, batch, broadcast)[: layout.num_sets]
        steps = {name: self._split([x], batch, broadcast) for name, x in fields.steps.items()}
        if self.numeric_token is not None:
            values = [features[spec.name] for spec in layout.numeric_inputs]
            values = tf.stack([repeated(x, batch) for x in values] if broadcast else values, axis=1)
            for m, embedding in enumerate(self.numeric_token(self._joined(values))):
                embeddings[m] = tf.concat([embeddings[m], embedding], axis=1)
                non_sequence[m] = tf.concat([non_sequence[m], embedding], axis=1)
            for k in range(len(layout.first_order)):
                numeric = values * self.numeric_first_order[:, k]  # (B, V)
                linear[k] = tf.concat([linear[k], numeric[:, :, tf.newaxis]], axis=1)
        if broadcast:
            ids = {name: repeated(ids[name], batch) for name in steps}
        first_order = dict(zip(layout.first_order, linear, strict=True))
        nothing = tf.zeros_like(embeddings[0][:, :0, :1])
        return tuple(
            Embedded(
                embeddings[m],  # (B, F, embedding_dim)
                non_sequence[m],
                self._histories(ids, {name: x[m] for name, x in steps.items()}, embeddings[m]),
                tf.squeeze(first_order.get(m, nothing), axis=2),
            )
            for m in range(layout.num_sets)
        )

    def _joined(self, values: tf.Tensor) -> tf.Tensor:
        """What the one MLP of all numeric inputs reads of their values (batch, inputs)."""
        specs = self.layout.numeric_inputs
        if not any(spec.pieces for spec in specs):
            return values
        columns = zip(specs, tf.unstack(values, axis=1), strict=True)
        parts = [
            piecewise_linear(x, spec.pieces) if spec.pieces else x[:, tf.newaxis]
            for spec, x in columns
        ]
        return tf.concat(parts, axis=1)

    def _split(
        self, parts: Sequence[tf.Tensor], batch: tf.Tensor, broadcast: Collection[str]
    ) -> list[tf.Tensor]:
        """Parts (B or 1, k, columns) joined, then split by embedding set, first orders behind."""
        sizes = self.layout.segments
        if not parts:
            parts = [tf.zeros((batch, 0, sum(sizes)))]
        joined = side_by_side(parts, batch) if broadcast else tf.concat(parts, axis=1)
        return tf.split(joined, sizes, axis=-1)

    def _histories(
        self,
        ids: Mapping[str, tf.Tensor],
        steps: Mapping[str, tf.Tensor],
        field_embeddings: tf.Tensor,
    ) -> dict[str, History]:
        """The histories as one embedding set sees them."""
        layout = self.layout
        return {
            history: history_view(
                {name: ids[name] for name in names},
                {name: steps[name] for name in names},
                {
                    name: field_embeddings[:, layout.position_of(layout.targets[name])]
                    for name in names
                    if name in layout.targets
                },
                field_embeddings,
            )
            for history, names in layout.histories.items()
        }

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "layout": self.layout.to_dict(),
            "stddev": self.stddev,
            "l2": self.l2,
            "initializer": self.initializer,
            "l2_batch": self.l2_batch,
            "slots": list(self.rows.slots),
            "frequency_stddev": self.frequency_stddev,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "EmbeddingBank":
        return cls(**{**config, "layout": EmbeddingLayout.from_dict(config["layout"])})
