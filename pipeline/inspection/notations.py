"""Numbers as people write them: thousands separators, decimal commas, currencies, percent."""

import re
from dataclasses import dataclass

import numpy as np

from pipeline.inspection.column_names import ID, ITEM, QUANTITY, SEQUENCE, hints
from pipeline.inspection.facts import Facts

_MOST = 0.9  # share of the rows that must be written so
_ENOUGH = 50  # separated parts, among which some begin or end with 0 where they are numbers' parts
_OF_SEVERAL = {"ids", "tag", "genre", "topic", "keyword", "interest"}
_SPACES = " \u00a0\u202f\u2009"
_CODES = (
    *("USD", "EUR", "GBP", "CNY", "RMB", "JPY", "INR", "BRL", "CHF", "SEK", "NOK", "DKK", "PLN"),
    *("CZK", "HUF", "RUB", "TRY", "KRW", "AUD", "CAD", "NZD", "HKD", "SGD", "MXN", "ZAR", "THB"),
    *("IDR", "MYR", "PHP", "VND", "ILS", "AED", "SAR", "TWD", "UAH", "RON", "Rs", "kr", "zł"),
    *("Kč", "Ft", "лв", "руб", "元", "円", "원"),
)
_CURRENCY = rf"(?:[A-Z]{{0,2}}[$¢£¤¥֏؋฿₠-₿＄￠￡￥￦]|(?:{'|'.join(_CODES)})\.?)"
_WRITTEN = re.compile(
    rf"(?P<open>\()?[-+−]?[{_SPACES}]*(?P<before>{_CURRENCY})?[{_SPACES}]*[-+−]?"
    rf"(?P<body>\d[\d.,'’_{_SPACES}]*?|[.,]\d+)"
    rf"[{_SPACES}]*(?P<after>{_CURRENCY}|[%‰]|[kKMB]|bn|Tsd\.?|Mio\.?)?(?P<close>\))?"
)
_FACTORS = {"k": 1e3, "K": 1e3, "Tsd": 1e3, "M": 1e6, "Mio": 1e6, "B": 1e9, "bn": 1e9}
_GROUPED_BY_POINTS = re.compile(r"[1-9]\d{0,2}(\.\d{3})?|0")
_SEVERAL = 3  # distinct numbers
_PLAIN = r"\d*\.?\d+|\d+\."


@dataclass(frozen=True)
class _Style:
    """A way to group digits and to mark fractions.

    Args:
        body: Pattern of a number.
        thousands: Characters that group digits.
        decimal: The mark of a fraction.
    """

    body: re.Pattern
    thousands: str
    decimal: str

    def plain(self, body: str) -> str:
        """The number as a program writes it."""
        for character in self.thousands:
            body = body.replace(character, "")
        return body.replace(self.decimal, ".")


_STYLES = (
    _Style(re.compile(rf"{_PLAIN}|\d{{1,3}}(?:,\d{{2,3}})*,\d{{3}}(?:\.\d+)?"), ",", "."),
    _Style(re.compile(r"\d{1,3}(?:\.\d{3})+(?:,\d+)?|\d*,?\d+"), ".", ","),
    _Style(
        re.compile(rf"\d{{1,3}}(?:[{_SPACES}'’_]\d{{3}})+(?:[.,]\d+)?|\d*[.,]?\d+"),
        _SPACES + "'’_",
        ",",
    ),
)


@dataclass(frozen=True)
class Notation:
    """How a column's numbers are written.

    Args:
        what: The notation, in words.
        example: A value.
        plain: The same number as a program writes it.
    """

    what: str
    example: str
    plain: str

    def __str__(self) -> str:
        return f"numbers with {self.what}, such as {self.example!r}"


