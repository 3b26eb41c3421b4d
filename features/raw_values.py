"""The one rule by which a raw value is read, whichever road it comes: text, token, number, time.

A value of any type has a text; numbers that are equal have the same text, whatever type holds
them. A token is that text, where texts that only write a whole number or a truth another way are
one token: `12.0` and `12`, `True` and `1`. The rule for Arrow columns, `features.raw_texts`, and
the preprocessing graph use the patterns of this module.
"""

import datetime
import decimal
import math
import re
import uuid
from collections.abc import Iterable
from typing import Any

import numpy as np

# Doubles beyond this are not every whole number: their digits would pretend to know more.
LARGEST_WHOLE = 2**53
LARGEST_NUMBER = float(np.finfo(np.float32).max)
# For both Python's and RE2's syntax; `fullmatch`, or between ^ and $ in RE2.
WHOLE_WITH_POINT = r"(-?(?:0|[1-9][0-9]*))\.0+"
MINUS_ZERO = r"-0"
TRUE, FALSE = r"(?:true|True|TRUE)", r"(?:false|False|FALSE)"
WEIGHT = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?"
WHOLE_NUMBER = r"[+-]?[0-9]{1,20}"  # longer ones are no int64, and slow to read

_EPOCH = datetime.datetime(1970, 1, 1)
_SMALLEST_PLAIN = decimal.Decimal("0.0001")  # Python writes smaller floats with an exponent
_ISO_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?"
    r" ?(Z|UTC|[+-]\d\d(?::?\d\d)?)?)?"
)
_SECONDS = re.compile(r"([+-]?[0-9]{1,20})\.([0-9]+)")


def text_of(value: Any) -> str | None:
    """The text of one value; None where it is missing, as NaN is.

    Truth is 1 or 0, an instant its milliseconds since 1970, a date its ISO form, and a whole
    number has no decimal point.

    Raises:
        TypeError: The value is no text, number, truth, instant, date or UUID.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (bool, np.bool_)):
        return "1" if value else "0"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return _text_of_float(value)
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, decimal.Decimal):
        return text_of_decimal(value)
    if isinstance(value, datetime.datetime):
        return str(_microseconds(value) // 1000)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    raise TypeError(f"expected one value, got {type(value).__name__}")


def _text_of_float(value: "float | np.floating") -> str | None:
    if math.isnan(value):
        return None
    if abs(float(value)) <= LARGEST_WHOLE and float(value).is_integer():
        return str(int(value))
    return str(value)  # the fewest digits that name it among the numbers of its type


def text_of_decimal(value: decimal.Decimal) -> str | None:
    """The text of a decimal number: that of the float of the same few digits."""
    if not value.is_finite():
        return _text_of_float(float(value))
    if value and abs(value) < _SMALLEST_PLAIN:
        return str(float(value))
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def token_of(text: str) -> str:
    """The token of a text: one for all writings of a whole number, and of a truth."""
    whole = re.fullmatch(WHOLE_WITH_POINT, text)
    if whole:
        text = whole[1]
    if re.fullmatch(f"{MINUS_ZERO}|{FALSE}", text):
        return "0"
    return "1" if re.fullmatch(TRUE, text) else text


def null_tokens(null_values: Iterable[str]) -> tuple[str, ...]:
    """The tokens that mean "missing", where these texts do: `-1.0` is missing if `-1` is."""
    return tuple(dict.fromkeys(map(token_of, null_values)))


def null_numbers(null_values: Iterable[str]) -> tuple[float, ...]:
    """The numbers that mean "missing", where these texts do."""
    numbers = map(number_of, null_values)
    return tuple(dict.fromkeys(number for number in numbers if number is not None))


def null_times(null_values: Iterable[str], unit: str) -> tuple[int, ...]:
    """The times that mean "missing", where these texts do."""
    times = (time_of(text, unit) for text in null_values)
    return tuple(dict.fromkeys(time for time in times if time is not None))


def weights_behind(separator: str) -> str:
    """The pattern of a separator and a weight at the end of a text, `:0.53` of `t1:0.53`.

    Of several in a row it takes all: what has been cut once stays as it is. In Python's and in
    RE2's syntax.
    """
    return f"(?:{re.escape(separator)}{WEIGHT})+$"


def number_of(value: Any) -> float | None:
    """A number that a float32 can hold, in float64; None where the value is none."""
    if isinstance(value, str):
        if "_" in value:  # Python would read 1_000
            return None
        value = token_of(value)  # a truth is 1 or 0
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number + 0.0 if abs(number) <= LARGEST_NUMBER else None  # -0.0 is 0


def time_of(value: Any, unit: str) -> int | None:
    """A time as a whole number of its unit; None where the value is none.

    A whole number is taken as it is, of seconds with a fraction the second that they lie in; an
    ISO date is midnight, and an ISO time without a zone is UTC.

    Args:
        value: A number, or a text.
        unit: `s` or `ms` since 1970, or `yymmddhh`.
    """
    text = str(value).strip()
    if re.fullmatch(WHOLE_NUMBER, text):
        number = int(text)  # exact, where a float is not beyond 2**53
    elif seconds := _SECONDS.fullmatch(text):
        part_of_a_second = int(seconds[2]) > 0 and text.startswith("-")
        if unit == "yymmddhh" and int(seconds[2]):
            return None
        number = int(seconds[1]) - part_of_a_second
    elif "-" in text[1:] and (iso := _ISO_TIME.fullmatch(text)):
        moment = _instant(iso)
        if moment is None:
            return None
        number = _in_unit(moment, unit)
    else:
        is_truth = re.fullmatch(f"{TRUE}|{FALSE}", text)
        as_float = None if is_truth else number_of(value)
        if as_float is None or not as_float.is_integer():
            return None
        number = int(as_float)
    return number if -(2**63) <= number < 2**63 else None


def _instant(iso: "re.Match[str]") -> datetime.datetime | None:
    """The UTC time that an ISO text names; None where the calendar has no such time."""
    year, month, day, hour, minute, second = (int(part or 0) for part in iso.groups()[:6])
    fraction = int((iso[7] or "").ljust(9, "0")[:6])
    try:
        moment = datetime.datetime(year, month, day, hour, minute, second, fraction)
    except ValueError:
        return None
    zone = iso[8]
    if zone not in (None, "Z", "UTC"):
        digits = zone[1:].replace(":", "").ljust(4, "0")
        offset = datetime.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        try:
            moment = moment + offset if zone[0] == "-" else moment - offset
        except OverflowError:
            return None
    return moment


def _in_unit(moment: datetime.datetime, unit: str) -> int:
    if unit == "yymmddhh":
        return int(moment.strftime("%y%m%d%H"))
    return _microseconds(moment) // (1000 if unit == "ms" else 1_000_000)


def _microseconds(moment: datetime.datetime) -> int:
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    return (moment - _EPOCH) // datetime.timedelta(microseconds=1)
