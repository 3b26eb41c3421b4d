"""What a column is: one `FeatureSpec` a feature."""

import unicodedata
from typing import Annotated, Any, Literal

import pyarrow as pa
import pydantic

from features.config import Count, StrictModel

Kind = Literal["categorical", "numeric", "multivalued", "sequence", "embedding"]
Role = Literal["input", "label", "group_key", "timestamp", "weight"]
Transform = Literal[
    "zscore",
    "raw",
    "log",
    "piecewise",
    "log2",
    "ln_squared",
    "quantiles",
    "hour",
    "weekday",
    "weekend",
]
TimeUnit = Literal["s", "ms", "yymmddhh"]
UtcOffset = Annotated[float, pydantic.Field(ge=-24.0, le=24.0)]  # hours
NO_NAME_HAS = "\x1f"  # a control character: what the data job calls columns of its own begins so
LARGEST_SIZE = 1_000_000  # of lists, vectors and buckets
LONGEST_NAME = 200  # bytes in UTF-8: file systems take 255 for a file of tokens and its ending
ROLES: tuple[Role, ...] = ("input", "label", "group_key", "timestamp", "weight")

# Transform -> number of buckets, where the data have no say in it. Exponents of positive float32
# numbers end at 127; (ln x)^2 reaches 510 at 6 billion.
BUCKETS = {"hour": 24, "weekday": 7, "weekend": 2, "log2": 128, "ln_squared": 512}

# Settings that the data job fills in where they are not given.
FOUND_BY_THE_JOB = ("null_values", "precision")

_TRANSFORMS: dict[str, tuple[str, ...]] = {
    "numeric": ("zscore", "raw", "log", "piecewise", "log2", "ln_squared", "quantiles"),
    "categorical": ("hour", "weekday", "weekend"),
    "embedding": ("zscore",),
}
_KIND_OF_ROLE: dict[str, str] = {
    "label": "numeric",
    "weight": "numeric",
    "group_key": "categorical",
    "timestamp": "numeric",
}
# Numbers that these put into buckets have ids of their own, without a file of tokens.
_TIMES: tuple[Transform, ...] = ("hour", "weekday", "weekend")
_BUCKETING: tuple[Transform, ...] = ("log2", "ln_squared", "quantiles", *_TIMES)
# Settings that mean something for one kind only: a spec that sets them elsewhere is refused.
_ONLY_FOR: dict[str, tuple[str, ...]] = {
    "vocabulary": ("categorical", "multivalued", "sequence"),
    "min_count": ("categorical", "multivalued", "sequence"),
    "max_tokens": ("categorical", "multivalued", "sequence"),
    "num_oov_buckets": ("categorical", "multivalued", "sequence"),
    "separator": ("multivalued", "sequence", "embedding"),
    "drop_weights": ("multivalued", "sequence"),
    "max_length": ("multivalued", "sequence"),
    "history": ("sequence",),
    "aligned": ("sequence",),
    "dimension": ("embedding",),
    "num_buckets": ("numeric",),
    "default": ("numeric",),
    "precision": ("numeric",),
}


