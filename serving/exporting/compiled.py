"""Scoring compiled by XLA at a few fixed batch sizes, as usual at all others."""

from collections.abc import Callable, Sequence

import tensorflow as tf

Score = Callable[[dict[str, tf.Tensor]], dict[str, tf.Tensor]]


def compiled_at(score: Score, sizes: Sequence[int]) -> Score:
    """A score function that is compiled at fixed batch sizes.

    XLA compiles for one shape, and takes seconds for each. So a batch is filled up with zeros to
    the next of a few sizes, scored by the program of that size, and cut to its own rows again. Each
    size serves the batches that fill more than half of it and no smaller one; all others, an
    empty one too, run as they would without compilation.

    The programs are compiled by whoever executes the graph, when a size occurs for the first time:
    warm it up at each. It must have XLA in it, as TensorFlow's wheels do, libtensorflow in them
    included.

    Features that are given once for the whole batch, of batch 1 by their static shape, stay so.

    Args:
        score: From features (batch, ...) to outputs (batch, ...), each row for itself.
        sizes: Batch sizes to compile for, >= 1, each once.

    Returns:
        A function like `score`, whose outputs differ by rounding only.

    Raises:
        ValueError: A size is below 1 or occurs twice.
    """
    limits = sorted(sizes)
    if len(set(limits)) < len(limits) or min(limits, default=1) < 1:
        raise ValueError(
            "Compiled batch sizes must be >= 1 and differ from each other. "
            f"Received: {list(sizes)}."
        )
    if not limits:
        return score
    compiled = tf.function(score, jit_compile=True, autograph=False)

    def at(size: int, features: dict[str, tf.Tensor], rows: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = compiled({name: _filled_up(each, size) for name, each in features.items()})
        return {name: each[:rows] for name, each in outputs.items()}

    def run(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        rows = tf.shape(next(x for x in features.values() if x.shape[0] != 1))[0]
        branches = [lambda each=each: at(each, features, rows) for each in limits]
        return tf.switch_case(_program(rows, limits), [*branches, lambda: score(features)])

    return run


def _program(rows: tf.Tensor, limits: Sequence[int]) -> tf.Tensor:
    """Position of the least size that holds the rows and is filled by more than half; else n."""
    sizes = tf.constant([*limits, 0], tf.int32)
    position = tf.reduce_sum(tf.cast(sizes[:-1] < rows, tf.int32))
    return tf.where(tf.gather(sizes, position) < 2 * rows, position, len(limits))


def _filled_up(x: tf.Tensor, size: int) -> tf.Tensor:
    """Zeros behind the rows of x, up to `size` of them; what is given once stays as it is."""
    if x.shape[0] == 1:
        return x
    missing = [[0, size - tf.shape(x)[0]], *[[0, 0]] * (x.shape.rank - 1)]
    return tf.ensure_shape(tf.pad(x, missing), (size, *x.shape[1:]))
