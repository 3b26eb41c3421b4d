"""What a column is: one `FeatureSpec` a feature, and the `FeatureSet` that a data set declares."""

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

import pyarrow as pa
import pydantic

from features.config import StrictModel
from features.errors import closest

Kind = Literal["categorical", "numeric", "multivalued", "sequence", "embedding"]
Role = Literal["input", "label", "group_key", "timestamp", "weight"]
Transform = Literal["zscore", "raw", "log2", "quantiles", "hour", "weekday"]
ROLES: tuple[Role, ...] = ("input", "label", "group_key", "timestamp", "weight")

_TRANSFORMS: dict[str, tuple[str, ...]] = {
    "numeric": ("zscore", "raw", "log2", "quantiles"),
    "categorical": ("hour", "weekday"),
}
_KIND_OF_ROLE: dict[str, str] = {
    "label": "numeric",
    "weight": "numeric",
    "group_key": "categorical",
    "timestamp": "numeric",
}
# Settings that mean something for one kind only: a spec that sets them elsewhere is refused.
_ONLY_FOR: dict[str, tuple[str, ...]] = {
    "vocabulary": ("categorical", "multivalued", "sequence"),
    "min_count": ("categorical", "multivalued", "sequence"),
    "max_tokens": ("categorical", "multivalued", "sequence"),
    "separator": ("multivalued", "sequence", "embedding"),
    "max_length": ("multivalued", "sequence"),
    "history": ("sequence",),
    "dimension": ("embedding",),
    "num_buckets": ("numeric",),
}


