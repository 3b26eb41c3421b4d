"""A SavedModel that is made in a moment, and whose answers tell the version apart."""

import os
from pathlib import Path

import numpy as np
import tensorflow as tf

WORDS = ("a", "b", "c")


class Toy(tf.Module):
    """Answers bias + x + the number of known words + the sum of `pair`; refuses negative x."""

    def __init__(self, bias: float, vocabulary: str):
        super().__init__()
        self.bias = tf.Variable(bias)
        initializer = tf.lookup.TextFileInitializer(
            vocabulary, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, -1
        )
        self.table = tf.lookup.StaticHashTable(initializer, -1)

    def score(self, x, words, pair):
        known = tf.reduce_sum(tf.cast(self.table.lookup(words) >= 0, tf.float32), axis=1)
        with tf.control_dependencies([tf.debugging.assert_non_negative(x, "x is negative")]):
            return {"prob": self.bias + x + known + tf.reduce_sum(pair, axis=1), "x": x}

    def from_examples(self, examples):
        spec = {"x": tf.io.FixedLenFeature([], tf.float32, 0.0)}
        parsed = tf.io.parse_example(examples, spec)["x"]
        none = tf.zeros([tf.size(parsed), 0], tf.string)
        return self.score(parsed, none, tf.zeros([tf.size(parsed), 2]))

    def rank(self, user, x):
        return {"prob": self.bias + user + x}

    def total(self, x):
        return {"total": self.bias + tf.reduce_sum(x)}


def save(folder: Path, bias: float) -> Path:
    """Writes the SavedModel, its vocabulary beside it in the meantime."""
    vocabulary = folder.with_name(f"{folder.name}.words.txt")
    vocabulary.parent.mkdir(parents=True, exist_ok=True)
    vocabulary.write_text("\n".join(WORDS) + "\n", "utf-8")
    toy = Toy(bias, str(vocabulary))
    floats = tf.TensorSpec([None], tf.float32, "x")
    words = tf.TensorSpec([None, None], tf.string, "words")
    pair = tf.TensorSpec([None, 2], tf.float32, "pair")
    examples = tf.TensorSpec([None], tf.string, "examples")
    user = tf.TensorSpec([1], tf.float32, "user")
    trace = lambda function, *specs: tf.function(function, list(specs)).get_concrete_function()
    signatures = {
        "raw_tensors": trace(toy.score, floats, words, pair),
        "serving_default": trace(toy.from_examples, examples),
        "rank": trace(toy.rank, user, floats),
        "total": trace(toy.total, floats),
    }
    tf.saved_model.save(toy, str(folder), signatures)
    os.unlink(vocabulary)
    return folder


def request(rows: int, words: int = 2, start: float = 0.0) -> dict[str, np.ndarray]:
    """Inputs of `raw_tensors`: every second word of a row is known."""
    row = [WORDS[0].encode() if index % 2 == 0 else b"nobody" for index in range(words)]
    tokens = np.empty((rows, words), object)
    tokens[:] = row
    x = np.arange(rows, dtype=np.float32) + np.float32(start)
    return {"x": x, "words": tokens, "pair": np.full((rows, 2), 0.25, np.float32)}


def answer(inputs: dict[str, np.ndarray], bias: float) -> np.ndarray:
    """What the toy must say, in NumPy."""
    known = np.isin(inputs["words"], [word.encode() for word in WORDS]).sum(1)
    return (bias + inputs["x"] + known + inputs["pair"].sum(1)).astype(np.float32)