class FeatureSpec(StrictModel):
    """One column: where it comes from, what it means, and how it becomes a model input.

    Args:
        name: The feature's name; the key it is declared under. Any text of 200 bytes without a
            slash or a control character.
        kind: `categorical` (one token), `numeric`, `multivalued` (a set of tokens), `sequence`
            (tokens in time order, oldest first) or `embedding` (a given dense vector).
        role: `input` (default), or what else the column is for.
        column: Column of the raw data; the feature's name unless given.
        transform: Numeric: `zscore` (default), `raw`, `log` (the z-score of sign(x) ln(1 + |x|)),
            `piecewise` (linear between quantiles, of which networks learn a piecewise-linear
            embedding), `log2` (bucket floor(log2 x)), `ln_squared` (bucket floor((ln x)^2)) or
            `quantiles` (bucket between quantiles). Embedding: none, or `zscore` by the mean and the
            deviation of all its numbers. Categorical: `hour`, `weekday` or
            `weekend` (whether it is one) of a time given as an integer.
        unit: How an integer tells a time: `s` or `ms` since 1970, or `yymmddhh` (14102100 is
            2014-10-21, 0 h); UTC.
        utc_offset_hours: Added to the time before `hour`, `weekday` or `weekend` is taken.
        vocabulary: Features that name the same vocabulary share tokens, ids and embeddings.
        min_count: Tokens seen less often in the training rows are out of vocabulary. Set it on
            the feature that the vocabulary is named after.
        max_tokens: Keeps only the most frequent ones.
        num_oov_buckets: Ids for tokens outside the vocabulary, chosen by hash.
        separator: Splits text into tokens, or into the numbers of an embedding.
        drop_weights: What stands between a token and its weight, `":"` of `t1:0.53|t2:0.2`. The
            weight is dropped, as is a second one in front of it, and every token counts alike.
        max_length: Longest kept; of a sequence the most recent steps stay. The same in all
            sequences of a history, so that their steps stay aligned.
        history: Name of the history that the job builds this sequence from; `column` then names
            the column of the earlier events.
        aligned: Name of the history that this sequence of the data is a part of: step t of every
            sequence that names it is the same event. Where a row's lists are not equally long,
            their last tokens belong together, and the steps that a shorter one lacks are out of
            vocabulary; so a token missing at the end must be written as some token.
        dimension: Length of an embedding.
        default: Stands for a missing number (default: the mean for `zscore` and `log`, 0 for
            `raw`); buckets and `piecewise` have weights of their own for it.
        at_least: Turns a number into a label: 1 where it is at least this.
        positive: Text that the label has where it is 1; any other text is 0.
        num_buckets: How many buckets `quantiles` makes, or pieces `piecewise`.
        precision: In which serving takes the number; the data job finds `float64` where float32
            cannot tell the values of a `zscore` apart.
        null_values: Texts that mean "missing" in the column, beside the empty one; unless given,
            those of `data.format` or of the side table's `format`.
    """

    name: str
    kind: Kind
    role: Role = "input"
    column: str = ""
    transform: Transform | None = None
    unit: TimeUnit = "s"
    utc_offset_hours: UtcOffset = 0.0
    vocabulary: str = ""
    min_count: Count = 1
    max_tokens: Count | None = None
    num_oov_buckets: int = pydantic.Field(default=1, ge=1, le=LARGEST_SIZE)
    separator: str | None = None
    drop_weights: str | None = pydantic.Field(default=None, min_length=1)
    max_length: int | None = pydantic.Field(default=None, ge=1, le=LARGEST_SIZE)
    history: str | None = None
    aligned: str | None = pydantic.Field(default=None, min_length=1)
    dimension: int | None = pydantic.Field(default=None, ge=1, le=LARGEST_SIZE)
    default: pydantic.FiniteFloat | None = None
    at_least: pydantic.FiniteFloat | None = None
    positive: str | None = pydantic.Field(default=None, min_length=1)
    num_buckets: int | None = pydantic.Field(default=None, ge=2, le=LARGEST_SIZE)
    precision: Literal["float32", "float64"] = "float32"
    null_values: tuple[str, ...] = ()

    @pydantic.model_validator(mode="before")
    @classmethod
    def _fill_in(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "name" not in values:
            return values
        values = dict(values)
        role = values.get("role", "input")
        if isinstance(role, str) and role in _KIND_OF_ROLE:
            values.setdefault("kind", _KIND_OF_ROLE[role])
        values["column"] = values.get("column") or values["name"]
        if values.get("kind") in ("categorical", "multivalued", "sequence"):
            values["vocabulary"] = values.get("vocabulary") or values["name"]
        if values.get("kind") == "numeric" and role == "input":
            values["transform"] = values.get("transform") or "zscore"
        return values

    @pydantic.model_validator(mode="after")
    def _check(self) -> "FeatureSpec":
        self._check_kind()
        self._check_transform()
        self._check_other_settings()
        return self

    def _check_kind(self) -> None:
        for name in (self.name, self.vocabulary):
            # Names become files of tokens, and keys of records beside `<name>/row_lengths`.
            if "/" in name or not self.name or any(map(_is_control, name)):
                raise ValueError(
                    f"a name must not be empty, or hold a slash or a control character, got "
                    f"{name!r}. Rename it; `column` may give the raw column any name."
                )
            if len(name.encode()) > LONGEST_NAME:
                raise ValueError(
                    f"a name has at most {LONGEST_NAME} bytes, got {len(name.encode())}: "
                    f"{name[:40]!r}... Rename it; `column` may give the raw column any name."
                )
        if NO_NAME_HAS in self.column:
            raise ValueError(f"`column` must not hold {NO_NAME_HAS!r}, got {self.column!r}.")
        expected = _KIND_OF_ROLE.get(self.role)
        if expected and self.kind != expected:
            raise ValueError(
                f"a {self.role} is {expected}, got kind {self.kind}. Leave `kind` out."
            )
        for setting, kinds in _ONLY_FOR.items():
            unset = type(self).model_fields[setting].default
            if self.kind not in kinds and getattr(self, setting) != unset:
                raise ValueError(
                    f"`{setting}` is for {', '.join(kinds)} features, but this one is {self.kind}. "
                    f"Remove `{setting}`, or change the kind."
                )

    def _check_transform(self) -> None:
        allowed = _TRANSFORMS.get(self.kind, ())
        if self.transform and self.transform not in allowed:
            raise ValueError(
                f"transform {self.transform!r} does not fit a {self.kind} feature. "
                + (f"Use one of {', '.join(allowed)}." if allowed else "Remove it.")
            )
        if self.transform and self.role != "input":
            raise ValueError(
                f"`transform` is for inputs, but this is the {self.role}. Remove `transform`, or "
                "declare another feature of the same `column`."
            )

    def _check_other_settings(self) -> None:
        if self.kind in ("multivalued", "sequence") and self.max_length is None:
            raise ValueError(f"a {self.kind} feature needs `max_length`, the most tokens it keeps.")
        if self.kind == "embedding" and self.dimension is None:
            raise ValueError("an embedding feature needs `dimension`, the length of its vector.")
        if self.needs_quantiles and self.num_buckets is None:
            raise ValueError(f"transform {self.transform!r} needs `num_buckets`.")
        if self.num_buckets is not None and not self.needs_quantiles:
            raise ValueError(
                "`num_buckets` needs `transform: quantiles` or `piecewise`. Set it, or remove both."
            )
        if self.default is not None and self.transform not in ("zscore", "raw", "log"):
            raise ValueError(
                "`default` needs transform zscore, log or raw: a missing number has a bucket, or "
                "weights, of its own."
            )
        if self.unit != "s" and not self.is_time:
            raise ValueError("`unit` is for times. Set `transform: hour`, `weekday` or `weekend`.")
        if self.utc_offset_hours and self.transform not in _TIMES:
            raise ValueError("`utc_offset_hours` needs `transform: hour`, `weekday` or `weekend`.")
        if self.at_least is not None and self.role != "label":
            raise ValueError("`at_least` turns a number into a label: it needs `role: label`.")
        if self.positive is not None and (self.role != "label" or self.at_least is not None):
            raise ValueError(
                "`positive` names the text of a label that means 1: it needs `role: label`, and "
                "no `at_least` beside it."
            )
        if self.drop_weights is not None and (self.history or self.drop_weights == self.separator):
            raise ValueError(
                "`drop_weights` is what stands between a token and its weight in a column of the "
                "data: it cannot be the separator, and a history has tokens alone. Remove it."
            )
        if self.aligned is not None and self.history is not None:
            raise ValueError(
                "`aligned` names a history that the data hold as lists, `history` one that the job "
                "builds, whose sequences are aligned anyway. Keep one of them."
            )
        if self.separator == "":
            raise ValueError("`separator` must not be empty. Give the text between two tokens.")

    @pydantic.model_serializer(mode="wrap")
    def _without_unset(self, dump: pydantic.SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leaves out settings that few features have: what was written before them stays equal."""
        content: dict[str, Any] = dump(self)
        for setting in ("drop_weights", "aligned"):
            if content.get(setting) is None:
                content.pop(setting, None)
        return content

    @property
    def is_time(self) -> bool:
        """Whether the raw column holds a time as an integer."""
        return self.role == "timestamp" or self.transform in _TIMES

    @property
    def is_bucketed(self) -> bool:
        """Whether ids are numbers of buckets, so that there is no file of tokens."""
        return self.transform in _BUCKETING

    @property
    def needs_quantiles(self) -> bool:
        """Whether the transform parts numbers at quantiles of the training rows."""
        return self.transform in ("quantiles", "piecewise")

    @property
    def has_vocabulary(self) -> bool:
        """Whether ids come from a file of tokens."""
        return (
            self.role == "input"
            and self.kind in ("categorical", "multivalued", "sequence")
            and not self.is_time
        )

    @property
    def embedding_dimension(self) -> int:
        """Length of the vector of an embedding, which the checks refuse without one."""
        assert self.dimension is not None
        return self.dimension

    @property
    def padded_length(self) -> int:
        """Length of the lists of a multi-valued feature or sequence; the checks ask for one."""
        assert self.max_length is not None
        return self.max_length

    @property
    def raw_name(self) -> str:
        """Name of the column in a raw row: a sequence built from a history has none of its own."""
        return self.name if self.history else self.column

    @property
    def events(self) -> str:
        """Name of the history that a sequence is a part of; its own name where it stands alone."""
        return self.history or self.aligned or self.name

    @property
    def tensor_type(self) -> str:
        """Type of the elements of its raw tensor: `string`, `int64`, `float32` or `float64`."""
        if self.is_time:
            return "int64"
        if self.kind == "numeric":
            return self.precision
        return "float32" if self.kind == "embedding" else "string"

    @property
    def raw_type(self) -> pa.DataType:
        """Type of the column in a raw row."""
        if self.is_time:
            return pa.int64()
        return {
            "categorical": pa.string(),
            "numeric": pa.float64(),
            "multivalued": pa.list_(pa.string()),
            "sequence": pa.list_(pa.string()),
            "embedding": pa.list_(pa.float32()),
        }[self.kind]


def _is_control(character: str) -> bool:
    """Whether it is a control character, a line's end or half of a character."""
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
