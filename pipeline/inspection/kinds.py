"""The kind of a column: a token, a number, several of them, or nothing to learn from."""

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from pipeline.inspection.column import Column
from pipeline.inspection.column_names import (
    ID,
    ITEM,
    QUANTITY,
    TYPE,
    USER,
    hints,
    is_history,
    is_row_number,
    numbered_kind,
    words,
)
from pipeline.inspection.facts import Facts
from pipeline.inspection.lists import list_column, tokens_of
from pipeline.inspection.notations import Notation, notation_of
from pipeline.inspection.read_sample import NULLS

FEW = 20  # distinct whole numbers that are taken for tokens
_SKEWED = 20.0  # largest number over the median
_MIN_COUNTS = (10, 5, 2)
_COUNTED = 0.9  # share of the rows; each file begins again
_RARE_ROWS = 0.1  # that may be out of vocabulary
_SENTENCE = re.compile(r"\S+\s+\S+\s+\S+")
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}\b|\d{1,2}([-/.])\d{1,2}\1\d{4}\b|\d{1,2}[- /.]?[A-Z][a-z]{2}"
    r"[a-z]*[- /.,]+\d{2,4}\b|([A-Z][a-z]{2},? )*\d{0,2} ?\d{2}:\d{2}"
)
_OTHER_DATES = "dates as text, none of a form such as 2022-04-25 12:30:00"
_LITERAL = re.compile(r"\s*(\[.*\]|\(.*\)|\{.*\})\s*", re.DOTALL)
_FEW_NOTED = 100  # distinct numbers in another notation that are taken for tokens


def propose_kind(
    facts: Facts,
    others: Mapping[str, Facts],
    user: str | None = None,
    item: str | None = None,
    is_token: bool = False,
) -> Column:
    """What is proposed for a column by its values and its name, whatever the label.

    Args:
        facts: Facts of the column.
        others: Facts of all columns.
        user: The column of the user, where there is one.
        item: The column of what is shown.
        is_token: Whether whole numbers are known to be tokens.
    """
    if not facts.values:
        return Column(facts.name, {"kind": "categorical"}, "empty").without("empty in every row")
    notation = notation_of(facts)
    tokens = tokens_of(facts) if notation is None and not _is_literal(facts) else None
    if notation is not None:
        column = _of_notation(facts, notation)
    elif tokens is not None:
        if not tokens.distinct:
            return Column(facts.name, {"kind": "categorical"}, "").without("empty in every row")
        column = list_column(facts, tokens, others, user, item)
    elif facts.is_whole and (is_token or facts.name == item):
        column = as_tokens(facts, "indices" if is_token else "numbers, of what is shown")
    elif facts.numbers is not None:
        column = _of_numbers(facts, facts.numbers)
    else:
        column = _of_texts(facts)
    if facts.distinct == 1 and facts.present == facts.rows:
        return column.without("the same in every row")
    if column.kind == "categorical" and facts.distinct == facts.rows > FEW:
        if _OTHER_DATES in column.reason:
            return column.without(f"{_OTHER_DATES}: written so, they are times for a split by time")
        return column.without("another value in every row: nothing to learn")
    if words(facts.name)[-1:] == ["weight"] and column.kind.startswith("numeric"):
        column = replace(column, reason=f"{column.reason}; of the example? then role: weight")
    if is_row_number(facts.name) and _counts(facts):
        return column.without("the number of the row: nothing to learn")
    return column


def _counts(facts: Facts) -> bool:
    """Whether nearly every row has the number that follows that of the row before."""
    if not facts.is_whole or facts.numbers is None or facts.present < facts.rows:
        return False
    steps = np.diff(facts.numbers[facts.codes])
    return len(steps) > FEW and float(np.mean(steps == 1.0)) > _COUNTED


def _of_notation(facts: Facts, notation: Notation) -> Column:
    """Few such numbers are tokens as they stand; many are quantities that nobody can read yet."""
    if facts.distinct <= _FEW_NOTED:
        return as_tokens(facts, f"{notation}: tokens as they stand; {notation.plain} is a number")
    column = Column(facts.name, {"kind": "numeric"}, str(notation))
    return column.without(f"{notation}, which are not read: write {notation.plain}")


def _is_literal(facts: Facts) -> bool:
    """Whether the values are lists or objects as programs write them, `[1, 2]`."""
    if facts.is_list:
        return False
    return all(_LITERAL.fullmatch(value) for value in facts.values[:1000])


