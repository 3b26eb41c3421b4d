"""The optimizer of a network: tables by one rule, all other weights by another."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import tensorflow as tf
import tf_keras

from models.embeddings.row_slots import RowSlots, row_slots, table_rows
from models.optimizers.schedules import Schedule
from models.private_keras import OptimizerBase, adopt_iterations, inner_learning_rate, is_built

Optimizer: TypeAlias = tf_keras.optimizers.Optimizer
Gradient: TypeAlias = tf.Tensor | tf.IndexedSlices


@tf_keras.utils.register_keras_serializable(package="concord")
class NetworkOptimizer(OptimizerBase):
    """Moves marked tables (`mark_table`) by one optimizer and all other variables by another.

    Both count the same steps, and both follow one learning rate, which callbacks may set:

        rate of the dense weights = learning_rate x schedule(iterations)
        rate of the tables        = learning_rate x schedule(iterations) x tables_ratio

    Gradients are clipped by the norm of all of them together, after they were summed over
    replicas. Where several replicas read the same row, its gradients are added up before that.
    Rows of a table's gradient must be distinct within a replica, as `EmbeddingBank` gives them:
    on one replica nobody looks for repeated ones. Other sparse gradients may repeat rows.

    Example:
        >>> from models.optimizers import TableRows, mark_table
        >>> table, kernel = tf.Variable(tf.ones([3, 1])), tf.Variable([1.0])
        >>> mark_table(table, TableRows((1,)))
        >>> sgd = tf_keras.optimizers.SGD
        >>> optimizer = NetworkOptimizer(sgd(0.5), sgd(0.5), tables_ratio=0.5)
        >>> rows = tf.IndexedSlices(tf.constant([[1.0]]), tf.constant([2]), tf.constant([3, 1]))
        >>> _ = optimizer.apply_gradients([(rows, table), (tf.constant([1.0]), kernel)])
        >>> table.numpy().ravel().tolist(), kernel.numpy().tolist()
        ([1.0, 1.0, 0.75], [0.5])

    Args:
        dense: A tf_keras optimizer that nobody else uses; its learning rate, a number, is that
            which this one starts with.
        tables: Another optimizer, for the tables; its learning rate is replaced.
        schedule: Factor of the learning rate by the step; None for 1.
        global_clipnorm: Gradients are scaled down to this norm; None leaves them alone.
        tables_ratio: Learning rate of the tables to that of the dense weights.
        name: Name of the optimizer.
    """

    def __init__(
        self,
        dense: Optimizer,
        tables: Optimizer,
        schedule: Schedule | None = None,
        global_clipnorm: float | None = None,
        tables_ratio: float = 1.0,
        name: str = "NetworkOptimizer",
    ):
        if not tables_ratio > 0.0 or dense is tables:
            raise ValueError(
                "NetworkOptimizer: `tables_ratio` must be > 0, and `dense` and `tables` two "
                f"objects. Received: tables_ratio={tables_ratio}, dense={dense.name}, "
                f"tables={tables.name}. Make one optimizer for each."
            )
        for inner in (dense, tables):
            _check_inner(name, inner)
        rate = float(dense.learning_rate.numpy())
        super().__init__(rate, name, global_clipnorm=global_clipnorm)
        for inner in (dense, tables):
            adopt_iterations(inner, self.iterations)
        self._dense, self._tables = dense, tables
        self.schedule, self.tables_ratio = schedule, float(tables_ratio)

    @property
    def dense(self) -> Optimizer:
        """The optimizer of all variables but tables."""
        return self._dense

    @property
    def tables(self) -> Optimizer:
        """The optimizer of tables."""
        return self._tables

    @property
    def row_slots(self) -> RowSlots:
        """What the rows of tables must have room for."""
        return row_slots(self._tables)

    def build(self, var_list: Sequence[tf.Variable]) -> None:
        """Creates the slots of both optimizers.

        Raises:
            ValueError: The rows of a table are not made for the optimizer of tables.
        """
        super().build(var_list)
        if is_built(self):
            return
        tables, dense = [], []
        for variable in var_list:
            rows = table_rows(variable)
            if rows is None:
                dense.append(variable)
                continue
            if rows.columns != rows.weights and rows.slots != self.row_slots:
                raise ValueError(
                    f"{self.name}: {variable.name} has rows with {rows.slots}, and "
                    f"{self._tables.name} needs {self.row_slots}. Build the network with "
                    "slots=optimizer.row_slots."
                )
            tables.append(variable)
        self._tables.build(tables)
        self._dense.build(dense)
        # The first variable of both is the count of steps, which is this optimizer's.
        self.finish_build([*self._dense.variables[1:], *self._tables.variables[1:]])

    def apply_gradients(
        self,
        grads_and_vars: Iterable[tuple[Gradient | None, tf.Variable]],
        name: str | None = None,
        skip_gradients_aggregation: bool = False,
        **kwargs: Any,
    ) -> tf.Variable:
        """One step; arguments as in tf_keras."""
        aggregate = kwargs.pop("experimental_aggregate_gradients", True)
        if aggregate and not skip_gradients_aggregation:
            grads_and_vars = self.aggregate_gradients(grads_and_vars)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        pairs = [
            (gradient if replicas == 1 and table_rows(variable) else _distinct(gradient), variable)
            for gradient, variable in grads_and_vars
        ]
        return super().apply_gradients(pairs, name=name, skip_gradients_aggregation=True)

    def hold_rows(self, variable: tf.Variable, rows: tf.Tensor) -> None:
        """The rows that the next gradient of a table is about; see `RowOptimizer.hold_rows`."""
        table = table_rows(variable)
        if table is not None and self.row_slots.columns(table.segments):
            self._tables.hold_rows(variable, rows)

    def update_step(self, gradient: Gradient, variable: tf.Variable) -> None:
        """One step of one variable, by the optimizer that it belongs to."""
        if table_rows(variable) is None:
            self._dense.update_step(gradient, variable)
            return
        with tf.name_scope("tables"):  # where `pipeline.training.step_time` counts it
            self._tables.update_step(gradient, variable)

    def get_config(self) -> dict[str, Any]:
        serialize = tf_keras.optimizers.serialize
        dense, tables = serialize(self._dense), serialize(self._tables)
        dense["config"]["learning_rate"] = float(self.learning_rate.numpy())  # no factor in it
        schedule = self.schedule and tf_keras.optimizers.schedules.serialize(self.schedule)
        return {
            "name": self.name,
            "dense": dense,
            "tables": tables,
            "schedule": schedule,
            "global_clipnorm": self.global_clipnorm,
            "tables_ratio": self.tables_ratio,
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, type] | None = None
    ) -> "NetworkOptimizer":
        config, keras = dict(config), tf_keras.optimizers
        for role in ("dense", "tables"):
            config[role] = keras.deserialize(config[role], custom_objects=custom_objects)
        if config["schedule"]:
            config["schedule"] = keras.schedules.deserialize(config["schedule"], custom_objects)
        return cls(**config)

    def before_step(self) -> None:
        """Hands both optimizers their rate."""
        rate = self.learning_rate
        if self.schedule is not None:
            rate = rate * tf.cast(self.schedule(self.iterations), rate.dtype)
        self._dense.learning_rate = rate
        self._tables.learning_rate = rate * self.tables_ratio

    def distinct_rows(self, gradients: Iterable[Gradient]) -> Iterable[Gradient]:
        """The gradients as they are: `apply_gradients` did this before they were clipped."""
        return gradients


def _check_inner(name: str, inner: Optimizer) -> None:
    """Refuses an optimizer that cannot be a part of another one, whose name is given."""
    ignored = [
        option
        for option in ("clipnorm", "clipvalue", "global_clipnorm", "weight_decay", "use_ema")
        if getattr(inner, option)
    ]
    if is_built(inner) or not isinstance(inner_learning_rate(inner), tf.Variable) or ignored:
        raise ValueError(
            f"{name}: inner optimizers must be unused, with a number as learning rate "
            "and without clipping, weight decay or averages, which only an outer optimizer "
            f"applies. Received: {inner.name} with {ignored or 'a schedule, or used before'}. "
            "Pass `schedule` and `global_clipnorm` to NetworkOptimizer."
        )


def _distinct(gradient: Gradient | None) -> Gradient | None:
    """The gradient with repeated rows added up."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    indices, positions = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, positions, tf.size(indices))
    return tf.IndexedSlices(values, indices, gradient.dense_shape)
