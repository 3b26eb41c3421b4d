"""One rule of reading, a value at a time."""

import datetime
import decimal
import math
import uuid

import numpy as np
import pytest

from features.raw_values import number_of, text_of, time_of, token_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (math.nan, None),
        ("12.0", "12.0"),
        (True, "1"),
        (np.bool_(False), "0"),
        (12, "12"),
        (12.0, "12"),
        (-0.0, "0"),
        (np.float32(0.1), "0.1"),
        (12345678904.0, "12345678904"),
        (15000000000.5, "15000000000.5"),
        (2.0**53, "9007199254740992"),
        (2.0**53 + 2, "9007199254740994.0"),
        (1e-7, "1e-07"),
        (b"caf\xc3\xa9\xff", "café\\xff"),
        (decimal.Decimal("1.0000000000"), "1"),
        (decimal.Decimal("12.50"), "12.5"),
        (decimal.Decimal("1E-10"), "1e-10"),
        (decimal.Decimal("100"), "100"),
        (datetime.datetime(1970, 1, 1, 0, 0, 1, 500_000), "1500"),
        (datetime.date(2022, 4, 15), "2022-04-15"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_a_value_has_one_text(value, text):
    assert text_of(value) == text


def test_lists_and_objects_have_no_text():
    with pytest.raises(TypeError, match="expected one value, got list"):
        text_of(["a"])


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("12.0", "12"),
        ("12.000", "12"),
        ("-12.0", "-12"),
        ("-0.0", "0"),
        ("-0", "0"),
        ("0.0", "0"),
        ("123456789012345678901234567890.0", "123456789012345678901234567890"),
        ("True", "1"),
        ("true", "1"),
        ("TRUE", "1"),
        ("False", "0"),
        ("tRUE", "tRUE"),
        ("007.0", "007.0"),  # a code, not a number
        ("1.10", "1.10"),  # a version is not 1.1
        ("12.", "12."),
        (".0", ".0"),
        ("12.0\n", "12.0\n"),
        ("", ""),
    ],
)
def test_writings_of_a_whole_number_or_a_truth_are_one_token(text, token):
    assert token_of(text) == token
    assert token_of(token) == token


@pytest.mark.parametrize(
    ("value", "number"),
    [("2.5", 2.5), ("True", 1.0), ("FALSE", 0.0), (True, 1.0), ("1_000", None), ("nan", None),
     ("1e39", None), ("", None), (["a"], None), (1_700_000_059, 1_700_000_059.0)],
)  # fmt: skip
def test_numbers_are_read_in_float64(value, number):
    assert number_of(value) == number


def test_minus_zero_is_zero():
    assert math.copysign(1.0, number_of("-0.0")) == 1.0


@pytest.mark.parametrize(
    ("value", "unit", "time"),
    [
        ("1650000356", "s", 1650000356),
        ("9007199254740993", "s", 9007199254740993),
        ("1650000356.75", "s", 1650000356),
        ("-1.5", "s", -2),
        ("-1.0", "s", -1),
        (1650000356.0, "s", 1650000356),
        ("2022-04-15 05:22:21", "s", 1650000141),
        ("2022-04-15T05:22:21.25", "ms", 1650000141250),
        ("2022-04-15T07:22:21+02:00", "s", 1650000141),
        ("2022-04-15T05:22:21Z", "s", 1650000141),
        ("2022-04-14 21:22 -0800", "s", 1650000120),
        ("2022-04-15", "s", 1649980800),
        ("2022-04-15 05:22:21", "yymmddhh", 22041505),
        ("1969-12-31 23:59:59.5", "s", -1),
        ("2022-02-30", "s", None),
        ("2022-4-5", "s", None),
        ("noon", "s", None),
        ("True", "s", None),
        ("1.5", "yymmddhh", None),
        ("1e30", "s", None),
        ("9223372036854775808", "s", None),
    ],
)
def test_times_are_whole_numbers_fractions_and_iso_texts(value, unit, time):
    assert time_of(value, unit) == time
