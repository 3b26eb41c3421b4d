"""What a column of the sample holds, counted."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property

import numpy as np
import pyarrow as pa

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_MOMENT = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})"
    r"(?:[T ](?P<time>\d{2}:\d{2}(?::\d{2})?)(?P<fraction>[.,]\d+)?"
    r"(?P<zone> ?(?:Z|UTC|[+-]\d{2}:?\d{2}))?)?"
)
_WHOLE = re.compile(r"[+-]?\d{1,20}(\.0*)?")

_WHOLE_WITH_POINT = re.compile(r"^([+-]?\d+)\.0+$")
_TRUTHS = {text: text[0] in "tT" for text in ("true", "True", "TRUE", "false", "False", "FALSE")}
_MOST_TRUTHS = 4  # distinct texts


@dataclass(frozen=True)
class Facts:
    """A column: each distinct text once, and which of them stands in which row.

    Of a column of lists, `values` are the lists' tokens joined by a unit separator.

    Args:
        name: The column.
        codes: Index into `values` of each row, int64 of shape (rows,); -1 is missing.
        values: The distinct texts.
        is_list: Whether the rows are lists.
    """

    name: str
    codes: np.ndarray
    values: list[str]
    is_list: bool = False

    @cached_property
    def counts(self) -> np.ndarray:
        """How many rows have each of `values`, int64 of shape (distinct,)."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.values))

    @property
    def rows(self) -> int:
        return len(self.codes)

    @property
    def present(self) -> int:
        """Rows that are not missing."""
        return int(self.counts.sum())

    @property
    def missing(self) -> float:
        """Share of the rows."""
        return 1.0 - self.present / self.rows

    @property
    def distinct(self) -> int:
        return len(self.values)

    @cached_property
    def numbers(self) -> np.ndarray | None:
        """`values` as float64, where all are numbers."""
        if not self.values or self.is_list:
            return None
        if not all(_NUMBER.fullmatch(value) for value in self.values):
            return None
        numbers = np.array(self.values, np.float64)
        return numbers if np.abs(numbers).max() <= np.finfo(np.float32).max else None

    @cached_property
    def moments(self) -> np.ndarray | None:
        """`values` as float64 seconds since 1970, where all are ISO 8601 dates or times.

        What names no zone is UTC.
        """
        if not self.values or self.is_list or not _MOMENT.fullmatch(self.values[0]):
            return None
        moments = [_moment(value) for value in self.values]
        return None if None in moments else np.array(moments, np.float64)

    @cached_property
    def number_share(self) -> float:
        """Share of the present rows that hold a number."""
        if not self.values:
            return 0.0
        is_number = [bool(_NUMBER.fullmatch(value)) for value in self.values]
        return float(self.counts[is_number].sum() / self.present)

    @cached_property
    def is_whole(self) -> bool:
        """Whether all values are whole numbers."""
        return self.numbers is not None and all(_WHOLE.fullmatch(value) for value in self.values)

    @cached_property
    def truths(self) -> np.ndarray | None:
        """`values` as bool, where they are true and false in words, and both."""
        truths = [_TRUTHS.get(value) for value in self.values[:_MOST_TRUTHS]]
        if self.is_list or self.distinct > _MOST_TRUTHS or set(truths) != {True, False}:
            return None
        return np.array(truths, bool)

    @cached_property
    def is_binary(self) -> bool:
        """Whether the column is 0 and 1, or true and false, in every row, and both."""
        if self.present < self.rows:
            return False
        if self.truths is not None:
            return True
        return self.numbers is not None and set(self.numbers.tolist()) == {0.0, 1.0}

    def quantile(self, share: float) -> float:
        """A quantile of the rows' numbers.

        Raises:
            ValueError: The column holds no numbers.
        """
        if self.numbers is None:
            raise ValueError(
                f"column {self.name!r} holds no numbers, and a quantile is of numbers."
            )
        order = np.argsort(self.numbers, kind="stable")
        reached = np.cumsum(self.counts[order])
        place = np.searchsorted(reached, share * reached[-1])
        return float(self.numbers[order[min(place, len(order) - 1)]])


def is_number(text: str) -> bool:
    """Whether a text is a number, in decimal digits."""
    return bool(_NUMBER.fullmatch(text))


def token_of(text: str) -> str:
    """One text for all writings of a whole number: `12` for `12.0`."""
    return _WHOLE_WITH_POINT.sub(r"\1", text)


def facts_of(columns: Mapping[str, pa.Array]) -> dict[str, Facts]:
    """Facts of each column of a sample: text or lists of text, missing is null."""
    return {name: _facts(name, column) for name, column in columns.items()}


def _facts(name: str, column: pa.Array) -> Facts:
    is_list = pa.types.is_list(column.type)
    if is_list:
        rows = column.to_pylist()
        joined = [
            None if tokens is None else "\x1f".join(token or "" for token in tokens)
            for tokens in rows
        ]
        column = pa.array(joined, pa.string())
    encoded = column.dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy().astype(np.int64)
    return Facts(name, codes, encoded.dictionary.to_pylist(), is_list)


def _moment(text: str) -> float | None:
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None
    zone = (match["zone"] or "").strip().replace("UTC", "Z").replace("Z", "+00:00")
    if zone and ":" not in zone:
        zone = f"{zone[:3]}:{zone[3:]}"
    try:
        moment = datetime.fromisoformat(f"{match['day']}T{match['time'] or '00:00'}{zone}")
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.timestamp() + float((match["fraction"] or ".0").replace(",", "."))
