"""What a network says of rows that are in memory, representations kept."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tf_keras

from models.network.logit_map import LogitMaps, mapped_logits
from models.network.outputs import NetworkOutputs
from pipeline.evaluation.scores import sigmoid
from pipeline.evaluation.split_rows import Inputs

_BATCH = 1024


@dataclass(frozen=True)
class SampleOutputs:
    """What is kept of the rows, in their order.

    Args:
        representations: float32 (rows, n, d).
        fusion_weights: float32 (rows, n); None where the fusion has no weights.
    """

    representations: np.ndarray
    fusion_weights: np.ndarray | None


class SampleReader:
    """Asks a network about rows in memory; one graph serves all of them.

    Args:
        network: Called with features and `training=False`, it returns `NetworkOutputs`.
        maps: What its logits go through before they are probabilities.
    """

    def __init__(self, network: tf_keras.Model, maps: LogitMaps):
        self._network, self._maps = network, maps
        # As in an evaluation, nothing of it is for AutoGraph, which takes as long as tracing does.
        self._say = tf.function(self._outputs, autograph=False, reduce_retracing=True)

    def probs(self, inputs: Inputs) -> np.ndarray:
        """Probabilities of the fused prediction, float64 (rows,)."""
        return sigmoid(self._all(inputs, ("logit",))["logit"][:, 0])

    def read(self, inputs: Inputs) -> SampleOutputs:
        """Representations and fusion weights of rows: input -> array (rows,) or (rows, length)."""
        said = self._all(inputs, ("representations", "fusion_weights"))
        return SampleOutputs(said["representations"], said.get("fusion_weights"))

    def _all(self, inputs: Inputs, wanted: tuple[str, ...]) -> dict[str, np.ndarray]:
        rows = len(next(iter(inputs.values())))
        parts = []
        for start in range(0, rows, _BATCH):
            batch = {name: tf.constant(x[start : start + _BATCH]) for name, x in inputs.items()}
            said = self._say(batch)
            parts.append({name: said[name].numpy() for name in wanted if name in said})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _outputs(self, features: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        outputs: NetworkOutputs = self._network(features, training=False)
        logit, _ = mapped_logits(self._maps, self._network.branch_names, outputs.logit, None)
        said = {
            "logit": logit,
            "representations": outputs.representations,
            "fusion_weights": outputs.fusion_weights,
        }
        return {name: tf.cast(x, tf.float32) for name, x in said.items() if x is not None}
