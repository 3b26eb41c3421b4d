"""Confidence fusion: on each example, the surer a branch is, the more it counts."""

import math
from typing import Any

import tensorflow as tf
import tf_keras

from models.fusion.weighted import Combine, WeightedFusion


@tf_keras.utils.register_keras_serializable(package="concord")
class ConfidenceFusion(WeightedFusion):
    """Weights branches by the negative entropy of their own predictions.

    With s_i the logit of branch i and p_i = sigmoid(s_i):

        c_i = -H(p_i) = p_i ln p_i + (1 - p_i) ln(1 - p_i)
        w   = softmax_i(c_i / temperature)
        z   = [w_1 z_1, ..., w_n z_n]    or    sum_i w_i z_i

    c lies in [-ln 2, 0]: at temperature 1 no branch has more than twice the weight of another. A
    lower temperature follows confidence more closely; a high one tends to equal weights.

    From the logit, by its size a = |s|: H = softplus(-a) + a sigmoid(-a), two terms >= 0 of which
    neither overflows nor cancels, for any finite logit.

    Reference: CETNet, arXiv:2411.13700, section 3.4; its sum (section 4.4.2, "Ours-sum"), and the
    gradient through the confidence (Table 3), are options here. The paper has temperature 1, where
    the weights of branches that agree are nearly those of a mean: of two trained DNNs 0.5 +- 0.004.

    Example:
        >>> fusion = ConfidenceFusion()
        >>> logits = tf.constant([[0.0, 100.0]])  # entropies ln 2 and 0
        >>> fusion(tf.ones((1, 2, 4)), logits=logits).shape
        TensorShape([1, 8])
        >>> fusion.fusion_weights(logits).numpy().round(3)
        array([[0.333, 0.667]], dtype=float32)

    Args:
        temperature: What the confidences are divided by, > 0.
        combine: `concat` gives (batch, n x d), `sum` (batch, d).
        stop_gradient: Whether the weights are constants to the gradient; else a branch can also
            lower the loss by becoming surer or less sure.

    Call arguments:
        representations: Float tensor (batch, n, d).
        logits: The branches' logits (batch, n).
        gate_input: Not used; see `Fusion` for the call that all fusions share.

    Returns:
        (batch, n x d) or (batch, d).
    """

    takes = ("logits",)

    def __init__(
        self,
        temperature: float = 1.0,
        combine: Combine = "concat",
        stop_gradient: bool = True,
        **kwargs,
    ):
        super().__init__(combine, **kwargs)
        if not 0.0 < temperature < math.inf:  # also catches nan
            raise ValueError(
                "ConfidenceFusion: `temperature` divides the confidences and must be > 0 and "
                f"finite. Received: temperature={temperature}. 1 is the paper's; MeanFusion and "
                "ConcatFusion have equal weights."
            )
        self.temperature, self.stop_gradient = float(temperature), bool(stop_gradient)

    def scores(self, training: bool | None, logits: tf.Tensor) -> tf.Tensor:
        size = tf.abs(tf.cast(logits, tf.float32))
        confidence = -(tf.nn.softplus(-size) + size * tf.sigmoid(-size))
        if self.stop_gradient:
            confidence = tf.stop_gradient(confidence)
        return confidence / self.temperature

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "stop_gradient": self.stop_gradient,
        }
