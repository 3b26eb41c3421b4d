"""Which columns are label, group key and time, and which one is the item."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from features.errors import DataError, did_you_mean
from pipeline.inspection.column_names import (
    ID,
    ITEMS,
    RATINGS,
    TIME,
    USERS,
    hints,
    is_unnamed,
    label_rank,
    preference,
    words,
)
from pipeline.inspection.facts import Facts

# First and last plausible moment, 1990 and 2040, in seconds.
_FIRST, _LAST = 631_152_000, 2_208_988_800
# 2000 and 2030: of a column without a name, whose other numbers would leave these bounds.
_RECENT = (946_684_800, 1_893_456_000)
_FEWEST_ROWS_OF_A_USER = 1.2
_YES = {"yes", "y", "t", "pos", "positive", "click", "clicked", "1", "buy", "bought", "like"}
_UNLIKELY = 1_000  # rank of a column that is named like no label
# Whose dates are of a user or an item, and not of a row.
_OF_OTHERS = {
    *("birth", "birthday", "birthdate", "dob", "release", "released", "register", "registered"),
    *("registration", "signup", "upload", "uploaded", "publish", "published", "expire", "expiry"),
    *("join", "joined", "since", "until", "first", "opened", "launch", "launched"),
}


@dataclass(frozen=True)
class Label:
    """The column to predict.

    Args:
        column: Name of the column.
        at_least: Number from which on the label is 1, where it is not 0 or 1.
        others: Columns that could be meant too.
        positive: Text of the label where it is 1, where it is one of two texts.
        is_guess: Whether nothing but its values says so: it is named like no label.
    """

    column: str
    at_least: float | None
    others: tuple[str, ...]
    positive: str | None = None
    is_guess: bool = False


@dataclass(frozen=True)
class Time:
    """The column of a row's moment.

    Args:
        column: Name of the column.
        unit: Unit of its numbers, as in a feature's settings.
        others: Columns that hold times too.
        has_hours: Whether it tells more than the day.
    """

    column: str
    unit: str
    others: tuple[str, ...]
    has_hours: bool = True


def find_label(facts: Mapping[str, Facts], given: str | None = None) -> Label:
    """The label: the given column, or what is 0 and 1 and named like one, or the first such.

    Args:
        facts: Facts of every column.
        given: Name of the column that the user chose.

    Raises:
        DataError: No column can be it.
    """
    if given is not None and given not in facts:
        raise DataError(
            f"there is no column {given!r} to be the label. {did_you_mean(given, facts)}"
        )
    binary = [name for name, column in facts.items() if column.is_binary]
    if given is None:
        ranked = sorted(binary, key=lambda name: (_rank(name), binary.index(name)))
        if ranked and (_rank(ranked[0]) < _UNLIKELY or not _ratings(facts)):
            guess = len(facts) > 1 and _rank(ranked[0]) >= _UNLIKELY
            return Label(ranked[0], None, tuple(ranked[1:]), is_guess=guess)
        given = next(iter(_ratings(facts)), None)
    if given is None:
        texts = sorted((name for name in facts if _two_texts(facts[name])), key=_rank)
        given = next((name for name in texts if _rank(name) < _UNLIKELY), None)
    if given is None:
        raise DataError(
            f"no column holds 0 and 1 in every row, so none can be the label{_near(facts)}. Name a "
            "column of numbers with --label: it becomes 1 from a number on, which the proposal "
            "says; a log of positives only needs data.negatives (docs/data_sets.md)."
        )
    others = tuple(name for name in binary if name != given)
    if given in binary:
        return Label(given, None, others)
    chosen = facts[given]
    if _two_texts(chosen):
        return Label(given, None, others, _positive(chosen))
    read = np.asarray([] if chosen.numbers is None else chosen.numbers, np.float32)
    numbers = np.unique(read)
    if chosen.present < chosen.rows or len(numbers) < 2:
        raise DataError(
            f"column {given!r} cannot be the label: it must hold two numbers or more, in every "
            f"row. It has {chosen.distinct:,} values and is missing in {100 * chosen.missing:.3g} "
            "% of the rows."
        )
    # The number that puts the rows as nearly as it can into halves.
    shares = [chosen.counts[read >= number].sum() / chosen.rows for number in numbers[1:]]
    best = int(np.argmin(np.abs(np.array(shares) - 0.5)))
    return Label(given, float(numbers[1 + best]), others)


def labels_of(facts: Facts, label: Label) -> np.ndarray:
    """0.0 or 1.0 of each row, float64 of shape (rows,)."""
    if label.positive is not None:
        positive = np.array([value == label.positive for value in facts.values], np.float64)
        return positive[facts.codes]
    if facts.truths is not None:
        return facts.truths.astype(np.float64)[facts.codes]
    threshold = 0.5 if label.at_least is None else label.at_least
    return (np.asarray(facts.numbers, np.float32) >= np.float32(threshold)).astype(np.float64)[
        facts.codes
    ]


def _two_texts(facts: Facts) -> bool:
    """Whether every row has one of two texts, at least one of which is no number."""
    return facts.distinct == 2 and facts.present == facts.rows and facts.numbers is None


def _positive(facts: Facts) -> str:
    """Of two texts the one that says yes, such as `clicked`; else the rarer one."""
    said = [value for value in facts.values if value.strip().lower() in _YES]
    return said[0] if len(said) == 1 else facts.values[int(np.argmin(facts.counts))]


def find_time(facts: Mapping[str, Facts]) -> Time | None:
    """The time: ISO dates, or numbers that are moments, in every row; by its name, or the finest.

    A date of a user or an item, such as a birthday, is no time of a row.
    """
    units = {
        name: unit for name, column in facts.items() if (unit := time_unit(column)) is not None
    }
    full = [
        name
        for name in units
        if facts[name].present == facts[name].rows and not hints(name, _OF_OTHERS)
    ]
    if not full:
        return None
    full.sort(key=lambda name: (not hints(name, TIME), -facts[name].distinct))
    others = tuple(name for name in units if name != full[0] and not hints(name, _OF_OTHERS))
    moments = facts[full[0]].moments
    return Time(
        full[0], units[full[0]], others, has_hours=moments is None or bool((moments % 86_400).any())
    )


def time_unit(facts: Facts) -> str | None:
    """Unit of a column of moments; None where it holds other things."""
    if facts.distinct < 2:
        return None
    if facts.moments is not None:
        has_fractions = bool((facts.moments % 1.0).any())
        return "ms" if has_fractions else "s"
    if facts.numbers is None:
        return None
    low, high = facts.numbers.min(), facts.numbers.max()
    named = hints(facts.name, TIME)
    for unit, scale in (("s", 1), ("ms", 1000)):
        # Other numbers of ten digits are many; of thirteen few.
        is_sure = named or (unit == "ms" and facts.is_whole)
        if _FIRST * scale <= low and high <= _LAST * scale and is_sure:
            return unit
    if not facts.is_whole:
        return None
    if is_unnamed(facts.name) and _RECENT[0] <= low and high <= _RECENT[1]:
        return "s"
    if named and not _all_dates(facts, "%Y%m%d") and _all_dates(facts, "%y%m%d%H"):
        return "yymmddhh"
    return None


def finer_unit(facts: Facts) -> str | None:
    """`microseconds` or `nanoseconds`, which no setting names, where a column counts those."""
    if not facts.is_whole or facts.numbers is None or facts.distinct < 2:
        return None
    low, high = facts.numbers.min(), facts.numbers.max()
    for unit, scale in (("microseconds", 10**6), ("nanoseconds", 10**9)):
        if _FIRST * scale <= low and high <= _LAST * scale and hints(facts.name, TIME):
            return unit
    return None


def moments_of(facts: Facts) -> np.ndarray:
    """The moment of each row of a column of times, in an order that is that of time.

    Args:
        facts: Facts of a column for which `time_unit` tells a unit.
    """
    moments = facts.numbers if facts.moments is None else facts.moments
    return np.asarray(moments, np.float64)[facts.codes]


def is_day(facts: Facts) -> bool:
    """Whether all values are days such as 20220425."""
    return facts.is_whole and _all_dates(facts, "%Y%m%d")


def find_user(facts: Mapping[str, Facts]) -> str | None:
    """The column whose rows belong together: a user's, by its name."""
    return _find_id(facts, USERS, _FEWEST_ROWS_OF_A_USER, must_be_full=True)


