"""Base of optimizers that touch only the rows a batch read, wherever their state lies."""

import abc
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import tensorflow as tf

from models.embeddings.row_slots import RowSlots, TableRows, plain_rows, table_rows
from models.optimizers.schedules import LearningRate
from models.private_keras import OptimizerBase, is_built


class RowOptimizer(OptimizerBase):
    """Updates rows; a subclass says by what rule, and what state it needs beside a row's weights.

    The state lies behind the weights where `mark_table` made room for it: the rows are then read
    by one gather and written by one scatter. Any other variable, of any rank, has a slot of its
    own: a matrix (rows, state columns) in the layout of `RowSlots`.

    A sparse gradient (`tf.IndexedSlices`) moves its rows and no others. Repeated rows are added
    up before (tf_keras' `apply_gradients` does so); no rows at all are no update. A dense
    gradient moves every row.

    Args:
        learning_rate: A number or a `LearningRateSchedule`.
        name: Name of the optimizer.
        **kwargs: Arguments of `tf_keras.optimizers.Optimizer`.
    """

    def __init__(self, learning_rate: LearningRate, name: str, **kwargs: Any):
        super().__init__(learning_rate, name, **kwargs)
        self._held = SimpleNamespace(rows={})  # a dict of its own would be part of checkpoints

    @property
    @abc.abstractmethod
    def row_slots(self) -> RowSlots:
        """The state of a row."""

    @abc.abstractmethod
    def new_rows(
        self,
        weights: tf.Tensor,
        gradient: tf.Tensor,
        state: list[tf.Tensor],
        segments: tuple[int, ...],
    ) -> list[tf.Tensor]:
        """The rule of the optimizer.

        Args:
            weights: (rows, C).
            gradient: (rows, C).
            state: A tensor (rows, width) for each slot, as `RowSlots.widths` lists them.
            segments: How the C columns divide.

        Returns:
            The weights and each slot after the step.
        """

    def build(self, var_list: Sequence[tf.Variable]) -> None:
        """Creates the state of variables that have none inside their rows.

        Raises:
            ValueError: The rows of a table hold the state of another optimizer.
        """
        super().build(var_list)
        if is_built(self):
            return
        self._states: list[tf.Variable] = []
        self._state_of: dict[str, int] = {}  # key of a variable -> index into _states
        for variable in var_list:
            if self._packed(variable):
                continue
            rows = plain_rows(variable, self.row_slots)
            shape = (_num_rows(variable), rows.columns - rows.weights)
            self._state_of[self.key_of(variable)] = len(self._states)
            self._states.append(
                self.add_variable_from_reference(
                    variable, "state", initial_value=tf.fill(shape, self.row_slots.initial)
                )
            )
        self.finish_build()

    def hold_rows(self, variable: tf.Variable, rows: tf.Tensor) -> None:
        """Gives the rows that the next gradient of a table is about, which then are not read again.

        Args:
            variable: A table with state in its rows.
            rows: (touched, columns) in the order of the gradient's indices.
        """
        self._held.rows[self.key_of(variable)] = rows

    def update_step(self, gradient: tf.Tensor | tf.IndexedSlices, variable: tf.Variable) -> None:
        """One step of one variable.

        Raises:
            ValueError: A dense gradient of a table whose rows hold state.
        """
        packed = self._packed(variable)
        if not isinstance(gradient, tf.IndexedSlices):
            if packed:
                raise ValueError(
                    f"{self.name}: {variable.name} holds optimizer state inside its rows and is "
                    "updated row by row. Received: a dense gradient, as a loss over the whole "
                    "table gives. Train tables with dense adam (train.tables.optimizer: adam), "
                    "or take the loss over the rows that the batch reads."
                )
            self._update_all(gradient, variable)
            return
        indices, values = gradient.indices, gradient.values
        if packed:
            rows = self._held.rows.pop(self.key_of(variable), None)  # (touched, columns)
            rows = tf.gather(variable, indices) if rows is None else rows
            variable.scatter_update(tf.IndexedSlices(self._step(packed, rows, values), indices))
            return
        state = self._states[self._state_of[self.key_of(variable)]]
        layout = plain_rows(variable, self.row_slots)
        weights = tf.reshape(tf.gather(variable, indices), (-1, layout.weights))
        rows = tf.concat([weights, tf.gather(state, indices)], axis=1)
        rows = self._step(layout, rows, tf.reshape(values, (-1, layout.weights)))
        weights = tf.reshape(rows[:, : layout.weights], tf.shape(values))
        variable.scatter_update(tf.IndexedSlices(weights, indices))
        state.scatter_update(tf.IndexedSlices(rows[:, layout.weights :], indices))

    def _update_all(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        state = self._states[self._state_of[self.key_of(variable)]]
        layout = plain_rows(variable, self.row_slots)
        flat = (_num_rows(variable), layout.weights)
        rows = tf.concat([tf.reshape(variable, flat), state], axis=1)
        rows = self._step(layout, rows, tf.reshape(gradient, flat))
        variable.assign(tf.reshape(rows[:, : layout.weights], variable.shape))
        state.assign(rows[:, layout.weights :])

    def _step(self, layout: TableRows, rows: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
        widths = [layout.weights, *layout.slots.widths(layout.segments)]
        weights, *state = tf.split(rows, widths, axis=1)
        return tf.concat(self.new_rows(weights, gradient, state, layout.segments), axis=1)

    def _packed(self, variable: tf.Variable) -> TableRows | None:
        """What a table's rows hold, if that includes this optimizer's state."""
        rows = table_rows(variable)
        if rows is None or rows.columns == rows.weights:
            return None
        if rows.slots != self.row_slots:
            raise ValueError(
                f"{self.name}: {variable.name} has rows with {rows.slots}, and this optimizer "
                f"needs {self.row_slots}. Build the network with slots=optimizer.row_slots."
            )
        return rows


def _num_rows(variable: tf.Variable) -> int:
    return variable.shape[0] if variable.shape.rank else 1
