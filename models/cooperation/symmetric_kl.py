"""Symmetric KL divergence: draws the branches' predictions together, from both sides."""

import itertools

import tensorflow as tf
import tf_keras

from models.cooperation.arguments import check_logits
from models.cooperation.cooperation_loss import CooperationLoss
from models.replicas import global_mean


@tf_keras.utils.register_keras_serializable(package="concord")
class SymmetricKL(CooperationLoss):
    """Mean over branches' pairs of the symmetric KL divergence between their predictions.

    With s_a the logit of branch a and p_a = sigmoid(s_a):

        loss = mean over examples and a < b of (KL(p_a || p_b) + KL(p_b || p_a)) / 2
             = mean over examples and a < b of (p_a - p_b) (s_a - s_b) / 2

    Gradients reach both branches of a pair.

    Reference: CETNet, arXiv:2411.13700, section 3.3. The second line is exact: the logarithms of
    the first are log p - log(1 - p) = s. Two branches there; the mean over the pairs of any
    number of branches here keeps the weight of the loss independent of their number.
    Departs from it: the sum over the data set printed there is read as a mean, as of its other
    losses.

    Example:
        >>> loss = SymmetricKL()(tf.constant([[2.0, -2.0]]))
        >>> round(float(loss), 4)  # (0.8808 - 0.1192) (2 + 2) / 2
        1.5232

    Call arguments:
        logits: Float tensor (batch, num_branches), num_branches >= 2.

    Returns:
        Float32 scalar: this replica's share of the mean over the global batch; 0 without examples.
    """

    takes = ("logits",)

    def call(self, logits: tf.Tensor) -> tf.Tensor:
        check_logits(self.name, logits)
        first, second = zip(*itertools.combinations(range(logits.shape[1]), 2), strict=True)
        s_a, s_b = tf.gather(logits, first, axis=1), tf.gather(logits, second, axis=1)
        high, low = tf.maximum(s_a, s_b), tf.minimum(s_a, s_b)  # (B, pair)
        gap = tf.abs(s_a - s_b)
        # p_high - p_low as a product: two probabilities close to 1 leave nothing to subtract.
        difference = tf.sigmoid(high) * tf.sigmoid(-low) * -tf.math.expm1(-gap)
        return global_mean(tf.reduce_mean(difference * gap / 2.0, axis=1))
