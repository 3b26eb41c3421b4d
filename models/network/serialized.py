"""A network as a configuration that Keras can store, and back."""

from collections.abc import Mapping
from typing import Any, Protocol

import tf_keras

from models.alignment import Alignment
from models.network.wiring import Wired


class Serializable(Wired, Protocol):
    """What is stored of a network; `CooperativeNetwork` says what each is."""

    name: str
    alignment: Alignment
    tower: tf_keras.layers.Layer | None
    dense_l2: float
    term_weights: Mapping[str, float]
    warmup_steps: Mapping[str, int]
    base_rate: float


def serialized(network: Serializable) -> dict[str, Any]:
    """What `deserialized` reads. Teachers are no part of it."""
    serialize = tf_keras.layers.serialize
    # A layer that stands under several names is written once.
    layers = list({id(branch): branch for branch in network.branches.values()}.values())
    positions = {id(layer): i for i, layer in enumerate(layers)}
    return {
        "name": network.name,
        "embeddings": serialize(network.embeddings),
        "branch_layers": [serialize(layer) for layer in layers],
        "branches": [(name, positions[id(branch)]) for name, branch in network.branches.items()],
        "alignment": serialize(network.alignment),
        "fusion": serialize(network.fusion),
        "cooperation": [
            [name, serialize(loss), network.term_weights[name]]
            for name, loss in network.cooperation_losses.items()
        ],
        "heads": network.heads,
        "tower": None if network.tower is None else serialize(network.tower),
        "embedding_sets": {name: list(sets) for name, sets in network.embedding_sets.items()},
        "gate_table": network.gate_table,
        "logloss_weights": dict(network.logloss_weights),
        "warmup_steps": dict(network.warmup_steps),
        "base_rate": network.base_rate,
        "projections": {name: serialize(layer) for name, layer in network.projections.items()},
        "dense_l2": network.dense_l2,
    }


def deserialized(
    config: Mapping[str, Any], custom_objects: Mapping[str, type] | None
) -> dict[str, Any]:
    """The arguments of the network that `serialized` was given."""
    config = dict(config)

    def layer(stored: Mapping[str, Any]) -> tf_keras.layers.Layer:
        return tf_keras.layers.deserialize(stored, custom_objects)

    branch_layers = [layer(stored) for stored in config.pop("branch_layers")]
    tower = config["tower"]
    return {
        **config,
        "embeddings": layer(config["embeddings"]),
        "branches": {name: branch_layers[i] for name, i in config["branches"]},
        "alignment": layer(config["alignment"]),
        "fusion": layer(config["fusion"]),
        "cooperation": {
            name: (layer(loss), weight) for name, loss, weight in config["cooperation"]
        },
        "tower": None if tower is None else layer(tower),
        "projections": {
            name: layer(stored) for name, stored in config.get("projections", {}).items()
        },
    }
