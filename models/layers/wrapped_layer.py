"""What the layers have in common that put a layer of a user's own behind an axis' base class."""

from collections.abc import Mapping
from typing import Any

import tf_keras


class WrappedLayer(tf_keras.layers.Layer):
    """Stands for a layer that is not of its axis' base class, with that class's defaults.

    A subclass derives from this class and from the base of its axis, and asks `layer` for what
    that base declares. The layer sees its arguments as if it were called by itself: it casts them
    to its own dtype, under its own name.

    Args:
        layer: The layer of the user's own.
    """

    def __init__(self, layer: tf_keras.layers.Layer, **kwargs: Any):
        own = {"name": layer.name, "dtype": layer.dtype_policy, "autocast": False}
        super().__init__(**{**own, **kwargs})
        self.layer = layer

    def get_config(self) -> dict[str, Any]:
        layer = tf_keras.layers.serialize(self.layer)
        layer.pop("build_config", None)  # the shape of the first batch: a setting of nothing
        return {**super().get_config(), "layer": layer}

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, type] | None = None
    ) -> "WrappedLayer":
        layer = tf_keras.layers.deserialize(config["layer"], custom_objects)
        return cls(**{**config, "layer": layer})
