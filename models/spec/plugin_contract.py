"""What a class must look like to stand on an axis, checked before anything is built."""

import inspect
from collections.abc import Sequence
from typing import get_args

import tf_keras

from features.errors import ConfigError, did_you_mean
from models.branches.branch import Branch, Takes
from models.cooperation.cooperation_loss import LossInput


def check_constructor(cls: type[tf_keras.layers.Layer]) -> None:
    """Refuses a class whose constructor does not take `name`, as that of every layer does.

    Raises:
        ConfigError: Says what is missing.
    """
    parameters = inspect.signature(cls.__init__).parameters
    takes_any = any(item.kind is item.VAR_KEYWORD for item in parameters.values())
    if not takes_any and "name" not in parameters:
        raise ConfigError(
            f"{cls.__name__}.__init__ must accept **kwargs and pass them to super().__init__, for "
            "the name and the dtype that every layer has."
        )


def check_branch(cls: type[tf_keras.layers.Layer]) -> None:
    """Refuses a class that cannot be a branch.

    Raises:
        ConfigError: Says what it should have.
    """
    takes = cls.takes if hasattr(cls, "takes") else Branch.takes
    if takes not in get_args(Takes):
        raise ConfigError(
            f"{cls.__name__} is no branch: its class attribute `takes` is {takes!r}. Expected one "
            f"of {', '.join(get_args(Takes))}."
        )
    if issubclass(cls, Branch) and cls.interact is Branch.interact and cls.call is Branch.call:
        raise ConfigError(
            f"{cls.__name__} must define interact(self, x, training), which returns a "
            "representation of shape (batch, units)."
        )


def check_loss(cls: type[tf_keras.layers.Layer], takes: object) -> None:
    """Refuses a class that cannot be a cooperation loss.

    Args:
        cls: Class that a configuration names.
        takes: Class attribute `takes` of `cls`; None where it has none.

    Raises:
        ConfigError: Says what it should have.
    """
    if not isinstance(takes, (tuple, list)) or not takes:
        raise ConfigError(
            f"{cls.__name__} is no cooperation loss: its attribute `takes` must be a tuple of the "
            f'names of what it is called with, such as takes = ("logits",). Received: {takes!r}. '
            f"Known names: {', '.join(get_args(LossInput))}."
        )
    for name in takes:
        if name not in get_args(LossInput):
            raise ConfigError(
                f"{cls.__name__}.takes names {name!r}, which the network does not have. "
                f"{did_you_mean(str(name), get_args(LossInput))}"
            )
    _check_call(cls, takes[1:])


def check_fusion(cls: type[tf_keras.layers.Layer]) -> None:
    """Refuses a class that is not called as fusions are.

    Raises:
        ConfigError: Says how they are called.
    """
    _check_call(cls, ("logits", "gate_input"))


def check_alignment(cls: type[tf_keras.layers.Layer]) -> None:
    """Refuses a class that is not called as alignments are.

    Raises:
        ConfigError: Says how they are called.
    """
    _check_call(cls, ("names",))


def _check_call(cls: type[tf_keras.layers.Layer], named: Sequence[str]) -> None:
    """One argument by position, the others by name."""
    try:
        inspect.signature(cls.call).bind(None, None, **dict.fromkeys(named))
    except TypeError as error:
        arguments = ", ".join(["x", *(f"{name}=..." for name in named)])
        raise ConfigError(
            f"{cls.__name__}.call must take what it is called with, call({arguments}): {error}."
        ) from None
