"""Classes of the user's own, named in a configuration by their import path."""

import importlib
import os
from typing import TYPE_CHECKING

from features.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    import tf_keras

ALLOWED = "CONCORD_PLUGINS"  # environment: root packages, separated by commas


def is_import_path(name: str) -> bool:
    """Whether a `type` is an import path, such as `my_layers.gates.Gated`."""
    return "." in name


def load_class(path: str) -> "type[tf_keras.layers.Layer]":
    """The layer class at an import path, from an allowed root package only.

    A configuration file must not be able to run code that its reader did not choose: what may be
    imported is said outside of it, by the environment variable `CONCORD_PLUGINS`.

    Example:
        >>> load_class("models.branches.Deep").__name__
        'Deep'

    Args:
        path: Modules and class, separated by dots.

    Raises:
        ConfigError: The root is not allowed, or there is no such class, or it is no layer.
    """
    import tf_keras  # takes seconds

    module_name, _, class_name = path.rpartition(".")
    root = path.partition(".")[0]
    allowed = ["models", *filter(None, os.environ.get(ALLOWED, "").replace(" ", "").split(","))]
    if not all(part.isidentifier() for part in path.split(".")):
        raise ConfigError(f"{path!r} is not an import path. Write it like my_layers.gates.Gated.")
    if root not in allowed:
        raise ConfigError(
            f"{path!r} may not be imported: the package {root!r} is not allowed. If you trust it, "
            f"set the environment variable {ALLOWED}={','.join([*allowed[1:], root])} and make "
            "sure that Python finds it (PYTHONPATH)."
        )
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and f"{module_name}.".startswith(
            f"{error.name}."
        ):
            raise ConfigError(
                f"{path!r} cannot be imported: there is no module {error.name!r}. Fix the path, or "
                "put the folder that holds it on PYTHONPATH."
            ) from None
        raise ConfigError(
            f"{path!r} cannot be imported: {type(error).__name__}: {error}. See it whole with "
            f'python -c "import features, {module_name}"'
        ) from error
    layer_class = getattr(module, class_name, None)
    layers = [
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, tf_keras.layers.Layer)
    ]
    if layer_class is None:
        raise ConfigError(
            f"module {module_name!r} has no class {class_name!r}. "
            f"{did_you_mean(class_name, layers)}"
        )
    if not (isinstance(layer_class, type) and issubclass(layer_class, tf_keras.layers.Layer)):
        raise ConfigError(
            f"{path!r} is no tf_keras layer. Derive the class from tf_keras.layers.Layer."
        )
    return layer_class
