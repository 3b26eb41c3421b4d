"""The options of a component: the arguments of its class's constructor, checked against it."""

import inspect
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import pydantic
import tf_keras

from features.errors import ConfigError, did_you_mean
from models.spec import axes
from models.spec.component import LARGEST_WIDTH, MOST_LAYERS

_PARTS = ("layers", "experts", "heads")  # what options count that have one of these in their name


def read_options(
    component: type[tf_keras.layers.Layer], given: Mapping[str, Any], own: set[str]
) -> dict[str, Any]:
    """The constructor's arguments, checked against its signature, defaults filled in.

    Raises:
        ConfigError: An option is unknown, is filled from the data, or has a wrong type or value.
    """
    parameters = _own_parameters(component)
    try:
        annotations = typing.get_type_hints(component.__init__)
    except NameError as error:
        raise ConfigError(f"a type hint of {component.__name__}.__init__ fails: {error}.") from None
    settable = [name for name in parameters if name not in axes.INJECTED]
    for name in given:
        if name in axes.INJECTED and name in parameters:
            raise ConfigError(f"{name} comes from the data and cannot be set here. Remove it.")
        if name not in settable:
            raise ConfigError(
                f"{name} is not an option of {component.__name__}. "
                f"{did_you_mean(str(name), [*settable, *own])}"
            )
    options = {}
    for name in settable:
        if name not in given and parameters[name].default is inspect.Parameter.empty:
            raise ConfigError(f"{name} is required by {component.__name__}. Give it a value.")
        value = given.get(name, parameters[name].default)
        options[name] = _read_option(name, value, annotations.get(name, Any))
    injected = [parameter for name, parameter in parameters.items() if name not in settable]
    # Nothing that comes from the data is missing: the options alone make a layer.
    if all(parameter.default is not inspect.Parameter.empty for parameter in injected):
        try:
            component(**options)
        except ValueError as error:
            raise ConfigError(str(error)) from None
    return options


def _own_parameters(component: type[tf_keras.layers.Layer]) -> dict[str, inspect.Parameter]:
    """The arguments of a layer's constructor that not every layer has, by name."""
    every_layer_has = inspect.signature(
        tf_keras.layers.Layer.__init__
    ).parameters  # self, name, ...
    return {
        name: parameter
        for name, parameter in inspect.signature(component.__init__).parameters.items()
        if name not in every_layer_has
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }


def _read_option(name: str, value: Any, annotation: Any) -> Any:
    """A value as its annotation has it, lists and numbers as YAML would give them.

    Raises:
        ConfigError: It has another type, or is too large for any layer.
    """
    try:
        adapter = pydantic.TypeAdapter(annotation)
        # As YAML would give it: a list is equal to one that was read, a tuple is not.
        option = adapter.dump_python(adapter.validate_python(value), mode="json")
    except pydantic.ValidationError as error:
        problem = error.errors()[0]
        expected = problem["msg"]
        if problem["type"] in ("is_instance_of", "sequence_str", "list_type"):
            expected = "expected a list, such as [64, 32]"
        raise ConfigError(f"{name}: {expected}. Received: {value!r}.") from None
    numbers = list(_whole_numbers(option))
    parts = max(numbers, default=0) if any(part in name for part in _PARTS) else len(numbers)
    if parts > MOST_LAYERS:
        raise ConfigError(
            f"{name}: {parts:,} layers are more than {MOST_LAYERS}, the most that a network's part "
            "may have. Give fewer."
        )
    largest = max(numbers, default=0)
    if largest > LARGEST_WIDTH:
        raise ConfigError(
            f"{name}: {largest:,} is more than {LARGEST_WIDTH:,}, the most that a layer may "
            "have of anything. Give a smaller number."
        )
    return option


def _whole_numbers(value: Any) -> Iterator[int]:
    """The whole numbers of an option, also those in its lists."""
    if isinstance(value, int):
        yield value
    elif isinstance(value, Mapping):
        yield from _whole_numbers(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _whole_numbers(each)