def find_item(facts: Mapping[str, Facts]) -> str | None:
    """The column of what is shown, by its name."""
    return _find_id(facts, ITEMS, 1.0, must_be_full=False)


def _find_id(
    facts: Mapping[str, Facts], names: tuple[str, ...], least_rows: float, must_be_full: bool
) -> str | None:
    def is_id(name: str) -> bool:
        parts = words(name)
        is_short = len(parts) == 1 or bool(set(parts) & ID)
        return bool(parts) and is_short and preference(name, names) < len(names)

    def likeness(name: str) -> tuple[int, int, int]:
        """An id of a user, `user_id`, goes before one of something of the user's."""
        others = [word for word in words(name) if word not in ID]
        return len(others), preference(name, names), -facts[name].distinct

    ids = [
        name
        for name, column in facts.items()
        if is_id(name)
        and not column.is_list
        and column.distinct > 1
        and column.present >= least_rows * column.distinct
        and (column.present == column.rows or not must_be_full)
    ]
    return min(ids, key=likeness, default=None)


def _ratings(facts: Mapping[str, Facts]) -> list[str]:
    return [
        name
        for name, column in facts.items()
        if hints(name, set(RATINGS))
        and column.numbers is not None
        and column.present == column.rows
        and 2 < column.distinct <= 20
    ]


def _near(facts: Mapping[str, Facts]) -> str:
    """What keeps the column that is named like a label from being it."""
    named = [name for name in facts if _rank(name) < _UNLIKELY]
    if not named:
        return ""
    near = facts[min(named, key=_rank)]
    odd = [value for value in near.values if value not in ("0", "1", "0.0", "1.0")]
    problems = [f"has {near.distinct:,} values, such as {odd[0][:20]!r}"] if odd else []
    problems += [f"is missing in {near.rows - near.present:,} rows"] if near.missing else []
    return f": {near.name!r} {' and '.join(problems or ['is always the same'])}"


def _rank(name: str) -> int:
    rank = label_rank(name)
    return _UNLIKELY if rank is None else rank


def _all_dates(facts: Facts, form: str) -> bool:
    for value in facts.values:
        try:
            moment = datetime.strptime(value, form)
        except ValueError:
            return False
        if len(value) != 8 or not 1990 <= moment.year <= 2040:
            return False
    return True
