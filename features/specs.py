"""What a data set declares: its features, the groups they form, the histories they come from."""

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any

import pyarrow as pa
import pydantic

from features.config import StrictModel
from features.errors import ConfigError, did_you_mean
from features.feature_spec import (
    FOUND_BY_THE_JOB,
    ROLES,
    FeatureSpec,
    Kind,
    Role,
    Transform,
)

__all__ = [
    "ROLES",
    "FeatureSet",
    "FeatureSpec",
    "Groups",
    "HistorySpec",
    "Kind",
    "NamedFeatures",
    "Role",
    "Transform",
    "VocabularySpec",
]


class HistorySpec(StrictModel):
    """Earlier events of the same key: the job collects those strictly before each example's time.

    Args:
        key: Column whose value example and events share, such as the user.
        where: Column that must be 1 in an event for it to count, such as `is_click`.
        unless: Column that must not be 1 in it: `is_click` keeps what was shown and not clicked.
        events: Name of the event log, of the source or of `data.events`, that the events are; the
            rows of the log otherwise.
    """

    key: str
    where: str | None = None
    unless: str | None = None
    events: str | None = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> "HistorySpec":
        if self.where is not None and self.where == self.unless:
            raise ValueError(
                f"`where` and `unless` both name {self.where!r}, so that no event counts. Remove "
                "one of them."
            )
        return self

    @property
    def conditions(self) -> tuple[str, ...]:
        """The columns that `where` and `unless` name."""
        return tuple(filter(None, (self.where, self.unless)))


class VocabularySpec(StrictModel):
    """How a vocabulary is made, and from which features its tokens are counted."""

    name: str
    min_count: int
    max_tokens: int | None
    num_oov_buckets: int
    counted_from: tuple[str, ...]


