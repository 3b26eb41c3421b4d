"""Mutual distillation: branches learn from their ensemble and from each other, by exam scores."""

from typing import Any

import tensorflow as tf
import tf_keras

from models.cooperation.arguments import check_logits_and_labels
from models.cooperation.cooperation_loss import CooperationLoss
from models.replicas import global_mean, global_sum


@tf_keras.utils.register_keras_serializable(package="concord")
class MutualDistillation(CooperationLoss):
    """KDEF (earlier EKTF): the ensemble teaches all branches, each branch its better peers' pupil.

    With p_k = sigmoid(s_k) of branch k, p_T = sigmoid(mean_k s_k) of the ensemble, y the label,
    sg the stop-gradient, and means over the examples of the global batch:

        score_k = mean(1 - |y - p_k|)
        loss    = sum_k softmin_k(score_k) mean((p_k - sg p_T)^2)
                + mean_k sum_{j != k} softmax_{j != k}(score_j - score_k) mean((p_k - sg p_j)^2)

    The ensemble teaches the weak most; of its peers a branch heeds the strong most. With two
    branches each has one peer, of weight 1.

    Reference: KDEF, arXiv:2411.16122v2, and its public code (salmon1802/KDEF at 0b2abf8,
    src/EKTF.py), which is followed: its scores are not detached, so that a branch is also moved
    by what its score makes of the weights. `detach_scores` detaches them.
    Departs from it: the third term there, mean_k logloss(p_k, y), is the network's own: heads="all"
    sums it over the branches. With n branches a weight of n gives KDEF's proportions. KDEF
    predicts p_T and has no logloss of the fusion. Its code flips 5 % of the training labels at
    random, in the loglosses and in the exam; here labels stay as they are.

    Example:
        >>> loss = MutualDistillation()
        >>> logits, labels = tf.constant([[2.0, -2.0]]), tf.constant([[1.0]])
        >>> round(float(loss(logits, labels=labels)), 4)  # 0.3808^2 + 0.7616^2
        0.725

    Args:
        detach_scores: Whether no gradient flows through the weights.

    Call arguments:
        logits: Float tensor (batch, num_branches), num_branches >= 2.
        labels: Tensor of 0s and 1s of shape (batch, 1).

    Returns:
        Float32 scalar: this replica's share of the loss of the global batch; 0 without examples.
    """

    takes = ("logits", "labels")

    def __init__(self, detach_scores: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.detach_scores = detach_scores

    def call(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        check_logits_and_labels(self.name, logits, labels)
        num_branches = logits.shape[1]
        p = tf.sigmoid(logits)
        score = global_sum(global_mean(1.0 - tf.abs(tf.cast(labels, p.dtype) - p)))  # (n,)
        if self.detach_scores:
            score = tf.stop_gradient(score)

        ensemble = tf.stop_gradient(tf.sigmoid(tf.reduce_mean(logits, axis=1, keepdims=True)))
        from_ensemble = global_mean(tf.square(p - ensemble))  # (n,)
        need = tf.nn.softmax(-score)

        peer = tf.stop_gradient(p)[:, tf.newaxis, :]
        from_peers = global_mean(tf.square(p[:, :, tf.newaxis] - peer))  # (student, peer)
        # softmax_j(score_j - score_k): score_k is the same for all j, and cancels.
        nobody_itself = -1e9 * tf.eye(num_branches, dtype=p.dtype)
        heed = tf.nn.softmax(score[tf.newaxis, :] + nobody_itself, axis=1)
        return tf.reduce_sum(need * from_ensemble) + tf.reduce_sum(heed * from_peers) / num_branches

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "detach_scores": self.detach_scores}
