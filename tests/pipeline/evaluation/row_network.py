"""A network that needs no training, for tests of what reads networks."""

import tensorflow as tf
import tf_keras

from models.network.outputs import NetworkOutputs

BRANCHES = ("up", "down", "bend")


class RowNetwork(tf_keras.Model):
    """Outputs that are functions of the row's number: easy to compute a second time."""

    widths = None

    def __init__(self, branch_names=BRANCHES, has_logits=True, has_weights=True):
        super().__init__()
        self.branch_names, self.has_logits, self.has_weights = branch_names, has_logits, has_weights
        self.traces = 0

    def call(self, features, training=None):
        assert training is False
        self.traces += 1
        row = tf.cast(features["row"], tf.float32)[:, tf.newaxis]
        each = tf.concat([row, -2.0 * row, tf.sin(row)], axis=1)[:, : len(self.branch_names)]
        return NetworkOutputs(
            logit=row / 8.0,
            branch_logits=each if self.has_logits else None,
            representations=tf.stack([each, 1000.0 + tf.cos(each)], axis=2),
            fusion_weights=tf.nn.softmax(each) if self.has_weights else None,
        )


class PredictingNetwork(RowNetwork):
    """As a network that validates after each epoch."""

    def predict_step(self, inputs):
        outputs = self(inputs[0], training=False)
        return {"logit": outputs.logit[:, 0], "branch_logits": outputs.branch_logits}
