"""Branch co-teaching: on each example, branches that do well teach those that do not."""

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

import tensorflow as tf
import tf_keras

from models.cooperation.arguments import check_choice, check_logits_and_labels
from models.cooperation.cooperation_loss import CooperationLoss, LossInput
from models.replicas import global_mean, global_sum

Target = Literal["soft", "positive"]
Direction = Literal["strong_to_weak", "weak_to_strong", "all"]


@tf_keras.utils.register_keras_serializable(package="concord")
class BranchCoTeaching(CooperationLoss):
    """Distils strong branches into weak ones, example by example.

    With s[b, i] the logit of branch i on example b, p = sigmoid(s), l[b, i] that branch's own
    logloss, sg the stop-gradient and H(p) the entropy of a click with probability p:

        m[b, i, j] = 1 if l[b, i] < t[b] < l[b, j] else 0                         (Eq. 10, 11)
        loss = sum(m[b, i, j] * (bce(sg(p[b, i]), s[b, j]) - H(sg(p[b, i])))) / sum(m)

    Gradients reach students only. Where no branch can teach, the loss is 0.

    The listing has no H. It changes no gradient, and makes the loss a divergence: KL(p_i || p_j),
    0 where the student says what the teacher says. The cross-entropy alone stays near ln 2 where
    probabilities are near 0.5, whatever is learnt.

    The threshold t[b] is ln 2 in the paper: a branch is strong on the right side of 0.5. Far from
    balanced classes hardly any example has branches on both sides of it. With `prior`, t[b] is the
    logloss of the click rate r of the training rows, -log r for a click and -log(1 - r) for none: a
    branch is strong where it says more than the prior does. At r = 0.5 the two are the same.

    Reference: Chen et al., MBCnet, arXiv:2411.13057v2, section 3.4.1; `direction` after the
    variants of section 4.4.
    Departs from it: Eq. 12 keeps one of the two terms of the cross-entropy, -p_i log p_j; the
    listing, followed by default, keeps both. Eq. 12 as printed sums over ordered pairs and over
    both roles, so that it counts every selected pair twice over their number; the listing, and
    `target: positive` here, count it once: half of what is printed.
    The workshop version of the paper at WWW 2026 has not been read.

    Diagnostics: `share`, the share of examples on which one branch teaches another; `gap`, the mean
    of |p_i - p_j| over the selected pairs, 0 where there is none.

    Example:
        >>> loss = BranchCoTeaching()
        >>> loss(tf.constant([[4.0, -2.0]]), labels=tf.constant([[1.0]])).shape
        TensorShape([])

    Args:
        threshold: Logloss, in nats, below which a branch is strong and above which it is
            weak. ln 2 is the loss of a prediction of 0.5. `prior` is that of the click rate.
        target: `soft` is the divergence from the teacher's probability, `positive` its first
            term alone, p_i log(p_i / p_j) (Eq. 12), which may be below 0.
        direction: Who teaches whom: `strong_to_weak`; `weak_to_strong`, the reverse; `all`,
            every branch every other on every example, where `threshold` has no effect.

    Call arguments:
        logits: Float tensor of shape (batch, num_branches), num_branches >= 2.
        labels: Tensor of 0s and 1s of shape (batch, 1).
        base_rate: Click rate of the training rows, a scalar in (0, 1); for `prior` alone.

    Returns:
        Float32 scalar: this replica's share of the mean over the selected pairs of the
        global batch.
    """

    takes: tuple[LossInput, ...] = ("logits", "labels")  # of the default; `prior` takes more

    def __init__(
        self,
        threshold: float | Literal["prior"] = math.log(2.0),
        target: Target = "soft",
        direction: Direction = "strong_to_weak",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if threshold != "prior" and not (isinstance(threshold, (int, float)) and threshold > 0.0):
            raise ValueError(  # nan too
                "BranchCoTeaching: `threshold` is a logloss in nats and must be > 0, or 'prior'. "
                f"Received: threshold={threshold!r}. ln 2 selects by the side of 0.5 a branch is "
                "on, prior by the side of the click rate."
            )
        check_choice("BranchCoTeaching", "target", target, get_args(Target))
        check_choice("BranchCoTeaching", "direction", direction, get_args(Direction))
        self.threshold = threshold if threshold == "prior" else float(threshold)
        if threshold == "prior":
            self.takes = ("logits", "labels", "base_rate")
        self.target, self.direction = target, direction

    def call(
        self, logits: tf.Tensor, labels: tf.Tensor, base_rate: tf.Tensor | None = None
    ) -> tf.Tensor:
        check_logits_and_labels(self.name, logits, labels)
        teaches = self._teaches(logits, tf.cast(labels, logits.dtype), base_rate)
        teacher_logit = tf.stop_gradient(logits)[:, :, tf.newaxis]
        student_logit = logits[:, tf.newaxis, :]
        teacher_prob = tf.sigmoid(teacher_logit)
        loss_of = _bce if self.target == "soft" else _positive_term
        # Less the entropy: (batch, teacher, student).
        pair_loss = loss_of(teacher_prob, student_logit) - loss_of(teacher_prob, teacher_logit)
        # Masks, not boolean_mask: shapes stay static, so the layer compiles under XLA.
        return tf.math.divide_no_nan(
            tf.reduce_sum(teaches * pair_loss), global_sum(tf.reduce_sum(teaches))
        )

    def diagnostics(self, tensors: Mapping[LossInput, Any]) -> dict[str, tf.Tensor]:
        logits, labels = tensors["logits"], tensors["labels"]
        teaches = self._teaches(logits, tf.cast(labels, logits.dtype), tensors.get("base_rate"))
        prob = tf.sigmoid(logits)
        gap = tf.abs(prob[:, :, tf.newaxis] - prob[:, tf.newaxis, :])
        selected = global_sum(tf.reduce_sum(teaches))
        return {
            "share": global_mean(tf.reduce_max(teaches, axis=(1, 2))),
            "gap": tf.math.divide_no_nan(tf.reduce_sum(teaches * gap), selected),
        }

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "target": self.target,
            "direction": self.direction,
        }

    def _teaches(
        self, logits: tf.Tensor, labels: tf.Tensor, base_rate: tf.Tensor | None
    ) -> tf.Tensor:
        """m of shape (batch, teacher, student): 1.0 where the first teaches the second."""
        if self.direction == "all":
            num_branches = logits.shape[1]
            others = 1.0 - tf.eye(num_branches, dtype=logits.dtype)
            return tf.ones_like(logits)[:, :, tf.newaxis] * others
        logloss = _bce(labels, logits)  # (batch, branch)
        threshold = self.threshold
        if threshold == "prior":
            rate = tf.cast(base_rate, logits.dtype)
            # As the branches' own losses are computed: one that says the prior is at it, exactly.
            threshold = _bce(labels, tf.math.log(rate) - tf.math.log1p(-rate))  # (batch, 1)
        strong = tf.cast(logloss < threshold, logits.dtype)
        weak = tf.cast(logloss > threshold, logits.dtype)
        teacher, student = (strong, weak) if self.direction == "strong_to_weak" else (weak, strong)
        return teacher[:, :, tf.newaxis] * student[:, tf.newaxis, :]


def _bce(target: tf.Tensor, logit: tf.Tensor) -> tf.Tensor:
    """Binary cross-entropy from logits; the arguments broadcast."""
    return tf.nn.softplus(logit) - target * logit


def _positive_term(target: tf.Tensor, logit: tf.Tensor) -> tf.Tensor:
    """Its first term alone, -target log sigmoid(logit)."""
    return target * tf.nn.softplus(-logit)
