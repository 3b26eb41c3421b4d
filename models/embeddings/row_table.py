"""One embedding table: rows that are read once per batch, with their optimizer's state."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, get_args

import tensorflow as tf
import tf_keras

from models.choices import Initializer
from models.embeddings.embedding_layout import TableLayout
from models.embeddings.row_slots import RowSlots, TableRows, mark_table, table_rows
from models.replicas import replicas_with_row

_CHUNK = 2**24  # numbers that are drawn at a time


class ReadRows(NamedTuple):
    """The rows that a batch read.

    rows: int32 (U,), every row once.
    weights: float32 (U, columns).
    whole: float32 (U, columns + state), the rows as they are stored.
    """

    rows: tf.Tensor
    weights: tf.Tensor
    whole: tf.Tensor


@tf_keras.utils.register_keras_serializable(package="concord")
class RowTable(tf_keras.layers.Layer):
    """Rows of weights, read by number as float32.

    In training, the rows that a batch names are gathered once each, and then spread over the
    places that name them; so the table's gradient is an `IndexedSlices` without duplicates, whose
    values an optimizer of rows can use as they are.

    With `slots`, a row holds its weights and behind them the optimizer's state, so that an
    optimizer such as `LazyAdam` moves a row by one gather and one scatter. The gradient is then 0
    in the columns of the state; `weight_gradient` cuts them off.

    A row number of -1, or beyond the table, fails on a CPU; TensorFlow does not check it on a GPU
    and gives zeros.

    Args:
        layout: Rows and columns of the table.
        slots: State of the optimizer behind the weights; None for none.
        stddev: Standard deviation of the initial weights.
        initializer: Distribution of the initial weights.

    Call arguments:
        rows: int32 (...).

    Returns:
        float32 (..., columns).
    """

    def __init__(
        self,
        layout: TableLayout,
        slots: RowSlots | Sequence[float] | None = None,
        stddev: float = 1e-4,
        initializer: Initializer = "normal",
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        if initializer not in get_args(Initializer):
            raise ValueError(
                f"RowTable: `initializer` must be one of {', '.join(get_args(Initializer))}. "
                f"Received: initializer={initializer!r}."
            )
        self.layout = layout
        self.slots = RowSlots(*slots) if slots is not None else RowSlots()
        self.stddev, self.initializer = float(stddev), initializer

    @property
    def state_columns(self) -> int:
        """Columns of the optimizer's state in a row."""
        return self.slots.columns(self.layout.segments)

    @property
    def is_sharded(self) -> bool:
        """Whether parameter servers hold parts of it."""
        return hasattr(self.table, "variables")

    def build(self, input_shape: Any = None) -> None:
        self._create(self._initial, self.slots)
        if self._is_large and not self.is_sharded and tf.executing_eagerly():
            self._draw_in_place()
        super().build(input_shape)

    def call(self, rows: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        return self.look_up(rows, training)[0]

    def look_up(
        self, rows: tf.Tensor, training: bool | None = None
    ) -> tuple[tf.Tensor, ReadRows | None]:
        """As `call`, and which rows were read; None where they were not told apart."""
        if not training:
            read = tf.nn.embedding_lookup(self.table, rows)[..., : self.layout.columns]
            return tf.cast(read, tf.float32), None  # where it is stored in fewer bits
        unique, index = tf.unique(tf.reshape(rows, (-1,)))
        whole = tf.nn.embedding_lookup(self.table, unique)  # (U, columns and state)
        weights = whole[:, : self.layout.columns]
        spread = _spread(weights, index)
        values = tf.reshape(spread, tf.concat([tf.shape(rows), [self.layout.columns]], axis=0))
        return tf.ensure_shape(values, (*rows.shape, self.layout.columns)), ReadRows(
            unique, weights, whole
        )

    def weights_between(self, start: int, stop: int, columns: slice) -> tf.Tensor:
        """The weights of rows [start, stop) in some columns, (stop - start, columns)."""
        # A lookup: reading a variable that was scattered into copies all of it.
        rows = tf.nn.embedding_lookup(self.table, tf.range(start, stop))
        return rows[:, : self.layout.columns][:, columns]

    def sum_of_squares(self) -> tf.Tensor:
        """Over all weights of the table; its gradient is as large as the table."""
        return 2.0 * tf.nn.l2_loss(tf.convert_to_tensor(self.table)[:, : self.layout.columns])

    def drop_slots(self) -> None:
        """Keeps the weights only, as scoring and exports need them."""
        if not self.state_columns:
            return
        weights = tf.convert_to_tensor(self.table)[:, : self.layout.columns]
        del self.table
        self._create(lambda *_, **__: weights, RowSlots())
        self.slots = RowSlots()

    def store_as(self, dtype: tf.DType) -> None:
        """Stores the weights in another type, for scoring alone; what is read stays float32.

        The optimizer's state is gone after that, and the table can no longer be trained.

        Args:
            dtype: tf.bfloat16 or tf.float16.

        Raises:
            ValueError: A weight is beyond what the type can hold. The table is as it was then.
        """
        stored = tf.cast(tf.convert_to_tensor(self.table)[:, : self.layout.columns], dtype)
        beyond = tf.reduce_sum(tf.cast(tf.math.is_inf(stored), tf.int64))
        if beyond > 0:
            raise ValueError(
                f"{self.name}: {int(beyond):,} weights are larger than {dtype.name} can hold, "
                f"{float(dtype.max):,.0f}. Received: table of shape {tuple(self.table.shape)}."
            )
        del self.table
        self.slots = RowSlots()
        self._create(lambda *_, **__: stored, self.slots, dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "layout": self.layout.to_dict(),
            "slots": list(self.slots),
            "stddev": self.stddev,
            "initializer": self.initializer,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "RowTable":
        return cls(**{**config, "layout": TableLayout(**config["layout"])})

    def _create(
        self, initializer: Callable[..., tf.Tensor], slots: RowSlots, dtype: tf.DType = tf.float32
    ) -> None:
        rows = TableRows(tuple(self.layout.segments), slots)
        self.table = self.add_weight(
            f"{self.name}/table",
            shape=(self.layout.num_rows, rows.columns),
            dtype=dtype,
            initializer=initializer,
        )
        mark_table(self.table, rows)

    def _initial(
        self,
        shape: Sequence[int],
        dtype: tf.DType | None = None,
        partition_shape: Sequence[int] | None = None,
        partition_offset: Sequence[int] | None = None,
        **_,
    ) -> tf.Tensor:
        """Weights, state behind them; of one shard where a parameter server asks for it."""
        rows = (partition_shape or shape)[0]
        first = partition_offset[0] if partition_offset else 0
        if partition_shape is None and self._is_large and tf.executing_eagerly():
            return tf.fill((rows, shape[1]), self.slots.initial)  # `build` draws what stands before
        return self._with_state(self._drawn(first, rows))

    @property
    def _is_large(self) -> bool:
        return self.layout.num_rows * self.layout.columns > _CHUNK

    def _draw_in_place(self) -> None:
        """Draws the weights chunk by chunk into the variable: all at once, what is drawn and the
        whole rows would lie in memory together.
        """
        columns = self.layout.columns
        step = max(1, _CHUNK // columns)
        for first in range(0, self.layout.num_rows, step):
            rows = min(step, self.layout.num_rows - first)
            drawn = self._drawn(first, rows)
            for copy in tf.distribute.get_strategy().experimental_local_results(self.table):
                tf.raw_ops.ResourceStridedSliceAssign(
                    ref=copy.handle,
                    begin=(first, 0),
                    end=(first + rows, columns),
                    strides=(1, 1),
                    value=drawn,
                )

    def _with_state(self, drawn: tf.Tensor) -> tf.Tensor:
        state = [[0, 0], [0, self.state_columns]]
        return tf.pad(drawn, state, constant_values=self.slots.initial)

    def _drawn(self, first: int, rows: int) -> tf.Tensor:
        """Weights of some rows."""
        drawn = _draw(self.initializer, (rows, self.layout.columns), self.stddev)
        for start, stop in self.layout.around_one:
            inside = tf.range(first, first + rows)
            drawn += tf.cast((inside >= start) & (inside < stop), drawn.dtype)[:, tf.newaxis]
        return drawn


def weight_gradient(gradient: Any, variable: tf.Variable) -> Any:
    """A gradient without the columns that hold an optimizer's state, where a row has some."""
    rows = table_rows(variable)
    if gradient is None or rows is None or rows.columns == rows.weights:
        return gradient
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient[:, : rows.weights]
    return tf.IndexedSlices(gradient.values[:, : rows.weights], gradient.indices)


def row_penalty(read: ReadRows) -> tf.Tensor:
    """This replica's share of the sum of squares of the rows that the global batch read.

    A row that several replicas read counts once.
    """
    squares = tf.reduce_sum(tf.square(read.weights), axis=1)  # (U,)
    return tf.reduce_sum(squares / tf.cast(replicas_with_row(read.rows), squares.dtype))


@tf.custom_gradient
def _spread(weights: tf.Tensor, index: tf.Tensor):
    """Row index[i] of the weights at place i."""

    def gradient(upstream: tf.Tensor):
        # Dense, (U, columns): tf.gather's own would leave the sum over places to others.
        with tf.name_scope("tables"):  # where `pipeline.training.step_time` counts it
            return tf.math.unsorted_segment_sum(upstream, index, tf.shape(weights)[0]), None

    return tf.gather(weights, index), gradient


def _draw(initializer: str, shape: tuple[int, int], stddev: float) -> tf.Tensor:
    initializers = tf_keras.initializers
    if initializer == "uniform":
        limit = stddev * 3.0**0.5
        return initializers.RandomUniform(-limit, limit)(shape)
    if initializer == "truncated_normal":
        return initializers.TruncatedNormal(stddev=stddev)(shape)
    return initializers.RandomNormal(stddev=stddev)(shape)
