"""A network as a configuration that Keras can store, and back."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import tf_keras

if TYPE_CHECKING:
    from models.network import CooperativeNetwork


def serialized(network: "CooperativeNetwork") -> dict[str, Any]:
    """What `deserialized` reads. Teachers are no part of it."""
    serialize = tf_keras.layers.serialize
    losses = zip(network._cooperation_names, network._cooperation_layers, strict=True)
    # A layer that stands under several names is written once.
    layers = list({id(layer): layer for layer in network._branch_layers}.values())
    positions = [[id(each) for each in layers].index(id(b)) for b in network._branch_layers]
    return {
        "name": network.name,
        "embeddings": serialize(network.embeddings),
        "branch_layers": [serialize(layer) for layer in layers],
        "branches": list(zip(network.branch_names, positions, strict=True)),
        "alignment": serialize(network.alignment),
        "fusion": serialize(network.fusion),
        "cooperation": [
            [name, serialize(layer), network.term_weights[name]] for name, layer in losses
        ],
        "heads": network.heads,
        "tower": None if network.tower is None else serialize(network.tower),
        "table_sets": {name: list(each) for name, each in network.table_sets.items()},
        "gate_table": network.gate_table,
        "logloss_weights": dict(network.logloss_weights),
    }


def deserialized(
    config: Mapping[str, Any], custom_objects: Mapping[str, type] | None
) -> dict[str, Any]:
    """The arguments of the network that `serialized` was given."""
    config = dict(config)

    def layer(each) -> tf_keras.layers.Layer:
        return tf_keras.layers.deserialize(each, custom_objects)

    branch_layers = [layer(each) for each in config.pop("branch_layers")]
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
    }
