"""Typed configuration: unknown keys and wrong values become one sentence that says the remedy."""

from collections.abc import Mapping
from typing import Any, TypeVar

import pydantic

from features.errors import ConfigError, closest


class StrictModel(pydantic.BaseModel):
    """A piece of configuration: immutable, and every key in it is known."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=StrictModel)


def parse(model: type[Model], mapping: Any, where: str, section: str = "") -> Model:
    """Reads a mapping, as YAML gives it, into a `StrictModel`.

    Args:
        model: What to read it into.
        mapping: Received content.
        where: File name, or whatever tells the user where the content stands.
        section: Dotted path of `mapping` inside that file, such as `train`.

    Raises:
        ConfigError: A sentence on the first problem: where it stands, what was received, what
            would be accepted.
    """
    if not isinstance(mapping, Mapping):
        at = f"{where}: {section}" if section else where
        raise ConfigError(f"{at} must be a mapping of settings. Received: {mapping!r}.")
    try:
        return model.model_validate(dict(mapping))
    except pydantic.ValidationError as error:
        raise ConfigError(sentence(model, error, where, section)) from None


def sentence(
    model: type[pydantic.BaseModel], error: pydantic.ValidationError, where: str, section: str = ""
) -> str:
    """The first problem of a pydantic error, in the words of the file that the user wrote."""
    problems = error.errors()
    # A misspelt key is also a missing one: the misspelling is what the user can see.
    problem = next((each for each in problems if each["type"] == "extra_forbidden"), problems[0])
    path = [section] if section else []
    path += [str(part) for part in problem["loc"]]
    dotted = ".".join(path)
    if problem["type"] == "extra_forbidden":
        parent = ".".join(path[:-1])
        hint = closest(
            str(problem["loc"][-1]),
            known_keys(model, problem["loc"][:-1]),
            prefix=f"{parent}." if parent else "",
        )
        return f"{where}: {dotted} is not a setting. {hint}"
    if problem["type"] == "missing":
        return f"{where}: {dotted} is required. Add it."
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error" and not problem["loc"]:
        return f"{where}: {message}"
    if problem["type"] == "value_error":
        return f"{where}: {dotted}: {message}"
    return f"{where}: {dotted}: {message}. Received: {problem['input']!r}."


def known_keys(model: type[pydantic.BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The settings that stand at a place inside a model, following nested models and mappings."""
    current: Any = model
    for part in path:
        if isinstance(current, type) and issubclass(current, pydantic.BaseModel):
            field = current.model_fields.get(str(part))
            if field is None:
                return []
            current = field.annotation
        elif candidates := [
            each for each in getattr(current, "__args__", ()) if _model_in(each) is not None
        ]:
            current = candidates[-1]
        else:
            return []
    found = _model_in(current)
    return list(found.model_fields) if found else []


def _model_in(annotation: Any) -> type[pydantic.BaseModel] | None:
    """The pydantic model that an annotation such as `Model | None` speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return annotation
    for each in getattr(annotation, "__args__", ()):
        found = _model_in(each)
        if found is not None:
            return found
    return None