def notation_of(facts: Facts) -> Notation | None:
    """The notation of a column of numbers that no program reads as they are written.

    None where they are plain numbers, or something else, such as sets: `1,234` is a number by its
    name (`price`), or beside numbers that no set of ids has, such as `1,034`.
    """
    if facts.is_list or not facts.values:
        return None
    if facts.numbers is not None:
        return _grouped_by_points(facts)
    matches = [_WRITTEN.fullmatch(value.strip()) for value in facts.values]
    written = np.array([match is not None for match in matches])
    if facts.counts[written].sum() < _MOST * facts.present:
        return None
    for style in _STYLES:
        fits = np.array(
            [match is not None and bool(style.body.fullmatch(match["body"])) for match in matches]
        )
        if facts.counts[fits].sum() < _MOST * facts.present:
            continue
        numbers = [match for match, is_fit in zip(matches, fits, strict=True) if match and is_fit]
        return _notation(facts, style, numbers)
    return None


def _grouped_by_points(facts: Facts) -> Notation | None:
    """The notation of `1.230` beside `987`, which read as numbers but mean 1230 and 987.

    A program that writes three decimals writes them always, and one that drops zeros at the end
    drops that of 1.230.
    """
    if not all(_GROUPED_BY_POINTS.fullmatch(value) for value in facts.values):
        return None
    grouped = [value for value in facts.values if "." in value]
    below_thousand = [value for value in facts.values if "." not in value and value != "0"]
    if len(below_thousand) < _SEVERAL or not any(value.endswith("0") for value in grouped):
        return None  # a 0 for nothing stands beside decimals too
    return Notation("thousands separators", grouped[0], grouped[0].replace(".", ""))


def _notation(facts: Facts, style: _Style, numbers: list[re.Match]) -> Notation | None:
    bodies = [number["body"] for number in numbers]
    grouped = [bool(set(body) & set(style.thousands)) for body in bodies]
    commas = ["," in body and style.decimal == "," for body in bodies]
    money = [
        bool(number["before"] or re.fullmatch(_CURRENCY, number["after"] or ""))
        for number in numbers
    ]
    percent = [(number["after"] or "") in ("%", "‰") for number in numbers]
    others = [
        bool(number["after"]) and not is_money and not is_percent
        for number, is_money, is_percent in zip(numbers, money, percent, strict=True)
    ]
    brackets = [bool(number["open"]) for number in numbers]
    marks: dict[str, list[bool]] = {
        "thousands separators": grouped,
        "decimal commas": commas,
        "a currency": money,
        "percent signs": percent,
        "magnitudes": others,
        "brackets": brackets,
    }
    what = [name for name, marked in marks.items() if any(marked)]
    if not what:
        return None
    if what == ["magnitudes"] and not hints(facts.name, QUANTITY):
        return None  # a seat may be 12B
    only_separators = set(what) <= {"thousands separators", "decimal commas"}
    if only_separators and not _are_numbers(facts, bodies, style):
        return None
    place = next(place for place, is_marked in enumerate(marks[what[0]]) if is_marked)
    example, plain = numbers[place], style.plain(bodies[place])
    factor = _FACTORS.get((example["after"] or "").rstrip("."))
    if factor is not None:
        plain = f"{float(plain) * factor:g}" if factor > 1e6 else f"{float(plain) * factor:.0f}"
    if example["open"]:  # as accountants write what is below 0
        plain = f"-{plain}"
    return Notation(" and ".join(what), example.string, plain)


def _are_numbers(facts: Facts, bodies: list[str], style: _Style) -> bool:
    """Whether digits with separators are numbers, and not sets or histories of ids."""
    if hints(facts.name, QUANTITY) and not hints(facts.name, ID | SEQUENCE):
        return True
    if hints(facts.name, SEQUENCE | ITEM | _OF_SEVERAL):
        return False
    separators = style.thousands + style.decimal
    parts = [re.split(f"[{re.escape(separators)}]", body) for body in bodies]
    inner = [part for number in parts for part in number[1:]]
    if any(len(part) > 1 and part.startswith("0") for part in inner):
        return True
    fractions = [number[-1] for number in parts if len(number) == 2]
    one_mark = all(len(number) <= 2 for number in parts)
    if style.decimal != "," or not one_mark or len(fractions) < _ENOUGH:
        return False
    digits = {len(fraction) for fraction in fractions}
    wholes = {len(number[0]) for number in parts}
    if len(digits) == 1:
        return len(wholes) > 1 or digits != wholes
    return not any(fraction.endswith("0") for fraction in fractions)  # as programs print them
