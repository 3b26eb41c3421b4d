"""All that a network says of a split, in one pass, with representations reduced on the way."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tf_keras

from models.metrics import CrossExpertCorrelation
from models.metrics.unit_counts import unit_ranges
from models.network.outputs import NetworkOutputs


@dataclass(frozen=True)
class Outputs:
    """What is kept of every row, in the order of the dataset, and what is kept of all together.

    Args:
        logit: float32 (rows, 1).
        branch_logits: float32 (rows, n); None where branches have no logit of their own.
        fusion_weights: float (rows, n); None where the fusion has no weights.
        correlation: Cross-expert correlation of every pair, float64 (pairs,), in the order of
            `itertools.combinations`; None with one branch.
        live_correlation: The same over the units that are not constant.
        constant_units: How many units of each branch are constant, int (n,); None with one branch.
        unit_low: float32 (1, n, d), the least value of every unit of the representations, nan where
            a narrower branch has none.
        unit_high: float32 (1, n, d), the largest.
    """

    logit: np.ndarray
    branch_logits: np.ndarray | None
    fusion_weights: np.ndarray | None
    correlation: np.ndarray | None
    live_correlation: np.ndarray | None
    constant_units: np.ndarray | None
    unit_low: np.ndarray
    unit_high: np.ndarray


class OutputReader:
    """Reads the outputs of a network over whole datasets; one graph serves all of them.

    Every replica of the network's strategy scores its share of each batch; with parameter servers
    this process does. Representations (batch, n, d) go into the correlation where they are made,
    and are not kept.

    Args:
        network: Called with features and `training=False`, it returns `NetworkOutputs`; it has
            `branch_names` and `widths`.
    """

    def __init__(self, network: tf_keras.Model):
        self._network = network
        self._strategy = network.distribute_strategy
        if isinstance(self._strategy, tf.distribute.ParameterServerStrategy):
            # Alone in this process, as `predict` does it; rows are read from the servers.
            self._strategy = tf.distribute.get_strategy()
        self._correlation = None
        if len(network.branch_names) > 1:
            with self._strategy.scope():
                self._correlation = CrossExpertCorrelation(widths=network.widths)
        # The iterator is its argument, so batches of any size share one graph. As in an export,
        # nothing of it is for AutoGraph, which takes as long as tracing does.
        self._next_batch = tf.function(self._score_next_batch, autograph=False)

    def read(self, dataset: tf.data.Dataset) -> Outputs:
        """Scores every row of a dataset of (features, ...) once."""
        if self._correlation:
            self._correlation.reset_state()
        iterator = iter(self._strategy.experimental_distribute_dataset(dataset))
        batches = []
        while True:
            try:
                batch = self._next_batch(iterator)
            except (tf.errors.OutOfRangeError, StopIteration):  # the latter where it runs eagerly
                break
            batches.append({name: value.numpy() for name, value in batch.items()})
        kept = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
        correlation = self._correlation
        return Outputs(
            logit=kept["logit"],
            branch_logits=kept.get("branch_logits"),
            fusion_weights=kept.get("fusion_weights"),
            correlation=correlation.by_pair().numpy() if correlation else None,
            live_correlation=correlation.by_pair(live_only=True).numpy() if correlation else None,
            constant_units=correlation.constant_units().numpy() if correlation else None,
            unit_low=kept["unit_low"].min(axis=0, keepdims=True),
            unit_high=kept["unit_high"].max(axis=0, keepdims=True),
        )

    def _score_next_batch(self, iterator: Iterator) -> dict[str, tf.Tensor]:
        outputs = self._strategy.run(self._score, args=(next(iterator)[0],))
        # Replicas hold consecutive rows of the batch.
        return {
            name: tf.concat(self._strategy.experimental_local_results(value), axis=0)
            for name, value in outputs.items()
        }

    def _score(self, features: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        outputs: NetworkOutputs = self._network(features, training=False)
        if self._correlation:
            self._correlation.update_state(outputs.representations)
        kept = {
            "logit": outputs.logit,
            "branch_logits": outputs.branch_logits,
            "fusion_weights": outputs.fusion_weights,
            **unit_ranges(outputs.representations, self._network.widths),
        }
        return {name: tf.cast(x, tf.float32) for name, x in kept.items() if x is not None}