def _name_features(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {
        name: {**spec, "name": name} if isinstance(spec, dict) else spec
        for name, spec in value.items()
    }


# In YAML a feature's name is the key that it stands under.
NamedFeatures = Annotated[dict[str, FeatureSpec], pydantic.BeforeValidator(_name_features)]
Groups = dict[str, Annotated[tuple[str, ...], pydantic.Field(min_length=1)]]


class FeatureSet(StrictModel):
    """All features of a data set, the groups they form, and the histories they come from.

    Args:
        features: Name -> `FeatureSpec`.
        groups: Name -> features that are crossed with each other; a feature may stand in several.
        histories: Name -> `HistorySpec`.
    """

    features: NamedFeatures
    groups: Groups = {}
    histories: dict[str, HistorySpec] = {}

    @pydantic.model_validator(mode="after")
    def _check(self) -> "FeatureSet":
        if not self.inputs:
            raise ValueError("features: none has the role `input`. Declare at least one.")
        for role in ("label", "group_key", "timestamp", "weight"):
            names = [spec.name for spec in self.features.values() if spec.role == role]
            if len(names) > 1:
                raise ValueError(f"features {', '.join(names)} all have role {role}. Keep one.")
        input_names = [spec.name for spec in self.inputs]
        for group, members in self.groups.items():
            for member in members:
                if members.count(member) > 1:
                    raise ValueError(f"group {group!r} names feature {member!r} twice. Keep one.")
                if member not in input_names:
                    raise ValueError(
                        f"group {group!r} names feature {member!r}, which no input feature "
                        f"defines. {did_you_mean(member, input_names)} "
                        "Fix the name or add the feature."
                    )
        self._check_histories()
        self._check_columns()
        _ = self.vocabularies
        return self

    def _check_histories(self) -> None:
        first_of: dict[str, FeatureSpec] = {}
        for spec in self.features.values():
            if spec.kind != "sequence":
                continue
            if spec.history and spec.history not in self.histories:
                raise ValueError(
                    f"feature {spec.name!r} comes from history {spec.history!r}, which is not "
                    f"declared. {did_you_mean(spec.history, self.histories)}"
                )
            if spec.aligned in self.histories:
                raise ValueError(
                    f"sequence {spec.name!r} is `aligned: {spec.aligned}`, which `histories` "
                    f"declares: the job builds it. Rename it, or set `history: {spec.aligned}`."
                )
            if not spec.history and spec.events in self.histories:
                raise ValueError(
                    f"sequence {spec.name!r} has the name of a history, but does not come from it. "
                    f"Set `history: {spec.name}`, or rename one."
                )
            first = first_of.setdefault(spec.events, spec)
            if first.aligned != spec.aligned:
                alone = first if first.aligned is None else spec
                raise ValueError(
                    f"sequence {alone.name!r} stands alone, but another one is `aligned: "
                    f"{alone.name}`. Set it for both, or rename the history."
                )
            if spec.max_length != first.max_length:
                raise ValueError(
                    f"sequences {first.name!r} and {spec.name!r} are aligned steps of history "
                    f"{spec.events!r}, but keep {first.max_length} and {spec.max_length} of them. "
                    "Give both the same `max_length`."
                )
        if self.histories and self.timestamp is None:
            raise ValueError(
                "histories need a feature with `role: timestamp`, to know what came before."
            )

    def _check_columns(self) -> None:
        """Features that read one raw column must read it the same way."""
        first: dict[str, FeatureSpec] = {}
        for spec in self.features.values():
            other = first.setdefault(spec.raw_name, spec)
            if other.raw_type != spec.raw_type:
                raise ValueError(
                    f"features {other.name!r} and {spec.name!r} read column {spec.raw_name!r} as "
                    f"{other.raw_type} and as {spec.raw_type}. Give both the same kind."
                )
            for setting in ("separator", "drop_weights", "dimension", "null_values"):
                values = getattr(other, setting), getattr(spec, setting)
                if values[0] != values[1]:
                    raise ValueError(
                        f"features {other.name!r} and {spec.name!r} read column "
                        f"{spec.raw_name!r} with {setting} {values[0]!r} and {values[1]!r}. "
                        f"Give both the same `{setting}`."
                    )

    def with_role(self, *roles: str) -> tuple[FeatureSpec, ...]:
        """The features that have one of these roles, in the order of declaration."""
        return tuple(spec for spec in self.features.values() if spec.role in roles)

    @property
    def inputs(self) -> tuple[FeatureSpec, ...]:
        """What models see."""
        return self.with_role("input")

    def _one(self, role: str) -> FeatureSpec | None:
        return next(iter(self.with_role(role)), None)

    def required(self, role: str) -> FeatureSpec:
        """The feature of a role that what is asked for cannot do without.

        Args:
            role: A role that at most one feature has, such as `timestamp`.

        Raises:
            ConfigError: No feature has it.
        """
        spec = self._one(role)
        if spec is None:
            raise ConfigError(
                f"no feature has the role `{role}`, which is needed here. Add one: "
                f"`<name>: {{role: {role}}}`."
            )
        return spec

    @property
    def label(self) -> FeatureSpec | None:
        return self._one("label")

    @property
    def group_key(self) -> FeatureSpec | None:
        return self._one("group_key")

    @property
    def timestamp(self) -> FeatureSpec | None:
        return self._one("timestamp")

    @property
    def weight(self) -> FeatureSpec | None:
        return self._one("weight")

    @cached_property
    def aligned(self) -> dict[str, tuple[str, ...]]:
        """History -> raw names of its sequences, where it has several."""
        sequences: dict[str, list[str]] = {}
        for spec in self.inputs:
            if spec.history is not None:
                sequences.setdefault(spec.history, []).append(spec.raw_name)
        return {name: tuple(names) for name, names in sequences.items() if len(names) > 1}

    @cached_property
    def vocabularies(self) -> dict[str, VocabularySpec]:
        """Name -> how it is made.

        Tokens are counted in the feature that the vocabulary is named after. A sequence repeats
        an event in every later example, so it adds no counts of its own unless it stands alone.
        """
        users: dict[str, list[FeatureSpec]] = {}
        for spec in self.inputs:
            if spec.has_vocabulary:
                users.setdefault(spec.vocabulary, []).append(spec)
        vocabularies = {}
        for name, specs in users.items():
            if name in self.features and self.features[name].is_bucketed:
                raise ValueError(
                    f"feature {specs[0].name!r} names vocabulary {name!r}, but feature {name!r} "
                    "has buckets of that name and no tokens. Choose another name."
                )
            owners = [spec for spec in specs if spec.name == name] or specs
            for setting in ("min_count", "max_tokens", "num_oov_buckets"):
                unset = FeatureSpec.model_fields[setting].default
                values = {getattr(spec, setting) for spec in owners}
                # Elsewhere a setting may be left out, but not contradict.
                values |= {getattr(spec, setting) for spec in specs} - {unset}
                if len(values) > 1:
                    raise ValueError(
                        f"vocabulary {name!r}: its features give different values of `{setting}`: "
                        f"{', '.join(sorted(map(str, values)))}. Name one feature {name!r} and set "
                        "it only there."
                    )
            vocabularies[name] = VocabularySpec(
                name=name,
                min_count=owners[0].min_count,
                max_tokens=owners[0].max_tokens,
                num_oov_buckets=owners[0].num_oov_buckets,
                counted_from=tuple(spec.name for spec in owners),
            )
        return vocabularies

    def declared(self) -> dict[str, Any]:
        """What a configuration declares, without what the data job finds out of the columns."""
        content = self.model_dump()
        for spec in content["features"].values():
            for setting in FOUND_BY_THE_JOB:
                del spec[setting]
        return content

    def raw_schema(self, roles: Sequence[str] = ROLES) -> pa.Schema:
        """Names and types of a raw row's columns, each once, for the features of these roles."""
        fields = {spec.raw_name: spec.raw_type for spec in self.with_role(*roles)}
        return pa.schema(list(fields.items()))
