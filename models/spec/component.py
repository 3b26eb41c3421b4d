"""A component of a network as the configuration spells it: a type and that class's options."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import pydantic

from features.config import CountFromZero, StrictModel
from features.errors import ConfigError, did_you_mean
from models.spec import axes
from models.spec.axes import Axis, LayerClass
from models.spec.plugins import is_import_path, load_class

if TYPE_CHECKING:  # what these import takes seconds
    from models.branches.branch import Need
    from models.cooperation import CooperationLoss
    from models.fusion.fusion import Takes as FusionInput

LARGEST_WIDTH = 65_536  # a matrix of two such sides has 17 GB
MOST_LAYERS = 256  # of one option; so are experts and heads. A graph of each takes its time
# Context of a validation, see `features.config.parse`: nothing is asked of the components' classes.
WITHOUT_CLASSES = {"classes": "not asked"}


def asks_classes(info: pydantic.ValidationInfo) -> bool:
    """Whether a validation looks at the classes of components: all of them but a first look.

    The classes are layers, and TensorFlow takes seconds to import. What can be refused without
    them is refused before, in the same words: the same validators run twice.
    """
    return info.context is not WITHOUT_CLASSES


class Component(StrictModel):
    """A class of an axis and its options: `{type: deep, units: [64, 32]}`, or just `deep`.

    Options are the arguments of the class's constructor. All of them are kept, with the class's
    default where none was given, so that a saved configuration says everything. A type with a dot
    in it is the import path of a class of the user's own (`models.spec.plugins`).
    """

    axis: ClassVar[Axis]

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
        return self.cls if hasattr(self.cls, name) else self.axis.base

    @classmethod
    def _class_of(cls, name: str) -> LayerClass:
        if not is_import_path(name):
            return cls.axis[name]
        from models.spec.plugin_contract import check_constructor

        layer_class = load_class(name)
        check_constructor(layer_class)
        cls.check(layer_class)
        return layer_class

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_flat(cls, received: Any, info: pydantic.ValidationInfo) -> Any:
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
        kind = flat["type"]
        if not is_import_path(kind) and kind not in cls.axis:
            raise ConfigError(f"{kind!r} is not a type. {did_you_mean(kind, cls.axis)}")
        options = given
        if asks_classes(info):
            from models.spec.component_options import read_options

            options = read_options(cls._class_of(kind), given, own)
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

    @classmethod
    def check(cls, layer_class: LayerClass) -> None:
        from models.spec.plugin_contract import check_branch

        check_branch(layer_class)

    copies: int = pydantic.Field(1, ge=1, le=64)
    share_weights: bool = False

    @property
    def needs(self) -> "frozenset[Need]":
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

    @classmethod
    def check(cls, layer_class: LayerClass) -> None:
        from models.spec.plugin_contract import check_alignment

        check_alignment(layer_class)


class FusionComponent(Component):
    """The fusion."""

    axis = axes.FUSIONS

    @classmethod
    def check(cls, layer_class: LayerClass) -> None:
        from models.spec.plugin_contract import check_fusion

        check_fusion(layer_class)

    @property
    def takes(self) -> "tuple[FusionInput, ...]":
        """What the fusion uses beside the representations."""
        return self._declaring("takes").takes

    @property
    def gives_logit(self) -> bool:
        """Whether the fusion returns the fused logit itself."""
        return self._declaring("gives_logit").gives_logit


class TowerComponent(Component):
    """What stands between the fusion and its logit."""

    axis = axes.TOWERS


class CooperationComponent(Component):
    """A cooperation loss and its weight in the total.

    Args:
        weight: Factor of the loss in the total.
        warmup_steps: Training steps over which that factor rises linearly from 0.
    """

    axis = axes.COOPERATION

    weight: float = pydantic.Field(ge=0.0)
    warmup_steps: CountFromZero = 0

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

    def instance(self) -> "CooperationLoss":
        """The loss layer, to ask what it takes with these options.

        Raises:
            ConfigError: It is no loss.
        """
        from models.cooperation import as_cooperation_loss
        from models.spec.plugin_contract import check_loss

        layer = self.cls(**self.options)
        check_loss(type(layer), layer.takes if hasattr(layer, "takes") else None)
        return as_cooperation_loss(layer)
