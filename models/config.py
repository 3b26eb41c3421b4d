"""The configuration of a network: one component per point of each axis, checked when read."""

import inspect
import re
import typing
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import pydantic
import tf_keras

from features.config import StrictModel
from features.errors import ConfigError, closest
from models import axes


class Component(StrictModel):
    """A class of an axis and its options: `{type: deep, units: [64, 32]}`, or just `deep`.

    Options are the arguments of the class's constructor. All of them are kept, with the class's
    default where none was given, so that a saved configuration says everything.
    """

    axis: ClassVar[axes.Axis] = {}

    type: str
    options: dict[str, Any]

    @property
    def cls(self) -> type[tf_keras.layers.Layer]:
        """The class that `type` names."""
        return self.axis[self.type]

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_flat(cls, received: Any) -> Any:
        if isinstance(received, cls):
            return received
        flat = {"type": received} if isinstance(received, str) else received
        if not isinstance(flat, Mapping) or not isinstance(flat.get("type"), str):
            raise ConfigError(
                "expected a name, or a mapping of `type` and options. "
                f"Received: {received!r}. {closest('', cls.axis)}"
            )
        own = {name for name in cls.model_fields if name != "options"}
        component = flat["type"]
        if component not in cls.axis:
            raise ConfigError(f"{component!r} is not a type. {closest(component, cls.axis)}")
        given = {name: value for name, value in flat.items() if name not in own}
        options = _read_options(cls.axis[component], given, own)
        return {**{name: flat[name] for name in own if name in flat}, "options": options}

    @pydantic.model_serializer
    def _flat(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in type(self).model_fields if name != "options"}
        return {**own, **self.options}


class BranchComponent(Component):
    """A branch."""

    axis = axes.BRANCHES


class AlignmentComponent(Component):
    """The alignment."""

    axis = axes.ALIGNMENTS


class FusionComponent(Component):
    """The fusion."""

    axis = axes.FUSIONS


class CooperationComponent(Component):
    """A cooperation loss and its weight in the total."""

    axis = axes.COOPERATION

    weight: float = pydantic.Field(ge=0.0, allow_inf_nan=False)


class EmbeddingConfig(StrictModel):
    """Width of a token, standard deviation of the initial rows, factor of the regulariser."""

    width: int = pydantic.Field(16, ge=1)
    stddev: float = pydantic.Field(1e-4, ge=0.0, allow_inf_nan=False)
    l2: float = pydantic.Field(0.0, ge=0.0, allow_inf_nan=False)


class NetworkConfig(StrictModel):
    """A network; by default MBCnet with the sizes of the paper (arXiv:2411.13057v2, 4.1.3).

    `tables` is one set that all branches share, or one per branch. Branches and cooperation
    losses are listed by a name of the user's; their `type` is that name unless given.
    """

    embedding: EmbeddingConfig = EmbeddingConfig()
    tables: Literal["shared", "per_branch"] = "shared"
    branches: dict[str, BranchComponent] = pydantic.Field(
        {"efgc": "efgc", "cross": "low_rank_cross_mixture", "deep": "deep"}, validate_default=True
    )
    alignment: AlignmentComponent = pydantic.Field("shared_mlp", validate_default=True)
    heads: Literal["all", "fused"] = "all"
    fusion: FusionComponent = pydantic.Field("mean", validate_default=True)
    cooperation: dict[str, CooperationComponent] = pydantic.Field(
        {"co_teaching": {"weight": 0.1}, "moderate_differentiation": {"weight": 0.1}},
        validate_default=True,
    )

    @pydantic.field_validator("branches", "cooperation", mode="before")
    @classmethod
    def _type_from_name(cls, received: Any) -> Any:
        if not isinstance(received, Mapping):
            return received
        for name in received:
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", str(name)):
                raise ConfigError(
                    f"{name!r} cannot be a name: use letters, digits and _, a letter first."
                )
        return {
            name: {"type": name, **(value or {})}
            if value is None or isinstance(value, Mapping)
            else value
            for name, value in received.items()
        }

    @pydantic.model_validator(mode="after")
    def _fits_together(self) -> "NetworkConfig":
        if not self.branches:
            raise ConfigError(f"branches is empty. Name at least one: {', '.join(axes.BRANCHES)}.")
        if "fused" in self.branches:
            raise ConfigError("branches.fused: this name stands for the fusion. Choose another.")
        for name, loss in self.cooperation.items():
            if len(self.branches) < 2:
                raise ConfigError(
                    f"cooperation.{name} compares branches, and branches has only "
                    f"{next(iter(self.branches))!r}. Add a branch, or set cooperation to {{}}."
                )
            if "logits" in loss.cls.takes and self.heads == "fused":
                raise ConfigError(
                    f"cooperation.{name} compares the branches' logits, which heads='fused' leaves "
                    "out. Set heads to 'all', or remove the loss."
                )
        return self


def _read_options(
    component: type[tf_keras.layers.Layer], given: Mapping[str, Any], own: set[str]
) -> dict[str, Any]:
    """The constructor's arguments, checked against its signature, defaults filled in.

    Raises:
        ConfigError: An option is unknown, is filled from the data, or has a wrong type or value.
    """
    every_layer_has = inspect.signature(
        tf_keras.layers.Layer.__init__
    ).parameters  # self, name, ...
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(component.__init__).parameters.items()
        if name not in every_layer_has
    }
    annotations = typing.get_type_hints(component.__init__)
    settable = [name for name in parameters if name not in axes.INJECTED]
    for name in given:
        if name in axes.INJECTED and name in parameters:
            raise ConfigError(f"{name} comes from the data and cannot be set here. Remove it.")
        if name not in settable:
            raise ConfigError(
                f"{name} is not an option of {component.__name__}. "
                f"{closest(str(name), [*settable, *own])}"
            )
    options = {}
    for name in settable:
        value = given.get(name, parameters[name].default)
        try:
            adapter = pydantic.TypeAdapter(annotations[name])
            # As YAML would give it: a list is equal to one that was read, a tuple is not.
            options[name] = adapter.dump_python(adapter.validate_python(value), mode="json")
        except pydantic.ValidationError as error:
            problem = error.errors()[0]
            raise ConfigError(f"{name}: {problem['msg']}. Received: {value!r}.") from None
    if len(settable) == len(parameters):  # the values: nothing is missing to construct it
        try:
            component(**options)
        except ValueError as error:
            raise ConfigError(str(error)) from None
    return options