class FeatureSpec(StrictModel):
    """One column: where it comes from, what it means, and how it becomes a model input.

    Args:
        name: The feature's name; the key it is declared under.
        kind: `categorical` (one token), `numeric`, `multivalued` (a set of tokens), `sequence`
            (tokens in time order, oldest first) or `embedding` (a given dense vector).
        role: `input` (default), or what else the column is for.
        column: Column of the raw data; the feature's name unless given.
        transform: Numeric: `zscore` (default), `raw`, `log2` (bucket floor(log2 x)) or
            `quantiles`. Categorical: `hour` or `weekday` of a time given as an integer.
        unit: Unit of an integer time, seconds or milliseconds since 1970.
        utc_offset_hours: Added to the time before `hour` and `weekday` are taken.
        vocabulary: Features that name the same vocabulary share tokens, ids and embeddings.
        min_count: Tokens seen less often in the training rows are out of vocabulary. Set it on
            the feature that the vocabulary is named after.
        max_tokens: Keeps only the most frequent ones.
        num_oov_buckets: Ids for tokens outside the vocabulary, chosen by hash.
        separator: Splits text into tokens, or into the numbers of an embedding.
        max_length: Longest kept; of a sequence the most recent steps stay.
        history: Name of the history that the job builds this sequence from; `column` then names
            the column of the earlier events.
        dimension: Length of an embedding.
        default: Stands for a missing number (default: the mean for `zscore`, 0 for `raw`).
        at_least: Turns a number into a label: 1 where it is at least this.
        num_buckets: How many buckets `quantiles` makes.
    """

    name: str
    kind: Kind
    role: Role = "input"
    column: str = ""
    transform: Transform | None = None
    unit: Literal["s", "ms"] = "s"
    utc_offset_hours: float = 0.0
    vocabulary: str = ""
    min_count: int = pydantic.Field(default=1, ge=1)
    max_tokens: int | None = pydantic.Field(default=None, ge=1)
    num_oov_buckets: int = pydantic.Field(default=1, ge=1)
    separator: str | None = None
    max_length: int | None = pydantic.Field(default=None, ge=1)
    history: str | None = None
    dimension: int | None = pydantic.Field(default=None, ge=1)
    default: float | None = None
    at_least: float | None = None
    num_buckets: int | None = pydantic.Field(default=None, ge=2)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _fill_in(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "name" not in values:
            return values
        values = dict(values)
        role = values.get("role", "input")
        if role in _KIND_OF_ROLE:
            values.setdefault("kind", _KIND_OF_ROLE[role])
        values["column"] = values.get("column") or values["name"]
        if values.get("kind") in ("categorical", "multivalued", "sequence"):
            values["vocabulary"] = values.get("vocabulary") or values["name"]
        if values.get("kind") == "numeric" and role == "input":
            values["transform"] = values.get("transform") or "zscore"
        return values

    @pydantic.model_validator(mode="after")
    def _check(self) -> "FeatureSpec":
        expected = _KIND_OF_ROLE.get(self.role)
        if expected and self.kind != expected:
            raise ValueError(
                f"a {self.role} is {expected}, got kind {self.kind}. Leave `kind` out."
            )
        for setting, kinds in _ONLY_FOR.items():
            if self.kind not in kinds and getattr(self, setting) not in (None, "", 1):
                raise ValueError(
                    f"`{setting}` is for {', '.join(kinds)} features, but this one is {self.kind}. "
                    f"Remove `{setting}`, or change the kind."
                )
        allowed = _TRANSFORMS.get(self.kind, ())
        if self.transform and self.transform not in allowed:
            raise ValueError(
                f"transform {self.transform!r} does not fit a {self.kind} feature. "
                + (f"Use one of {', '.join(allowed)}." if allowed else "Remove it.")
            )
        if self.kind in ("multivalued", "sequence") and self.max_length is None:
            raise ValueError(f"a {self.kind} feature needs `max_length`, the most tokens it keeps.")
        if self.kind == "embedding" and self.dimension is None:
            raise ValueError("an embedding feature needs `dimension`, the length of its vector.")
        if self.transform == "quantiles" and self.num_buckets is None:
            raise ValueError("transform 'quantiles' needs `num_buckets`.")
        if self.at_least is not None and self.role != "label":
            raise ValueError("`at_least` turns a number into a label: it needs `role: label`.")
        if self.separator == "":
            raise ValueError("`separator` must not be empty. Give the text between two tokens.")
        return self

    @property
    def is_time(self) -> bool:
        """Whether the raw column holds a time as an integer."""
        return self.role == "timestamp" or self.transform in ("hour", "weekday")

    @property
    def has_vocabulary(self) -> bool:
        """Whether ids come from a file of tokens."""
        return (
            self.role == "input"
            and self.kind in ("categorical", "multivalued", "sequence")
            and not self.is_time
        )

    @property
    def raw_name(self) -> str:
        """Name of the column in a raw row: a sequence built from a history has none of its own."""
        return self.name if self.history else self.column

    @property
    def raw_type(self) -> pa.DataType:
        """Type of the column in a raw row."""
        if self.is_time:
            return pa.int64()
        return {
            "categorical": pa.string(),
            "numeric": pa.float32(),
            "multivalued": pa.list_(pa.string()),
            "sequence": pa.list_(pa.string()),
            "embedding": pa.list_(pa.float32()),
        }[self.kind]


class HistorySpec(StrictModel):
    """Earlier events of the same key: the job collects those strictly before each example's time.

    Args:
        key: Column whose value example and events share, such as the user.
        where: Column that must be 1 in an event for it to count, such as `is_click`.
    """

    key: str
    where: str | None = None


class VocabularySpec(StrictModel):
    """How a vocabulary is made, and from which features its tokens are counted."""

    name: str
    min_count: int
    max_tokens: int | None
    num_oov_buckets: int
    counted_from: tuple[str, ...]


class FeatureSet(StrictModel):
    """All features of a data set, the groups they form, and the histories they come from.

    Args:
        features: Name -> `FeatureSpec`.
        groups: Name -> features that are crossed with each other; a feature may stand in several.
        histories: Name -> `HistorySpec`.
    """

    features: dict[str, FeatureSpec]
    groups: dict[str, Annotated[tuple[str, ...], pydantic.Field(min_length=1)]] = {}
    histories: dict[str, HistorySpec] = {}

    @pydantic.field_validator("features", mode="before")
    @classmethod
    def _name_features(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            name: {**spec, "name": name} if isinstance(spec, dict) else spec
            for name, spec in value.items()
        }

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
                if member not in input_names:
                    raise ValueError(
                        f"group {group!r} names feature {member!r}, which no input feature "
                        f"defines. {closest(member, input_names)} Fix the name or add the feature."
                    )
        for spec in self.features.values():
            if spec.history and spec.history not in self.histories:
                raise ValueError(
                    f"feature {spec.name!r} comes from history {spec.history!r}, which is not "
                    f"declared. {closest(spec.history, self.histories)}"
                )
        if self.histories and self.timestamp is None:
            raise ValueError(
                "histories need a feature with `role: timestamp`, to know what came before."
            )
        types: dict[str, tuple[str, pa.DataType]] = {}
        for spec in self.features.values():
            other, received = types.setdefault(spec.raw_name, (spec.name, spec.raw_type))
            if received != spec.raw_type:
                raise ValueError(
                    f"features {other!r} and {spec.name!r} read column {spec.raw_name!r} as "
                    f"{received} and as {spec.raw_type}. Give both the same kind."
                )
        _ = self.vocabularies
        return self

    def with_role(self, *roles: str) -> tuple[FeatureSpec, ...]:
        """The features that have one of these roles, in the order of declaration."""
        return tuple(spec for spec in self.features.values() if spec.role in roles)

    @property
    def inputs(self) -> tuple[FeatureSpec, ...]:
        """What models see."""
        return self.with_role("input")

    def _one(self, role: str) -> FeatureSpec | None:
        return next(iter(self.with_role(role)), None)

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
    def vocabularies(self) -> dict[str, VocabularySpec]:
        """Name -> how it is made.

        Tokens are counted in the feature that the vocabulary is named after. A sequence repeats
        an event in every later example, so it adds no counts of its own unless it stands alone.
        """
        users: dict[str, list[FeatureSpec]] = {}
        for spec in self.inputs:
            if spec.has_vocabulary:
                users.setdefault(spec.vocabulary, []).append(spec)
        found = {}
        for name, specs in users.items():
            owners = [spec for spec in specs if spec.name == name] or specs
            for setting in ("min_count", "max_tokens", "num_oov_buckets"):
                values = {getattr(spec, setting) for spec in owners}
                if len(values) > 1:
                    raise ValueError(
                        f"vocabulary {name!r}: its features give different values of `{setting}`: "
                        f"{sorted(map(str, values))}. Name one feature {name!r} and set it there."
                    )
            found[name] = VocabularySpec(
                name=name,
                min_count=owners[0].min_count,
                max_tokens=owners[0].max_tokens,
                num_oov_buckets=owners[0].num_oov_buckets,
                counted_from=tuple(spec.name for spec in owners),
            )
        return found

    def raw_schema(self, roles: Sequence[str] = ROLES) -> pa.Schema:
        """Names and types of a raw row's columns, each once, for the features of these roles."""
        fields = {spec.raw_name: spec.raw_type for spec in self.with_role(*roles)}
        return pa.schema(list(fields.items()))
