"""A small model with a packed table, trained by the guarded step."""

import numpy as np
import tensorflow as tf
import tf_keras

from models.network.guarded_update import all_finite, apply_gradients_if
from models.optimizers import NetworkOptimizer, TableRows, mark_table, table_rows

ROWS, SEGMENTS = 12, (3, 1)
WIDTH = sum(SEGMENTS)


class TableModel(tf_keras.Model):
    """sum of a row's weights, through a dense layer; the row holds the optimizer's slots too."""

    def __init__(self, slots):
        super().__init__()
        self.rows = TableRows(SEGMENTS, slots)
        self.head = tf_keras.layers.Dense(1)
        self.table = self.add_weight("table", (ROWS, self.rows.columns), initializer="zeros")
        mark_table(self.table, self.rows)
        self.head.build((None, WIDTH))
        weights = np.random.default_rng(0).normal(size=(ROWS, WIDTH)).astype("float32")
        state = np.full((ROWS, self.rows.columns - WIDTH), slots.initial, "float32")
        self.table.assign(np.concatenate([weights, state], axis=1))
        self.head.set_weights([np.linspace(-1, 1, WIDTH).reshape(WIDTH, 1), np.zeros(1)])

    def call(self, ids):
        distinct, positions = tf.unique(tf.reshape(ids, [-1]))
        rows = tf.gather(self.table, distinct)[:, :WIDTH]
        batch = tf.reshape(tf.gather(rows, positions), (-1, ids.shape[1], WIDTH))
        return self.head(tf.reduce_sum(batch, axis=1))

    def train_step(self, inputs):
        ids, labels = inputs
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        with tf.GradientTape() as tape:
            error = tf.square(self(ids)[:, 0] - labels)
            loss = tf.reduce_sum(error) / (4.0 * replicas)  # 4 examples on each replica
        gradients = tape.gradient(loss, self.trainable_variables)
        pairs = [
            (_weights_only(gradient, variable), variable)
            for gradient, variable in zip(gradients, self.trainable_variables, strict=True)
        ]
        pairs = list(self.optimizer.aggregate_gradients(pairs))
        apply_gradients_if(all_finite(pairs), self.optimizer, pairs)
        return {}


def _weights_only(gradient, variable):
    rows = table_rows(variable)
    if rows is None:
        return gradient
    return tf.IndexedSlices(gradient.values[:, : rows.weights], gradient.indices)


def batches(steps: int = 5, seed: int = 0, batch: int = 8) -> tf.data.Dataset:
    rng = np.random.default_rng(seed)
    ids = rng.integers(ROWS, size=(steps * batch, 3)).astype("int32")
    labels = rng.normal(size=steps * batch).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((ids, labels)).batch(batch, drop_remainder=True)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return data.with_options(options)


def compiled(make, strategy=None) -> TableModel:
    """A model compiled with the optimizer that `make` makes."""
    with (strategy or tf.distribute.get_strategy()).scope():
        optimizer: NetworkOptimizer = make()
        model = TableModel(optimizer.row_slots)
        model.compile(optimizer=optimizer)
    return model


def everything(model) -> dict[str, np.ndarray]:
    """All that training changes: weights, rows, slots, the learning rate, the count of steps."""
    optimizer = model.optimizer
    variables = [*model.weights, *optimizer.variables, optimizer.learning_rate]
    return {f"{i} {v.name}": v.numpy() for i, v in enumerate(variables)}
