"""Typed configuration: unknown keys and wrong values become one sentence that says the remedy."""

import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import pydantic

from features.errors import ConfigError, did_you_mean

LARGEST_COUNT = 2**31 - 1  # of steps, epochs, rows or times, where nothing else bounds them
Count = Annotated[int, pydantic.Field(ge=1, le=LARGEST_COUNT)]
CountFromZero = Annotated[int, pydantic.Field(ge=0, le=LARGEST_COUNT)]


class StrictModel(pydantic.BaseModel):
    """A piece of configuration: immutable, every key in it is known, and every number finite."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=StrictModel)


Where = str | Callable[[tuple[int | str, ...]], str]


def parse(model: type[Model], mapping: Any, where: Where, context: Any = None) -> Model:
    """Reads a mapping, as YAML gives it, into a `StrictModel`.

    Args:
        model: What to read it into.
        mapping: Received content.
        where: File name, or whatever tells the user where the content stands; or a function
            from the path of a setting to that, where the content comes from several files.
        context: What the model's validators are told, see `pydantic.ValidationInfo.context`.

    Raises:
        ConfigError: A sentence on the first problem: where it stands, what was received, what
            would be accepted.
    """
    if not isinstance(mapping, Mapping):
        at = where if isinstance(where, str) else where(())
        raise ConfigError(f"{at} must hold a mapping of settings. Received: {mapping!r}.")
    try:
        return model.model_validate(dict(mapping), context=context)
    except pydantic.ValidationError as error:
        raise ConfigError(sentence(model, error, where)) from None


def sentence(model: type[pydantic.BaseModel], error: pydantic.ValidationError, where: Where) -> str:
    """The first problem of a pydantic error, in the words of the file that the user wrote."""
    problems = error.errors()
    # A misspelt key is also a missing one: the misspelling is what the user can see.
    problem = next((each for each in problems if each["type"] == "extra_forbidden"), problems[0])
    location = problem["loc"]
    at = where if isinstance(where, str) else where(location)
    dotted = ".".join(map(str, location))
    if problem["type"] == "extra_forbidden":
        parent = "".join(f"{part}." for part in location[:-1])
        hint = did_you_mean(str(location[-1]), known_keys(model, location[:-1]), prefix=parent)
        return f"{at}: {dotted} is not a setting. {hint}"
    if problem["type"] == "missing":
        return f"{at}: {dotted} is required. Add it."
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"{at}: {dotted}: {message}" if dotted else f"{at}: {message}"
    return f"{at}: {dotted}: {message}. Received: {problem['input']!r}."


def known_keys(model: type[pydantic.BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The settings that stand at a place inside a model, following nested models and mappings."""
    current: Any = model
    for part in path:
        current = _inside(current, part)
    innermost = next(iter(_models_of(current)), None)
    fields = innermost.model_fields.items() if innermost else ()
    return [field.alias or name for name, field in fields]


def _inside(annotation: Any, part: int | str) -> Any:
    """The annotation of what stands under a key of a model, a mapping or a sequence."""
    for model in _models_of(annotation):
        if part in model.model_fields:
            return model.model_fields[str(part)].annotation
    for option in _options(annotation):
        arguments = [each for each in typing.get_args(option) if each is not Ellipsis]
        if arguments:
            return arguments[-1]  # dict[str, V], list[V], tuple[V, ...]
    return None


def _models_of(annotation: Any) -> list[type[pydantic.BaseModel]]:
    """The pydantic models that an annotation such as `Model | None` allows in this very place."""
    return [
        option
        for option in _options(annotation)
        if isinstance(option, type) and issubclass(option, pydantic.BaseModel)
    ]


def _options(annotation: Any) -> list[Any]:
    """What remains without `Annotated`, `|` and `Optional`."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _options(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [each for part in typing.get_args(annotation) for each in _options(part)]
    return [annotation]
