"""A small network with every kind of input and every loss on, and rows to feed it."""

from typing import Any

import numpy as np
import tensorflow as tf

from features.inputs import InputSpec
from models.network import CooperativeNetwork
from models.spec.build_network import build_network
from models.spec.network_config import NetworkConfig

INPUTS = (
    InputSpec("user", "categorical", "user", 11),
    InputSpec("age", "numeric"),
    InputSpec("item", "categorical", "item", 23),
    InputSpec("genres", "multivalued", "genres", 6, length=3),
    InputSpec("clicked", "sequence", "item", 23, length=4, history="clicks"),
    InputSpec("rating", "sequence", "rating", 5, length=4, history="clicks"),
    InputSpec("image", "dense", dimension=3),
)
GROUPS = {"pair": ["user", "item"], "taste": ["user", "genres", "clicked"]}
SETTINGS: dict[str, Any] = {
    "embedding": {"embedding_dim": 4, "stddev": 0.5, "l2": 1e-3},
    "branches": {
        "efgc": {"units": [8], "output_units": 8},
        "cross": {"type": "low_rank_cross_mixture", "rank": 3, "output_units": 8},
        "deep": {"units": [12, 8], "batch_norm": True},
    },
    "alignment": {"type": "shared_mlp", "units": [6], "activation": "tanh"},
    "cooperation": {
        "co_teaching": {"weight": 0.1},
        "moderate_differentiation": {"weight": 0.1},
        "representation_distance": {"weight": 0.1},
    },
}


def network(**settings: Any) -> CooperativeNetwork:
    return build_network(NetworkConfig(**{**SETTINGS, **settings}), INPUTS, GROUPS)


def features(rng: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    def padded(size: int, length: int) -> np.ndarray:
        ids = rng.integers(1, size, (rows, length)).astype("int32")
        return ids * (np.arange(length) < rng.integers(0, length + 1, (rows, 1))).astype("int32")

    clicked = padded(23, 4)
    return {
        "user": rng.integers(0, 11, rows).astype("int32"),
        "age": rng.normal(size=rows).astype("float32"),
        "item": rng.integers(0, 23, rows).astype("int32"),
        "genres": padded(6, 3),
        "clicked": clicked,
        "rating": (rng.integers(1, 5, (rows, 4)) * (clicked > 0)).astype("int32"),
        "image": rng.normal(size=(rows, 3)).astype("float32"),
    }


def rows(seed: int, count: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Features, labels (count,) and example weights (count,)."""
    rng = np.random.default_rng(seed)
    x = features(rng, count)
    return x, rng.integers(0, 2, count).astype("float32"), rng.uniform(0.2, 2.0, count).astype("f")


def assert_every_weight_is_moved(network: CooperativeNetwork) -> None:
    """The losses give every trainable weight a gradient that is finite and not zero."""
    with tf.GradientTape() as tape:
        loss = network.compute_loss(rows(0, 64), training=True)
    gradients = tape.gradient(loss, network.trainable_variables)
    for variable, gradient in zip(network.trainable_variables, gradients, strict=True):
        gradient = tf.convert_to_tensor(gradient).numpy()
        assert np.isfinite(gradient).all(), variable.name
        assert np.abs(gradient).max() > 0.0, variable.name
