"""What a value means, and how it may be written: as text, in JSON, as a type of Arrow."""

import datetime
import decimal
from dataclasses import dataclass, replace
from typing import Any

import hypothesis.strategies as st

UTC = datetime.timezone.utc


@dataclass(frozen=True)
class Meaning:
    """A value, without the way in which it is written.

    Args:
        token: Its token; None where it is missing.
        texts: Ways to write it as text.
        json: Ways to write it in JSON.
        typed: Ways to write it as an Arrow type; a column takes one that all of its values have.
        number: The number that it is, where it is one.
    """

    token: str | None
    texts: tuple[str, ...]
    json: tuple[Any, ...]
    typed: dict[str, Any]
    number: float | None = None

    def __repr__(self) -> str:
        return f"<{self.token}>"


def missing(*null_values: str) -> Meaning:
    """A value that is not there; some texts may say so."""
    texts = ("", *null_values)
    arrow = dict.fromkeys(("string", "int64", "double", "bool", "decimal", "date", "instant"))
    return Meaning(None, texts, (None, *texts), arrow)


def whole(n: int) -> Meaning:
    """A whole number."""
    texts: tuple[str, ...] = (str(n), f"{n}.0", f"{n}.000")
    json: tuple[Any, ...] = (n, str(n), f"{n}.0")
    typed: dict[str, Any] = {"string": f"{n}.0" if n % 2 else str(n)}
    if abs(n) < 2**63:
        typed["int64"] = n
    if abs(n) < 10**18:
        typed["decimal"] = decimal.Decimal(n).scaleb(0)
    if abs(n) <= 2**53:
        json += (float(n),)
        typed["double"] = float(n)
    if n in (0, 1):
        json += (bool(n),)
        texts += (str(bool(n)), str(bool(n)).lower())
        typed["bool"] = bool(n)
    if n == 0:
        texts, json = (*texts, "-0", "-0.0"), (*json, -0.0, "-0.0")
        typed["double"] = -0.0
    return Meaning(str(n), texts, json, typed, float(n))


def fraction(x: float) -> Meaning:
    """A number that is no whole one."""
    typed: dict[str, Any] = {"double": x, "string": repr(x)}
    if 1e-9 < abs(x) < 1e17 and len(repr(x)) < 14:
        typed["decimal"] = decimal.Decimal(repr(x))
    return Meaning(repr(x), (repr(x),), (x, repr(x)), typed, x)


def number(meaning: Meaning) -> Meaning:
    """The same for a column of numbers, which tells `5e-1` from `0.5` no more."""
    if meaning.number is None:
        return meaning
    more = f"{meaning.number:.17e}", f"{meaning.number:.20g}"
    return replace(meaning, texts=meaning.texts + more, json=meaning.json + more)


def text(value: str) -> Meaning:
    """Text that is no number and no truth."""
    return Meaning(value, (value,), (value,), {"string": value})


def date(value: datetime.date) -> Meaning:
    """A day, as a token."""
    iso = value.isoformat()
    return Meaning(iso, (iso,), (iso,), {"date": value, "string": iso})


def instant(milliseconds: int) -> Meaning:
    """A time since 1970, for a column of `unit: ms`."""
    moment = datetime.datetime(1970, 1, 1, tzinfo=UTC) + datetime.timedelta(
        milliseconds=milliseconds
    )
    iso = moment.isoformat(timespec="milliseconds")
    zone = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    texts = (str(milliseconds), f"{milliseconds}.0", iso, iso.replace("T", " ")[:23])
    texts += (iso[:23] + "Z", moment.astimezone(zone).isoformat(timespec="milliseconds"))
    typed = {"int64": milliseconds, "string": iso, "instant": moment}
    json: tuple[Any, ...] = (milliseconds, *texts)
    if abs(milliseconds) < 2**53:
        json += (float(milliseconds),)
        typed["double"] = float(milliseconds)
    return Meaning(str(milliseconds), texts, json, typed, float(milliseconds))


WORDS = ["a", "b", "é", "日本", " a", "007", "1.10", "1e5", "+5", "1_000", "0x1F", "nan", "None"]
WORDS += ['say "a"', "a,b", "x\ty", "two\nlines", "tRue", "-", "1.", ".5", "12.0.0"]
WHOLE = st.one_of(
    st.integers(-2, 15),
    st.sampled_from([2**53, 2**53 + 1, -(2**62), 10**17, 10**25, 1_650_000_000]),
)
FRACTIONS = st.one_of(
    st.sampled_from([0.5, -0.25, 3.14, 0.1, 1e-7, 123456.789, 2.5e20 + 0.5]),
    st.floats(-1e6, 1e6).filter(lambda x: not x.is_integer()),
)
# So that a column is often of one Arrow type.
TOKEN_COLUMNS = st.sampled_from(
    [
        WHOLE.map(whole),
        st.integers(0, 1).map(whole),
        FRACTIONS.filter(lambda x: not x.is_integer()).map(fraction),
        st.sampled_from(WORDS).map(text),
        st.dates(datetime.date(1900, 1, 1)).map(date),
        st.one_of(WHOLE.map(whole), st.sampled_from(WORDS).map(text)),
    ]
)
NUMBER_COLUMNS = st.sampled_from(
    [
        st.integers(-5, 99).map(whole),
        st.integers(0, 1).map(whole),
        FRACTIONS.filter(lambda x: not x.is_integer()).map(fraction),
        st.one_of(st.integers(-5, 10**9).map(whole), st.just(0.5).map(fraction)),
    ]
)
TIMES = st.integers(-(10**12), 4 * 10**12).map(instant)
