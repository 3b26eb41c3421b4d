"""Branch co-teaching: on each example, branches that do well teach those that do not."""

import math
from typing import Any, Literal, get_args

import tensorflow as tf
import tf_keras

from models.cooperation.arguments import check_choice, check_logits_and_labels
from models.cooperation.cooperation_loss import CooperationLoss
from models.replicas import global_sum

Target = Literal["soft", "positive"]
Direction = Literal["strong_to_weak", "weak_to_strong", "all"]


@tf_keras.utils.register_keras_serializable(package="concord")
class BranchCoTeaching(CooperationLoss):
    """Distils strong branches into weak ones, example by example.

    With s[b, i] the logit of branch i on example b, p = sigmoid(s) and l[b, i] that
    branch's own logloss:

        m[b, i, j] = 1 if l[b, i] < threshold < l[b, j] else 0                    (Eq. 10, 11)
        loss = sum(m[b, i, j] * bce(stop_gradient(p[b, i]), s[b, j])) / sum(m)    (listing 1)

    Gradients reach students only. Where no branch can teach, the loss is 0.

    Reference: Chen et al., MBCnet, arXiv:2411.13057v2, section 3.4.1; `direction` after the
    variants of section 4.4.
    Departs from it: Eq. 12 keeps one of the two terms of the cross-entropy, -p_i log p_j; the
    listing, followed by default, keeps both. Eq. 12 as printed sums over ordered pairs and over
    both roles, so that it counts every selected pair twice over their number; the listing, and
    `target: positive` here, count it once: half of what is printed.
    The workshop version of the paper at WWW 2026 has not been read.

    Example:
        >>> loss = BranchCoTeaching()
        >>> loss(tf.constant([[4.0, -2.0]]), labels=tf.constant([[1.0]])).shape
        TensorShape([])

    Args:
        threshold: Logloss, in nats, below which a branch is strong and above which it is
            weak. ln 2 is the loss of a prediction of 0.5.
        target: `soft` is the cross-entropy with the teacher's probability, `positive` its first
            term alone (Eq. 12).
        direction: Who teaches whom: `strong_to_weak`; `weak_to_strong`, the reverse; `all`,
            every branch every other on every example, where `threshold` has no effect.

    Call arguments:
        logits: Float tensor of shape (batch, num_branches), num_branches >= 2.
        labels: Tensor of 0s and 1s of shape (batch, 1).

    Returns:
        Float32 scalar: this replica's share of the mean over the selected pairs of the
        global batch.
    """

    takes = ("logits", "labels")

    def __init__(
        self,
        threshold: float = math.log(2.0),
        target: Target = "soft",
        direction: Direction = "strong_to_weak",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not threshold > 0.0:  # also catches nan
            raise ValueError(
                "BranchCoTeaching: `threshold` is a logloss in nats and must be > 0. "
                f"Received: threshold={threshold}. ln 2 selects by the side of 0.5 a branch is on."
            )
        check_choice("BranchCoTeaching", "target", target, get_args(Target))
        check_choice("BranchCoTeaching", "direction", direction, get_args(Direction))
        self.threshold = float(threshold)
        self.target, self.direction = target, direction

    def call(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        check_logits_and_labels(self.name, logits, labels)
        teaches = self._teaches(logits, tf.cast(labels, logits.dtype))
        teacher_prob = tf.stop_gradient(tf.sigmoid(logits))[:, :, tf.newaxis]
        student_logit = logits[:, tf.newaxis, :]
        if self.target == "soft":
            pair_loss = _bce(teacher_prob, student_logit)  # (batch, teacher, student)
        else:
            pair_loss = teacher_prob * tf.nn.softplus(-student_logit)
        # Masks, not boolean_mask: shapes stay static, so the layer compiles under XLA.
        return tf.math.divide_no_nan(
            tf.reduce_sum(teaches * pair_loss), global_sum(tf.reduce_sum(teaches))
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "target": self.target,
            "direction": self.direction,
        }

    def _teaches(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """m of shape (batch, teacher, student): 1.0 where the first teaches the second."""
        if self.direction == "all":
            num_branches = logits.shape[1]
            others = 1.0 - tf.eye(num_branches, dtype=logits.dtype)
            return tf.ones_like(logits)[:, :, tf.newaxis] * others
        logloss = _bce(labels, logits)  # (batch, branch)
        strong = tf.cast(logloss < self.threshold, logits.dtype)
        weak = tf.cast(logloss > self.threshold, logits.dtype)
        teacher, student = (strong, weak) if self.direction == "strong_to_weak" else (weak, strong)
        return teacher[:, :, tf.newaxis] * student[:, tf.newaxis, :]


def _bce(target: tf.Tensor, logit: tf.Tensor) -> tf.Tensor:
    """Binary cross-entropy from logits; the arguments broadcast."""
    return tf.nn.softplus(logit) - target * logit
