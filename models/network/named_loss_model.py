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
from models.optimizers.schedules import WarmUp
from models.replicas import global_mean, global_sum


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
    In training, the weight of a term in `warmup_steps` rises linearly from 0 over its first so
    many steps: it is weight x step / steps at the step, counted from 0, as in
    `models.optimizers.schedules.WarmUp`.
    """

    term_weights: Mapping[str, float]
    warmup_steps: Mapping[str, int] = {}

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of the terms of the loss, in the order of `loss_terms`."""
        raise NotImplementedError

    def diagnostics(self, outputs: Any, labels: tf.Tensor) -> dict[str, tf.Tensor]:
        """What is logged of a batch beside the terms: float32 scalars, this replica's shares."""
        return {}

    def watch_terms(self, diagnostic_names: Sequence[str] = ()) -> None:
        """Creates what keeps account of the terms: their means, and where each went wrong.

        Args:
            diagnostic_names: Names of what `diagnostics` returns.
        """
        # Not an attribute of its own: Keras would count the running means among the weights.
        self._logs = SimpleNamespace(diagnostics=tuple(diagnostic_names), norms=())
        self._create_means()
        self.first_bad_step = self.add_weight(
            "first_bad_step",
            shape=(len(self.term_names) + 1,),  # and the gradient
            dtype=tf.int64,
            initializer=tf_keras.initializers.Constant(-1),
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    @property
    def names_beside_terms(self) -> tuple[str, ...]:
        """Names of what a step logs beside the loss and its terms."""
        return (*self._logs.diagnostics, *self._logs.norms)

    @property
    def side_terms(self) -> tuple[str, ...]:
        """Names of the terms whose gradients `watch_gradients` shows one by one."""
        return ()

    @property
    def compared_weights(self) -> list[tf.Variable]:
        """The weights for which it does."""
        return self.trainable_variables

    def watch_gradients(self) -> None:
        """Logs the gradients' norms as well; to be called before `fit`.

        `gradient_norm_main` is the norm of the gradient, for `compared_weights`, of all terms that
        are not in `side_terms` together, and `gradient_norm_<term>` that of such a term, with
        their weights of the step. A step then goes backward once more for each.
        """
        self._logs.norms = tuple(f"gradient_norm_{name}" for name in ("main", *self.side_terms))
        self._create_means()

    def _create_means(self) -> None:
        logs = self._logs
        names = ("loss", *self.term_names, *logs.diagnostics)
        logs.means = NamedMeans((*names, *logs.norms), name="terms")
        logs.window = NamedMeans((*names, *logs.norms, "click_rate"), name="window")

    def take_window(self) -> tuple[float, dict[str, float]]:
        """What was trained on since this was last called, or since the epoch's start.

        Returns:
            The number of examples; and the means over them of what the step's logs hold and of
            `click_rate`, each batch as it was before its update. The window then begins anew.
        """
        window = self._logs.window
        examples = float(tf.convert_to_tensor(window.weight))
        means = {name: float(value) for name, value in window.result().items()}
        window.reset_state()
        return examples, means

    @property
    def metrics(self) -> list[tf_keras.metrics.Metric]:
        """What `fit` and `evaluate` reset at the start of an epoch."""
        return [*super().metrics, self._logs.means]

    def reset_metrics(self) -> None:
        """Resets the metrics, and the window of `take_window`, at the start of an epoch.

        The window is none of `metrics`: with a second one there, Keras adds up what the workers of
        MultiWorkerMirroredStrategy log, which are global values already.
        """
        super().reset_metrics()
        self._logs.window.reset_state()

    def compute_loss(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """This replica's share of the loss of (features, labels) or (features, labels, weights)."""
        return self._total(self._outputs_and_terms(inputs, training)[1], training)

    @property
    def fixed_variables(self) -> list[tf.Variable]:
        """Variables that no step writes, however it goes."""
        return []

    def tables_read(self, outputs: Any) -> list[tuple[tf.Variable, ReadRows]]:
        """Tables whose only gradient is that of the rows that were read, and those rows."""
        return []

    # AutoGraph would look for control flow in every layer: seconds, and there is none to find.
    @tf.autograph.experimental.do_not_convert
    def train_step(self, inputs: Any) -> dict[str, tf.Tensor]:
        """One step; the logs are means over the epoch's steps of the global terms."""
        # Moving statistics are written in the forward pass: keep what a bad step would spoil.
        fixed = {id(v) for v in self.fixed_variables}
        state = [
            v for v in self.non_trainable_variables if v.dtype.is_floating and id(v) not in fixed
        ]
        before = [tf.identity(v) for v in state]
        with tf.GradientTape(persistent=bool(self._logs.norms)) as tape:
            outputs, terms = self._outputs_and_terms(inputs, training=True)
            loss = self._total(terms, training=True)
            sides = self._sides(terms) if self._logs.norms else []
        pairs = self._gradients(tape, loss, self.tables_read(outputs))
        pairs = list(self.optimizer.aggregate_gradients(pairs))
        examples, click_rate, logged = self._global_values(inputs, outputs, loss, terms)
        finite = tf.concat(
            [tf.math.is_finite(logged[1 : 1 + len(terms)]), all_finite(pairs)[tf.newaxis]], axis=0
        )
        healthy = tf.reduce_all(finite)
        self._record(finite)
        apply_gradients_if(healthy, self.optimizer, pairs)
        for variable, value in zip(state, before, strict=True):
            variable.assign(tf.where(healthy, variable, value))
        norms = [self._norm(tape, side) for side in sides]
        logged = tf.concat([logged, tf.stack(norms)], axis=0) if norms else logged
        self._logs.means.update_state(logged)
        self._logs.window.update_state(tf.concat([logged, [click_rate]], axis=0), examples)
        return self._logs.means.result()

    @tf.autograph.experimental.do_not_convert
    def test_step(self, inputs: Any) -> dict[str, tf.Tensor]:
        """The terms over the whole data set, each batch weighted by its number of examples."""
        outputs, terms = self._outputs_and_terms(inputs, training=False)
        loss = self._total(terms, training=False)
        examples, _, logged = self._global_values(inputs, outputs, loss, terms)
        without = tf.zeros(len(self._logs.norms))
        self._logs.means.update_state(tf.concat([logged, without], axis=0), examples)
        return self._logs.means.result()

    def _global_values(
        self, inputs: Any, outputs: Any, loss: tf.Tensor, terms: Mapping[str, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Of the global batch: its examples or their weight, its click rate, and what is logged."""
        _, labels, weights = tf_keras.utils.unpack_x_y_sample_weight(inputs)
        shown = self.diagnostics(outputs, labels)
        labels = tf.reshape(tf.cast(labels, tf.float32), (-1,))
        if weights is None:
            examples = tf.cast(tf.size(labels), tf.float32)
        else:
            weights = tf.reshape(tf.cast(weights, tf.float32), (-1,))
            examples = tf.reduce_sum(weights)
        share = tf.stack(
            [examples, global_mean(labels, weights), loss, *terms.values(), *shown.values()]
        )
        total = global_sum(share)
        return total[0], total[1], total[2:]

    def _sides(self, terms: Mapping[str, tf.Tensor]) -> list[tf.Tensor]:
        """The main terms together, and every side term, weighted as in this step's loss."""
        weighted = {name: self._weight(name, True) * term for name, term in terms.items()}
        main = [term for name, term in weighted.items() if name not in self.side_terms]
        return [tf.add_n(main), *(weighted[name] for name in self.side_terms)]

    def _norm(self, tape: tf.GradientTape, side: tf.Tensor) -> tf.Tensor:
        """The norm of the gradient of a sum of shares over all replicas."""
        gradients = tape.gradient(
            side, self.compared_weights, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return tf.linalg.global_norm(global_sum([tf.convert_to_tensor(g) for g in gradients]))

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

    def _total(self, terms: Mapping[str, tf.Tensor], training: bool) -> tf.Tensor:
        return tf.add_n([self._weight(name, training) * term for name, term in terms.items()])

    def _weight(self, name: str, training: bool) -> tf.Tensor | float:
        weight, steps = self.term_weights.get(name, 1.0), self.warmup_steps.get(name, 0)
        if not (training and steps):
            return weight
        return weight * WarmUp(steps)(self.optimizer.iterations)

    def _record(self, finite: tf.Tensor) -> None:
        step = tf.cast(self.optimizer.iterations, tf.int64) + 1
        first = self.first_bad_step
        self.first_bad_step.assign(tf.where((first < 0) & ~finite, step, first))


def _nobody_else_writes() -> bool:
    """Whether tables are as they were when they were read: no replica or worker moves them."""
    strategy = tf.distribute.get_strategy()
    servers = isinstance(strategy, tf.distribute.ParameterServerStrategy)
    return strategy.num_replicas_in_sync == 1 and not servers
