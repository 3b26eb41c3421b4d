"""Writings of numbers are told from sets and histories of ids."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.inspection.facts import facts_of
from pipeline.inspection.notations import notation_of

NUMBERS = np.random.default_rng(3).integers(100, 99_999, 400)


def notation(values, name="x"):
    return notation_of(facts_of({name: pa.array(list(values))})[name])


def european(number, decimals=2):
    written = f"{number:,.{decimals}f}"
    return written.translate(str.maketrans(",.", ".,"))


@pytest.mark.parametrize(
    ("write", "what", "plain"),
    [
        (lambda n: f"{n:,}", "thousands separators", lambda n: f"{n}"),
        (lambda n: f"{n:,}".replace(",", " "), "thousands separators", lambda n: f"{n}"),
        (lambda n: f"{n:,}".replace(",", "\u202f"), "thousands separators", lambda n: f"{n}"),
        (lambda n: f"{n:,}".replace(",", "'"), "thousands separators", lambda n: f"{n}"),
        (lambda n: european(n / 100), "decimal commas", lambda n: f"{n / 100:.2f}"),
        (
            lambda n: f"{n / 100:.2f}".replace(".", ","),
            "decimal commas",
            lambda n: f"{n / 100:.2f}",
        ),
        (lambda n: f"${n / 100:,.2f}", "a currency", lambda n: f"{n / 100:.2f}"),
        (lambda n: f"{european(n)} €", "a currency", lambda n: f"{n:.2f}"),
        (lambda n: f"CHF {n}", "a currency", lambda n: f"{n}"),
        (lambda n: f"R$ {n}", "a currency", lambda n: f"{n}"),
        (lambda n: f"¥{n}", "a currency", lambda n: f"{n}"),
        (lambda n: f"₹{n // 1000},{n % 1000:03d}", "a currency", lambda n: f"{n}"),
        (lambda n: f"{n}%", "percent signs", lambda n: f"{n}"),
        (lambda n: f"{n / 10:.1f} %".replace(".", ","), "percent signs", lambda n: f"{n / 10:.1f}"),
        (lambda n: f"({n:,})", "brackets", lambda n: f"-{n}"),
    ],
)
def test_a_notation_is_named_with_the_number_that_it_means(write, what, plain):
    found = notation(map(write, NUMBERS))
    assert what in found.what
    written = [write(number) for number in NUMBERS]
    assert found.plain == plain(NUMBERS[written.index(found.example)])


def test_magnitudes_are_numbers_where_the_name_says_so():
    written = [f"{number / 1000:.1f}K" for number in NUMBERS]
    assert notation(written, "views").what == "magnitudes"
    assert float(notation(written, "views").plain) == pytest.approx(NUMBERS[0], abs=50)
    assert notation(written, "seat") is None


def test_a_dash_for_nothing_leaves_a_notation_what_it_is():
    written = [f"{number:,}" if number % 20 else "-" for number in NUMBERS]
    assert notation(written).what == "thousands separators"


def test_points_may_group_thousands_though_a_program_reads_them_as_decimals():
    written = [f"{number:,}".replace(",", ".") for number in [*NUMBERS, 12, 345, 987, 1230]]
    found = notation(written)
    assert (found.what, found.plain) == ("thousands separators", found.example.replace(".", ""))
    assert notation([f"{number / 1000:.3f}" for number in NUMBERS]) is None
    assert notation(["0", *(f"{number / 1000:.3f}" for number in NUMBERS)]) is None
    assert notation([repr(number / 1000) for number in NUMBERS]) is None
    assert notation([str(number) for number in range(1000)]) is None


IDS = np.random.default_rng(4).integers(100, 999, (400, 3))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("x", NUMBERS.astype(str)),
        ("x", [f"{number / 8}" for number in NUMBERS]),
        ("x", [",".join(map(str, row)) for row in IDS]),  # ids of three digits never begin with 0
        ("x", [f"{a},{b}" for a, b in zip(NUMBERS % 50, NUMBERS % 37, strict=True)]),
        ("hist_items", [f"{number:,}" for number in NUMBERS]),
        ("category_ids", [f"{number:,}" for number in NUMBERS]),
        ("tags", [f"{a},{b:02d}" for a, b in zip(NUMBERS % 50, NUMBERS % 37, strict=True)]),
        ("date", ["2022-04-15"] * 50),
        ("ip", [f"10.0.{number % 250}.1" for number in NUMBERS]),
        ("city", ["Oslo", "Lima"] * 50),
    ],
)
def test_sets_dates_and_plain_numbers_are_no_notation(name, values):
    assert notation(values, name) is None


def test_a_price_is_a_number_though_its_digits_could_be_ids():
    written = [f"{number},{100 + number % 800}" for number in NUMBERS[:30] % 9 + 1]
    assert notation(written) is None
    assert notation(written, "item_price").what == "thousands separators"