def _of_texts(facts: Facts) -> Column:
    if _is_literal(facts):
        kind = {"kind": "sequence" if is_history(facts.name) else "multivalued"}
        return Column(facts.name, {**kind, "max_length": 20}, "").without(
            f"lists or objects inside of text, such as {facts.values[0][:20]!r}, which are not "
            "read: write 1|2|3, or JSON lines"
        )
    if 0.9 <= facts.number_share < 1.0:
        odd = next(value for value in facts.values if not _reads_as_number(value))
        note = f"numbers but for such as {odd!r}: data.format.null_values?"
        return as_tokens(facts, note)
    sentences = sum(bool(_SENTENCE.match(value)) for value in facts.values[:1000])
    if all(_DATE.match(value) for value in facts.values[:1000]):
        if facts.moments is not None:
            return as_tokens(facts, "dates, of no row's time")
        return as_tokens(facts, _OTHER_DATES)
    if sentences > 0.5 * min(1000, facts.distinct) and facts.distinct > 0.2 * facts.present:
        return as_tokens(facts, "text").without("sentences: no kind fits; embed them beforehand")
    nulls = [text for text in NULLS if text in facts.values]
    return as_tokens(facts, f"{' and '.join(nulls)} is a token as any other" if nulls else "")


def _of_numbers(facts: Facts, numbers: np.ndarray) -> Column:
    why_tokens = _why_tokens(facts, numbers)
    if why_tokens is not None:
        return as_tokens(facts, why_tokens)
    return as_quantity(facts)


def as_quantity(facts: Facts, note: str = "") -> Column:
    """The proposal for a column of numbers that count or measure something.

    Args:
        facts: Facts of the column.
        note: Why they do, for the comment.
    """
    numbers = np.asarray(facts.numbers)
    low, high = float(numbers.min()), float(numbers.max())
    middle = facts.quantile(0.5)
    settings: dict[str, object] = {"kind": "numeric"}
    shown = f"{low:g} to {high:g}, median {middle:g}" + (f"; {note}" if note else "")
    skewed = low >= (-10 if facts.is_whole else 0) and high > _SKEWED * max(
        abs(middle), 1.0 if facts.is_whole else 1e-12
    )
    if skewed and facts.is_whole:
        return Column(facts.name, {**settings, "transform": "log2"}, f"{shown}: a long tail")
    if skewed or facts.distinct > 1000:
        settings |= {"transform": "quantiles", "num_buckets": 20}
    return Column(facts.name, settings, shown)


def _why_tokens(facts: Facts, numbers: np.ndarray) -> str | None:
    """Why numbers are tokens, in words; None where they are quantities."""
    if not facts.is_whole or numbered_kind(facts.name) == "numeric":
        return None
    is_level = hints(facts.name, TYPE) and facts.distinct <= FEW  # `age_level` is no age
    if hints(facts.name, QUANTITY) and not hints(facts.name, ID) and not is_level:
        return "few distinct numbers" if facts.distinct <= 2 else None
    if hints(facts.name, ID | TYPE | USER | ITEM):
        return "numbers, by its name tokens"
    if facts.distinct <= FEW:
        return f"few distinct numbers, {numbers.min():g} to {numbers.max():g}"
    if numbered_kind(facts.name) == "categorical":
        return "numbers, by its name tokens"
    if numbers.min() < 0:
        return None
    digits = {len(str(int(number))) for number in numbers}
    if numbers.min() >= 10_000 and len(digits) <= 2:
        return "numbers of one length, as ids are"
    spread = float(numbers.max() - numbers.min() + 1)
    # Ids are used up and seen alike; quantities crowd around some value.
    dense = facts.distinct > 0.5 * min(spread, facts.present)
    even = 0.3 < (facts.quantile(0.5) - numbers.min()) / spread < 0.7
    if facts.distinct > 100 and dense and even:
        return f"{facts.distinct:,} numbers spread evenly, as ids are"
    return None


def as_tokens(facts: Facts, note: str = "") -> Column:
    """The proposal for a column whose values are names.

    Args:
        facts: Facts of the column.
        note: Why they are, for the comment.
    """
    settings: dict[str, object] = {"kind": "categorical"}
    if facts.distinct > 100:
        for count in _MIN_COUNTS:
            rare = facts.counts[facts.counts < 2 * count].sum()  # in training rows are fewer
            if rare <= _RARE_ROWS * facts.present:
                settings["min_count"] = count
                break
        else:  # a token of one row teaches nothing, so long as others are left
            if np.sum(facts.counts >= 2 * _MIN_COUNTS[-1]) >= FEW:
                settings["min_count"] = _MIN_COUNTS[-1]
    reason = f"{facts.distinct:,} tokens"
    unique_share = float(np.sum(facts.counts == 1)) / facts.rows
    if unique_share > 0.05:
        reason += f", {100 * unique_share:.0f} % of the rows have one of their own"
    return Column(facts.name, settings, f"{reason}; {note}" if note else reason)


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
