"""Training on a sum of named terms: the same step on one replica and on several, guarded."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import tensorflow as tf
import tensorflow_recommenders as tfrs
import tf_keras

from models.embeddings.row_table import ReadRows, weight_gradient
from models.metrics.named_means import NamedMeans
from models.network.guarded_update import all_finite, apply_gradients_if
from models.replicas import global_sum


class NamedLossModel(tfrs.models.Model):
    """A tfrs model whose loss is a weighted sum of named terms, every one of them logged.

    Trains with `fit` under any synchronous tf.distribute strategy. Terms are this replica's
    shares (`models.replicas`), whose gradients tf_keras optimizers sum over replicas
    and only then clip (`global_clipnorm`): one replica and several take the same step. (Except
    with batch normalisation, where one replica gets no row at all: tf_keras then leaves that
    replica's moving statistics as they are.)

    A step whose terms or gradients are not all finite changes no weight, no slot of the optimizer
    and no moving statistic; `optimizer.iterations` counts it, `divergence()` names it.

    A subclass defines `term_names` and `loss_terms(outputs, labels, weights)`, sets
    `term_weights` (1 for a term that is not in it), and calls `watch_terms` once it is built.
    """

    term_weights: Mapping[str, float]

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of the terms of the loss, in the order of `loss_terms`."""
        raise NotImplementedError

    def watch_terms(self) -> None:
        """Creates what keeps account of the terms: their means, and where each went wrong."""
        # Not an attribute of its own: Keras would count the running means among the weights.
        self._logs = SimpleNamespace(means=NamedMeans(("loss", *self.term_names), name="terms"))
        self.first_bad_step = self.add_weight(
            "first_bad_step",
            shape=(len(self.term_names) + 1,),  # and the gradient
            dtype=tf.int64,
            initializer=tf_keras.initializers.Constant(-1),
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    @property
    def metrics(self) -> list[tf_keras.metrics.Metric]:
        """What `fit` and `evaluate` reset at the start of an epoch."""
        return [*super().metrics, self._logs.means]

    def compute_loss(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """This replica's share of the loss of (features, labels) or (features, labels, weights)."""
        return self._total(self._outputs_and_terms(inputs, training)[1])

    def tables_read(self, outputs: Any) -> list[tuple[tf.Variable, ReadRows]]:
        """Tables whose only gradient is that of the rows that were read, and those rows."""
        return []

    def train_step(self, inputs: Any) -> dict[str, tf.Tensor]:
        """One step; the logs are means over the epoch's steps of the global terms."""
        # Moving statistics are written in the forward pass: keep what a bad step would spoil.
        state = [v for v in self.non_trainable_variables if v.dtype.is_floating]
        before = [tf.identity(v) for v in state]
        with tf.GradientTape() as tape:
            outputs, terms = self._outputs_and_terms(inputs, training=True)
            loss = self._total(terms)
        pairs = self._gradients(tape, loss, self.tables_read(outputs))
        pairs = list(self.optimizer.aggregate_gradients(pairs))
        global_terms = global_sum(tf.stack([loss, *terms.values()]))  # (1 + terms,)
        finite = tf.concat(
            [tf.math.is_finite(global_terms[1:]), all_finite(pairs)[tf.newaxis]], axis=0
        )
        healthy = tf.reduce_all(finite)
        self._record(finite)
        apply_gradients_if(healthy, self.optimizer, pairs)
        for variable, value in zip(state, before, strict=True):
            variable.assign(tf.where(healthy, variable, value))
        self._logs.means.update_state(global_terms)
        return self._logs.means.result()

    def test_step(self, inputs: Any) -> dict[str, tf.Tensor]:
        """The terms over the whole data set, each batch weighted by its number of examples."""
        _, terms = self._outputs_and_terms(inputs, training=False)
        share = tf.stack([self._total(terms), *terms.values()])
        _, labels, weights = tf_keras.utils.unpack_x_y_sample_weight(inputs)
        examples = tf.cast(tf.size(labels), tf.float32)
        if weights is not None:
            examples = tf.reduce_sum(tf.cast(weights, tf.float32))
        self._logs.means.update_state(global_sum(share), global_sum(examples))
        return self._logs.means.result()

    def divergence(self) -> tuple[str, int] | None:
        """The first term (or `gradient`) that was not finite and the step, counted from 1."""
        steps = self.first_bad_step.numpy()
        bad = [
            (int(step), i, name)
            for i, (name, step) in enumerate(
                zip((*self.term_names, "gradient"), steps, strict=True)
            )
            if step >= 0
        ]
        return (min(bad)[2], min(bad)[0]) if bad else None

    def _outputs_and_terms(self, inputs: Any, training: bool) -> tuple[Any, dict[str, tf.Tensor]]:
        features, labels, weights = tf_keras.utils.unpack_x_y_sample_weight(inputs)
        if labels is None:
            raise ValueError(
                f"{self.name}: training needs (features, labels) or (features, labels, weights). "
                "Received: features only."
            )
        outputs = self(features, training=training)
        return outputs, self.loss_terms(outputs, labels, weights)

    def _gradients(
        self, tape: tf.GradientTape, loss: tf.Tensor, read: Sequence[tuple[tf.Variable, ReadRows]]
    ) -> list[tuple[tf.Tensor | tf.IndexedSlices, tf.Variable]]:
        """Gradients with their variables; those of tables without an optimizer's columns."""
        tables = {id(variable) for variable, _ in read}
        dense = [variable for variable in self.trainable_variables if id(variable) not in tables]
        sources = [*dense, *(rows.weights for _, rows in read)]
        gradients = tape.gradient(loss, sources)
        with tf.name_scope("tables"):  # where `pipeline.training.step_time` counts it
            pairs = [
                (weight_gradient(gradient, variable), variable)
                for gradient, variable in zip(gradients, dense, strict=False)
            ]
            # By the rows, not by the variable: that gradient would be padded with zeros.
            pairs += [
                (None if gradient is None else tf.IndexedSlices(gradient, rows.rows), variable)
                for gradient, (variable, rows) in zip(gradients[len(dense) :], read, strict=True)
            ]
        hold = getattr(self.optimizer, "hold_rows", None)
        if hold is not None and _nobody_else_writes():
            for variable, rows in read:
                hold(variable, rows.whole)
        return [(gradient, variable) for gradient, variable in pairs if gradient is not None]

    def _total(self, terms: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return tf.add_n([self.term_weights.get(name, 1.0) * term for name, term in terms.items()])

    def _record(self, finite: tf.Tensor) -> None:
        step = tf.cast(self.optimizer.iterations, tf.int64) + 1
        first = self.first_bad_step
        self.first_bad_step.assign(tf.where((first < 0) & ~finite, step, first))


def _nobody_else_writes() -> bool:
    """Whether tables are as they were when they were read: no replica or worker moves them."""
    strategy = tf.distribute.get_strategy()
    servers = isinstance(strategy, tf.distribute.ParameterServerStrategy)
    return strategy.num_replicas_in_sync == 1 and not servers
