"""Float64 NumPy versions of the optimizers, a row at a time, and gradients to feed both."""

from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from models.optimizers import RowSlots, TableRows, mark_table

ROWS, SEGMENTS = 6, (3, 3, 1)
WIDTH = sum(SEGMENTS)
# Rows that each step reads: some again and again, some after a gap, some never; one step none.
STEPS = ([0, 1, 4], [4], [1, 0], [], [3, 4], [0, 1, 2, 3, 4], [2])


def gradients(seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Row numbers and values (rows, WIDTH) of each step."""
    rng = np.random.default_rng(seed)
    return [
        (np.array(rows, "int32"), rng.normal(size=(len(rows), WIDTH)).astype("float32"))
        for rows in STEPS
    ]


def initial_weights(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(ROWS, WIDTH)).astype("float32")


def slices(rows: np.ndarray, values: np.ndarray) -> tf.IndexedSlices:
    return tf.IndexedSlices(tf.constant(values), tf.constant(rows), tf.constant([ROWS, WIDTH]))


def packed_table(weights: np.ndarray, slots: RowSlots, segments=SEGMENTS) -> tf.Variable:
    """A marked table that holds the weights and, behind them, fresh slots."""
    layout = TableRows(tuple(segments), slots)
    state = np.full((len(weights), layout.columns - layout.weights), slots.initial, "float32")
    table = tf.Variable(np.concatenate([weights, state], axis=1))
    mark_table(table, layout)
    return table


@dataclass
class AdamOracle:
    """Adam on a matrix, with rows that a step may pass over."""

    weights: np.ndarray
    learning_rate: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    adaptive_epsilon: bool = False
    correct_skipped: bool = False
    step: int = 0
    m: np.ndarray = field(init=False)
    v: np.ndarray = field(init=False)
    last: np.ndarray = field(init=False)

    def __post_init__(self):
        self.weights = self.weights.astype("float64")
        self.m, self.v = np.zeros_like(self.weights), np.zeros_like(self.weights)
        self.last = np.zeros(len(self.weights), int)

    def __call__(self, rows, values) -> None:
        self.step += 1
        t = self.step
        for row, g in zip(rows, np.asarray(values, "float64"), strict=True):
            if self.correct_skipped:
                for _ in range(self.last[row] + 1, t):  # each step that passed it over
                    self.m[row] *= self.beta_1
                    self.v[row] *= self.beta_2
                self.last[row] = t
            self.m[row] = self.beta_1 * self.m[row] + (1 - self.beta_1) * g
            self.v[row] = self.beta_2 * self.v[row] + (1 - self.beta_2) * g**2
            m = self.m[row] / (1 - self.beta_1**t)
            root = np.sqrt(1 - self.beta_2**t)
            epsilon = self.epsilon if self.adaptive_epsilon else self.epsilon / root
            self.weights[row] -= self.learning_rate * m / (np.sqrt(self.v[row]) / root + epsilon)


@dataclass
class RowwiseAdagradOracle:
    """FBGEMM's exact row-wise Adagrad, a segment of a row at a time."""

    weights: np.ndarray
    learning_rate: float = 0.1
    initial: float = 0.0
    epsilon: float = 1e-8
    segments: tuple[int, ...] = SEGMENTS

    def __post_init__(self):
        self.weights = self.weights.astype("float64")
        self.sums = np.full((len(self.weights), len(self.segments)), self.initial)

    def __call__(self, rows, values) -> None:
        for row, g in zip(rows, np.asarray(values, "float64"), strict=True):
            start = 0
            for i, width in enumerate(self.segments):
                part = slice(start, start + width)
                self.sums[row, i] += (g[part] ** 2).sum() / width
                factor = self.learning_rate / (np.sqrt(self.sums[row, i]) + self.epsilon)
                self.weights[row, part] -= factor * g[part]
                start += width
