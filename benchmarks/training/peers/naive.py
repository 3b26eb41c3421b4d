"""What one writes by hand: tf_keras with an Embedding layer for each field, and Keras' Adam."""

import features  # noqa: F401  # isort: skip  (Keras 2, before TensorFlow is imported)

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras

from benchmarks.training.peer_process import serve
from benchmarks.training.workload import batches, read_batches


class NaiveTrainer:
    """A functional Keras model.

    Args:
        spec: `data`, `batch`, `width` and `model`.
    """

    def __init__(self, spec: Mapping[str, Any]):
        sizes, ids, labels = read_batches(spec["data"], spec["batch"])
        tf_keras.utils.set_random_seed(0)
        inputs = {name: tf_keras.Input((), dtype="int32", name=name) for name in ids}
        normal = tf_keras.initializers.RandomNormal(stddev=1e-4)
        embedded = [
            tf_keras.layers.Embedding(int(size), spec["width"], normal)(each)
            for each, size in zip(inputs.values(), sizes, strict=True)
        ]
        x0 = tf_keras.layers.Concatenate()(embedded)  # (B, D)
        hidden = x0
        for units in spec["model"]["units"]:
            hidden = tf_keras.layers.Dense(units, "relu")(hidden)
        kind = spec["model"]["kind"]
        if kind != "dnn":
            crossed = _CROSS[kind](spec["model"], x0)
            hidden = tf_keras.layers.Concatenate()([crossed, hidden])
        output = tf_keras.layers.Dense(1, "sigmoid")(hidden)
        self._model = tf_keras.Model(inputs, output)
        self._model.compile("adam", "binary_crossentropy")
        self._dataset = batches(ids, labels)
        self.settings = {
            "tensorflow": tf.__version__,
            "call": "39 Embedding layers, compile('adam'), fit",
            "weights": sum(each.shape.num_elements() for each in self._model.trainable_weights),
        }

    def train(self, steps: int) -> None:
        self._model.fit(self._dataset, steps_per_epoch=steps, epochs=1, verbose=0)


def _mixture(model: Mapping[str, Any], x0: tf.Tensor) -> tf.Tensor:
    """CrossNetMix as it is usually written: experts one after the other, then weighed."""
    layers = tf_keras.layers
    width = x0.shape[-1]
    gates = [layers.Dense(1, use_bias=False) for _ in range(model["experts"])]
    xl = x0
    for _ in range(model["layers"]):
        outputs = []
        for _ in range(model["experts"]):
            h = layers.Dense(model["rank"], "tanh", use_bias=False)(xl)
            h = layers.Dense(model["rank"], "tanh", use_bias=False)(h)
            outputs.append(x0 * layers.Dense(width)(h))
        scores = tf.nn.softmax(tf.stack([gate(xl) for gate in gates], axis=1), axis=1)  # (B, K, 1)
        xl = tf.reduce_sum(tf.stack(outputs, axis=1) * scores, axis=1) + xl
    return xl


def _full_rank(model: Mapping[str, Any], x0: tf.Tensor) -> tf.Tensor:
    xl = x0
    for _ in range(model["layers"]):
        xl = x0 * tf_keras.layers.Dense(x0.shape[-1])(xl) + xl
    return xl


_CROSS = {"mixture": _mixture, "dcnv2": _full_rank}

if __name__ == "__main__":
    serve(NaiveTrainer)
