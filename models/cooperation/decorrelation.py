"""Cross-expert de-correlation: experts' outputs shall have nothing linear in common."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import tensorflow as tf
import tf_keras

from models.cooperation.arguments import branch_pairs, check_choice
from models.cooperation.cooperation_loss import CooperationLoss, LossInput
from models.cooperation.distance import safe_norm
from models.replicas import equal_share, global_sum

Kind = Literal["correlation", "covariance"]
Norm = Literal[2, 1]
Place = Literal["output", "input", "intermediate"]

_TAKES: dict[Place, LossInput] = {
    "output": "representations",
    "input": "inputs",
    "intermediate": "intermediates",
}
# In units of a column's mean magnitude: the rounding of its mean, not a spread, lies below.
_SMALLEST_STD = 1e-6
# Columns smaller than this count as 0: their gradient, its inverse, must be squared in float32.
_SMALLEST_MAGNITUDE = 1e-18


@tf_keras.utils.register_keras_serializable(package="concord")
class CrossExpertDecorrelation(CooperationLoss):
    """Penalises correlation between every dimension of one expert and every one of another.

    With O_a (B, d) the output of expert a over the global batch, its columns centred and, for
    `correlation`, divided by their unbiased standard deviation:

        R_ab = O_a^T O_b / (B - 1)                                            (d, d)
        loss = sum over pairs a < b of ||R_ab|| / d^2

    with || || entrywise, sqrt(sum of squares) or sum of absolute values. For `intermediate` the
    loss is summed over the layers, each with its own d.

    Reference: D-MoE, arXiv:2505.17925v1, Eq. 8 (`output`, L2), Eq. 15 to 17 and Figure 8 (`kind`,
    `norm`), section 4.7 and Table 2 (`at`).
    Normalisation: Eq. 8 and 15 to 17 print the bare product of the columns; the 1 / (B - 1) with
    which Eq. 12 multiplies the loss is taken into R here, for all kinds and norms. R holds
    Pearson correlations, or unbiased covariances, and does not grow with the batch.
    The norm is entrywise: Eq. 8's ||R||_2, of a matrix, could be the spectral one; Eq. 15 to 17
    with their L1 beside it make the entries likelier.
    Departs from it: a column without spread in the batch (a standard deviation below 1e-6 of its
    mean magnitude, the rounding of float32) has no correlation and contributes 0. The gradient at
    R = 0 is 0, where that of the norm does not exist.

    The statistics are those of the global batch: a loss of statistics is not a mean over
    examples, and replicas that each took their own would optimise another loss.

    Example:
        >>> same = tf.constant([[[1.0], [1.0]], [[-1.0], [-1.0]]])  # 2 examples, 2 experts, d = 1
        >>> round(float(CrossExpertDecorrelation()(same)), 4)
        1.0

    Args:
        kind: `correlation`, or `covariance`, which does not divide by the standard deviations.
        norm: 2 or 1: the entrywise norm of R.
        at: What is de-correlated: the experts' aligned `output`, their `input`, or the output of
            every `intermediate` layer. It decides what the loss `takes`.

    Call arguments:
        representations: Float tensor (batch, n, d), n >= 2; for `intermediate` a tuple of them, a
            layer each, whose d may differ.

    Returns:
        Float32 scalar: this replica's equal share of the loss of the global batch; 0 for fewer
        than two examples.
    """

    takes: tuple[LossInput, ...] = ("representations",)  # of the default; an instance has its own

    def __init__(self, kind: Kind = "correlation", norm: Norm = 2, at: Place = "output", **kwargs):
        super().__init__(**kwargs)
        check_choice("CrossExpertDecorrelation", "kind", kind, get_args(Kind))
        check_choice("CrossExpertDecorrelation", "norm", norm, get_args(Norm))
        check_choice("CrossExpertDecorrelation", "at", at, get_args(Place))
        self.kind, self.norm, self.at = kind, norm, at
        self.takes = (_TAKES[at],)

    def call(self, representations: tf.Tensor | Sequence[tf.Tensor]) -> tf.Tensor:
        if isinstance(representations, Sequence):
            layers, received = representations, f"{len(representations)} tensors"
            fits = self.at == "intermediate" and bool(layers)
        else:
            layers, received = (representations,), str(representations.shape)
            fits = self.at != "intermediate"
        if not fits:
            raise ValueError(
                f"{self.name}: expected one tensor (batch, n, d), or for at='intermediate' a tuple "
                f"of at least one, a layer each. Received: {received} with at={self.at!r}. Set "
                "`at` to where the tensors come from."
            )
        return equal_share(tf.add_n([self._loss(layer) for layer in layers]))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kind": self.kind, "norm": self.norm, "at": self.at}

    def _loss(self, x: tf.Tensor) -> tf.Tensor:
        """The loss of the global batch: the same on all replicas."""
        pairs = branch_pairs(self.name, x.shape)
        width = x.shape[2]
        centred, count = self._centred(x)
        z = tf.unstack(centred, axis=1)
        products = tf.stack([tf.matmul(z[a], z[b], transpose_a=True) for a, b in pairs])
        squares = tf.reduce_sum(tf.square(centred), axis=0)
        products, squares = global_sum((products, squares))  # (pair, d, d), (n, d)
        freedom = tf.maximum(count - 1.0, 1.0)
        r = products / freedom
        if self.kind == "correlation":
            scale = tf.unstack(_inverse_std(squares / freedom), axis=0)
            first = tf.stack([scale[a] for a, _ in pairs])[:, :, tf.newaxis]  # (pair, d, 1)
            second = tf.stack([scale[b] for _, b in pairs])[:, tf.newaxis, :]  # (pair, 1, d)
            r = r * first * second
        entries = tf.reshape(r, (len(pairs), width * width))
        norms = safe_norm(entries) if self.norm == 2 else tf.reduce_sum(tf.abs(entries), axis=1)
        return tf.reduce_sum(norms) / width**2

    def _centred(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """`x` less its mean over the global batch, for correlation in units of its magnitude.

        Correlation does not depend on a column's unit, but its float32 arithmetic does: products
        of embeddings that start at 1e-4 are soon too small for the cube of 1 / std.

        Returns:
            (B, n, d), and the number of examples of the global batch.
        """
        # Sums about one example: of a constant column nothing is left that could be rounded.
        origin = tf.stop_gradient(tf.reduce_sum(x[:1], axis=0))  # (n, d); 0 without examples
        count = tf.cast(tf.shape(x)[0], x.dtype)
        total = count * origin + tf.reduce_sum(x - origin, axis=0)
        magnitude = tf.reduce_sum(tf.stop_gradient(tf.abs(x)), axis=0)
        count, total, magnitude = global_sum((count, total, magnitude))
        centred = x - tf.math.divide_no_nan(total, count)
        if self.kind == "correlation":
            unit = tf.math.divide_no_nan(magnitude, count)
            is_zero = unit < _SMALLEST_MAGNITUDE
            centred *= tf.where(is_zero, 0.0, 1.0 / tf.where(is_zero, 1.0, unit))
        return centred, count


def _inverse_std(variance: tf.Tensor) -> tf.Tensor:
    """1 / sqrt(variance), and 0 with gradient 0 for a column without spread."""
    is_constant = variance <= _SMALLEST_STD**2
    return tf.where(is_constant, 0.0, tf.math.rsqrt(tf.where(is_constant, 1.0, variance)))
