"""Ensemble distillation: a network learns from the soft labels of pre-trained teachers."""

import math
from typing import Any, Literal, get_args

import tensorflow as tf
import tf_keras

from models.cooperation.arguments import check_choice
from models.cooperation.cooperation_loss import CooperationLoss, LossInput
from models.replicas import global_mean

TeacherWeights = Literal["uniform", "gate"]


@tf_keras.utils.register_keras_serializable(package="concord")
class EnsembleDistillation(CooperationLoss):
    """EnKD: the network's fused logit learns from the logits of t pre-trained networks.

    With z_i the logit of teacher i, z_S that of the network, tau the temperature and bce(p, z) the
    cross-entropy of sigmoid(z) with the probability p:

        z_T  = sum_i a_i z_i
        loss = mean of bce(sigmoid(z_T / tau), z_S / tau)

    with a_i = 1 / t (`uniform`), or example by example (`gate`)

        a = softmax_i(w_i z_i + b_i),  loss = mean of bce(sigmoid(sg z_T / tau), z_S / tau)
                                            + mean of bce(label, z_T)

    with sg the stop-gradient, w and b learned and 0 at the start, where both weights agree. No
    gradient reaches a teacher.

    Reference: Zhu et al., Ensembled CTR Prediction via Knowledge Distillation, CIKM 2020,
    arXiv:2011.04106 (read as summarised: its text was not at hand).
    How the gate learns: a gate trained by the distillation term is paid for picking the teacher
    that agrees with the network already, which teaches nothing. So this term sees the weights as
    constants, and the gate is trained by the logloss of the gated teachers against the labels,
    which is part of the value of the loss.
    Departs from it: teachers are mixed as logits. Hints, that is regressions to the teachers'
    representations, are left out: a teacher here is known by its logits alone. The network's own
    loglosses are the network's.

    Example:
        >>> loss = EnsembleDistillation()
        >>> z = loss(tf.zeros((2, 1)), teacher_logits=tf.zeros((2, 3)))
        >>> round(float(z), 4)  # ln 2
        0.6931

    Args:
        temperature: tau > 0; above 1 it softens what the teachers say.
        teacher_weights: `uniform` or `gate`; with the gate the loss also `takes` the labels.
        scale_by_temperature_squared: Whether to multiply the distillation term by tau^2, which
            keeps its gradients of one size for all tau (Hinton et al., arXiv:1503.02531v1).

    Call arguments:
        logit: Float tensor (batch, 1), the network's fused logit.
        teacher_logits: Float tensor (batch, t), t >= 1.
        labels: For the gate, a tensor of 0s and 1s of shape (batch, 1).

    Returns:
        Float32 scalar: this replica's share of the mean over the global batch.

    Weights:
        gate: w and b of shape (t,), only with teacher_weights="gate".
    """

    takes: tuple[LossInput, ...] = ("logit", "teacher_logits")  # of the default
    pairwise = False
    needs_teachers = True

    def __init__(
        self,
        temperature: float = 1.0,
        teacher_weights: TeacherWeights = "uniform",
        scale_by_temperature_squared: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not 0.0 < temperature < math.inf:  # also catches nan
            raise ValueError(
                "EnsembleDistillation: `temperature` divides logits and must be finite and > 0. "
                f"Received: temperature={temperature}. 1 leaves the teachers as they are."
            )
        check_choice(
            "EnsembleDistillation", "teacher_weights", teacher_weights, get_args(TeacherWeights)
        )
        self.temperature = float(temperature)
        self.teacher_weights = teacher_weights
        self.scale_by_temperature_squared = scale_by_temperature_squared
        self.gate = None
        if teacher_weights == "gate":
            self.gate = _TeacherGate(dtype=self.dtype_policy, name="gate")
            self.takes = (*type(self).takes, "labels")

    def call(
        self, logit: tf.Tensor, teacher_logits: tf.Tensor, labels: tf.Tensor | None = None
    ) -> tf.Tensor:
        self._check(logit, teacher_logits, labels)
        teachers = tf.stop_gradient(tf.cast(teacher_logits, self.compute_dtype))
        if self.gate is None:
            ensemble, of_gate = tf.reduce_mean(teachers, axis=1, keepdims=True), 0.0
        else:
            ensemble = tf.reduce_sum(self.gate(teachers) * teachers, axis=1, keepdims=True)
            of_gate = _bce(tf.cast(labels, ensemble.dtype), ensemble)  # (B, 1)
        tau = self.temperature
        soft_label = tf.sigmoid(tf.stop_gradient(ensemble) / tau)
        of_student = _bce(soft_label, logit / tau)  # (B, 1)
        if self.scale_by_temperature_squared:
            of_student *= tau**2
        return tf.squeeze(global_mean(of_student + of_gate), axis=0)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "teacher_weights": self.teacher_weights,
            "scale_by_temperature_squared": self.scale_by_temperature_squared,
        }

    def _check(self, logit: tf.Tensor, teacher_logits: tf.Tensor, labels: tf.Tensor | None) -> None:
        if self.gate is not None and labels is None:
            raise ValueError(
                f"{self.name}: teacher_weights='gate' learns from labels (batch, 1). Received "
                "none. Pass labels=..., or set teacher_weights to 'uniform'."
            )
        columns = [logit] if labels is None else [logit, labels]
        is_matrix = len(teacher_logits.shape) == 2 and teacher_logits.shape[1]
        if not is_matrix or any(tuple(each.shape[1:]) != (1,) for each in columns):
            # (batch,) would broadcast against (batch, 1) in silence.
            received = ", ".join(str(tuple(each.shape)) for each in (*columns, teacher_logits))
            raise ValueError(
                f"{self.name}: expected logit and labels (batch, 1) and teacher_logits "
                f"(batch, num_teachers >= 1). Received, the teachers last: {received}. "
                "Use logit[:, tf.newaxis], and concatenate the teachers' logits on axis 1."
            )


class _TeacherGate(tf_keras.layers.Layer):
    """Weights (B, t) of the teachers: softmax_i(w_i z_i + b_i)."""

    def build(self, input_shape: tf.TensorShape) -> None:
        shape = (input_shape[1],)
        # Zeros: the gate starts as the plain mean, and departs from it where labels say so.
        self.kernel = self.add_weight("kernel", shape=shape, initializer="zeros")
        self.bias = self.add_weight("bias", shape=shape, initializer="zeros")
        super().build(input_shape)

    def call(self, teacher_logits: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(self.kernel * teacher_logits + self.bias)


def _bce(target: tf.Tensor, logit: tf.Tensor) -> tf.Tensor:
    return tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=logit)
