"""A component of a network as the configuration spells it: a type and that class's options."""

import inspect
import typing
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, TypeAlias

import pydantic
import tf_keras

from features.config import StrictModel
from features.errors import ConfigError, did_you_mean
from models.alignment import Alignment
from models.branches.branch import Branch, Need
from models.cooperation import CooperationLoss, as_cooperation_loss
from models.fusion import Fusion
from models.fusion.fusion import Takes as FusionInput
from models.layers.mlp import MLP
from models.spec import axes
from models.spec.plugin_contract import (
    check_alignment,
    check_branch,
    check_constructor,
    check_fusion,
    check_loss,
)
from models.spec.plugins import is_import_path, load_class

LARGEST_WIDTH = 65_536  # a matrix of two such sides has 17 GB
LayerClass: TypeAlias = type[tf_keras.layers.Layer]


class Component(StrictModel):
    """A class of an axis and its options: `{type: deep, units: [64, 32]}`, or just `deep`.

    Options are the arguments of the class's constructor. All of them are kept, with the class's
    default where none was given, so that a saved configuration says everything. A type with a dot
    in it is the import path of a class of the user's own (`models.spec.plugins`).
    """

    axis: ClassVar[Mapping[str, LayerClass]] = {}
    # What classes of the axis derive from; it says what a plain layer does not say of itself.
    base: ClassVar[LayerClass] = tf_keras.layers.Layer

    type: str
    options: dict[str, Any]

    @property
    def cls(self) -> LayerClass:
        """The class that `type` names."""
        return self._class_of(self.type)

    @classmethod
    def check(cls, layer_class: LayerClass) -> None:
        """Refuses a class of the user's own that cannot stand on this axis."""

    def _declaring(self, name: str) -> Any:
        """The class, or, where it does not declare `name`, the axis' base with its default."""
        return self.cls if hasattr(self.cls, name) else self.base

    @classmethod
    def _class_of(cls, name: str) -> LayerClass:
        if is_import_path(name):
            layer_class = load_class(name)
            check_constructor(layer_class)
            cls.check(layer_class)
            return layer_class
        if name not in cls.axis:
            raise ConfigError(f"{name!r} is not a type. {did_you_mean(name, cls.axis)}")
        return cls.axis[name]

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_flat(cls, received: Any) -> Any:
        if isinstance(received, cls):
            return received
        flat = {"type": received} if isinstance(received, str) else received
        if not isinstance(flat, Mapping) or not isinstance(flat.get("type"), str):
            raise ConfigError(
                "expected a name, or a mapping of `type` and options. "
                f"Received: {received!r}. {did_you_mean('', cls.axis)}"
            )
        own = {name for name in cls.model_fields if name != "options"}
        given = {name: value for name, value in flat.items() if name not in own}
        options = _read_options(cls._class_of(flat["type"]), given, own)
        return {**{name: flat[name] for name in own if name in flat}, "options": options}

    @pydantic.model_serializer
    def _flat(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in type(self).model_fields if name != "options"}
        return {**own, **self.options}


class BranchComponent(Component):
    """A branch.

    Args:
        copies: Several branches of these settings, named with _1, _2, ... behind the name.
        share_weights: Whether the copies are one set of weights, each on an embedding set of its
            own.
    """

    axis = axes.BRANCHES
    base = Branch

    @classmethod
    def check(cls, layer_class: LayerClass) -> None:
        check_branch(layer_class)

    copies: int = pydantic.Field(1, ge=1, le=64)
    share_weights: bool = False

    @property
    def needs(self) -> frozenset[Need]:
        """What the data must declare, see `Branch`."""
        return self._declaring("needs").needs

    @property
    def exposes_intermediates(self) -> bool:
        """Whether the branch shows the outputs of its layers."""
        return self._declaring("exposes_intermediates").exposes_intermediates

    @pydantic.model_serializer
    def _flat(self) -> dict[str, Any]:
        own: dict[str, Any] = {"type": self.type}
        if self.copies > 1:
            own |= {"copies": self.copies, "share_weights": self.share_weights}
        return {**own, **self.options}


class AlignmentComponent(Component):
    """The alignment."""

    axis = axes.ALIGNMENTS
    base = Alignment

    @classmethod
    def check(cls, layer_class: LayerClass) -> None:
        check_alignment(layer_class)


class FusionComponent(Component):
    """The fusion."""

    axis = axes.FUSIONS
    base = Fusion

    @classmethod
    def check(cls, layer_class: LayerClass) -> None:
        check_fusion(layer_class)

    @property
    def takes(self) -> tuple[FusionInput, ...]:
        """What the fusion uses beside the representations."""
        return self._declaring("takes").takes

    @property
    def gives_logit(self) -> bool:
        """Whether the fusion returns the fused logit itself."""
        return self._declaring("gives_logit").gives_logit


class TowerComponent(Component):
    """What stands between the fusion and its logit."""

    axis = {"mlp": MLP}
    base = MLP


class CooperationComponent(Component):
    """A cooperation loss and its weight in the total.

    Args:
        weight: Factor of the loss in the total.
        warmup_steps: Training steps over which that factor rises linearly from 0.
    """

    axis = axes.COOPERATION
    base = CooperationLoss

    weight: float = pydantic.Field(ge=0.0, allow_inf_nan=False)
    warmup_steps: int = pydantic.Field(0, ge=0)

    @pydantic.model_serializer
    def _flat(self) -> dict[str, Any]:
        own: dict[str, Any] = {"type": self.type, "weight": self.weight}
        if self.warmup_steps:
            own["warmup_steps"] = self.warmup_steps
        return {**own, **self.options}

    @property
    def needs_teachers(self) -> bool:
        """Whether the loss needs pre-trained networks."""
        return self._declaring("needs_teachers").needs_teachers

    def instance(self) -> CooperationLoss:
        """The loss layer, to ask what it takes with these options.

        Raises:
            ConfigError: It is no loss.
        """
        layer = self.cls(**self.options)
        check_loss(type(layer), layer.takes if hasattr(layer, "takes") else None)
        return as_cooperation_loss(layer)


def _read_options(component: LayerClass, given: Mapping[str, Any], own: set[str]) -> dict[str, Any]:
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


def _own_parameters(component: LayerClass) -> dict[str, inspect.Parameter]:
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
    largest = max(_whole_numbers(option), default=0)
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
