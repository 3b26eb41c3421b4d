"""The fast reader of delimited text beside the careful one: the same rows, or the same sentence."""

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from features.errors import DataError
from features.specs import FeatureSet
from features.text_format import TextFormat
from serving.scoring.plain_csv import PlainCsv
from serving.scoring.raw_rows import read_rows

FEATURES = FeatureSet.model_validate(
    {
        "features": {
            "user": {"kind": "categorical"},
            "price": {"kind": "numeric"},
            "clicked": {"kind": "sequence", "column": "item", "history": "h", "max_length": 3},
            "moment": {"role": "timestamp", "column": "time"},
        },
        "histories": {"h": {"key": "user"}},
    }
)
HEADER = "user,price,clicked\n"
PIECES = ["a", "1", ",", "\n", "\r\n", "\r", '"', '""', " ", "é", "\ufeff", "\0", "[", "]", "\\"]
CELLS = ["", "a", "0.5", "-0", '"', "a,b", "x\ny", " ", '["a"]', '["a", "b"]', "[1, 2]", '["a\\n"]']


def outcome(content: bytes, text_format: TextFormat | None, block_rows: int) -> object:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.csv")
        path.write_bytes(content)
        rows: list[dict] = []
        try:
            for batch in read_rows(str(path), FEATURES, block_rows, text_format):
                rows += batch.to_pylist()
        except DataError as error:
            return rows, str(error).replace(folder, "")
        return rows


def assert_same(content: bytes, block_rows: int, text_format: TextFormat | None = None) -> None:
    fast = outcome(content, text_format, block_rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlainCsv, "columns", lambda self, piece: None)
        patch.setattr("serving.scoring.csv_rows.plain_lists", lambda cells: None)
        assert fast == outcome(content, text_format, block_rows)


def rows_of_cells(cells: list[list[str]], quoting: int, end: str) -> str:
    text = io.StringIO()
    csv.writer(text, quoting=quoting, lineterminator=end).writerows(cells)
    return text.getvalue()


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(PIECES)).map("".join), st.sampled_from([1, 2, 4096]))
@example("a,1,\n\n", 4096)
@example('a,1,"[""x""]"\n', 4096)
def test_any_text_behind_a_header_reads_alike(text, block_rows):
    assert_same((HEADER + text).encode(), block_rows)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.tuples(*[st.sampled_from(CELLS)] * 3), max_size=6),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(0, 200),
    st.sampled_from(["", "a", '"', "\n", ",", "\r", "\xff"]),
    st.sampled_from([1, 2, 4096]),
)
def test_rows_that_are_written_well_or_damaged_in_one_place_read_alike(
    cells, quoting, end, place, damage, block_rows
):
    text = HEADER + rows_of_cells([list(row) for row in cells], quoting, end)
    damaged = text[:place] + damage + text[place:]
    assert_same(damaged.encode("latin-1"), block_rows)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(PIECES)).map("".join), st.booleans())
def test_text_without_a_header_reads_alike(text, quoting):
    columns = ("user", "price", "clicked")
    assert_same(text.encode(), 2, TextFormat(quoting=quoting, columns=columns))


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(["a", "\n", '"', " ", "\r\n", '""'])).map("".join))
def test_a_single_column_reads_alike(text):
    plain = PlainCsv(TextFormat(), "utf-8", 1, [0])
    received = plain.columns(text.encode())
    if received is not None:
        lines = [line + "\n" for line in text.split("\n")]
        expected = [row[0] for row in csv.reader(lines, strict=True) if row]
        assert received[0].to_pylist() == expected


@pytest.mark.parametrize(
    ("piece", "rows"),
    [
        ("a,b\nc,d\n", [["a", "b"], ["c", "d"]]),
        ("a,b\r\nc,d", [["a", "b"], ["c", "d"]]),
        ('"a,""b""",\n"",é\n', [['a,"b"', ""], ["", "é"]]),
        ('"""",a\n', [['"', "a"]]),
    ],
)
def test_plain_lines_are_read_fast(piece, rows):
    columns = PlainCsv(TextFormat(), "utf-8", 2, [1, 0]).columns(piece.encode())
    assert columns is not None
    second, first = columns
    assert [list(row) for row in zip(first.to_pylist(), second.to_pylist(), strict=True)] == rows


@pytest.mark.parametrize(
    "piece",
    [
        'a"b,c\n',  # a mark inside of a value is itself to Python
        '"a"b,c\n',  # and an error behind a closing one
        'a, "b"\n',
        '"a\nb",c\n',
        '"a,b\n',
        "a,b\n\nc,d\n",
        "a\rb,c\n",
        "a\n",
        "\ufeffa,b\n",
        "a,\0\n",
        b"a,\xff\n",
        f"{'a' * csv.field_size_limit()},b\n",
        "",
    ],
)
def test_what_is_in_doubt_is_left_to_the_careful_reader(piece):
    piece = piece if isinstance(piece, bytes) else piece.encode()
    assert PlainCsv(TextFormat(), "utf-8", 2, [0, 1]).columns(piece) is None


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig"])
def test_other_encodings_are_left_to_the_careful_reader(encoding):
    assert PlainCsv(TextFormat(), encoding, 2, [0, 1]).columns(b"a,b\n") is None
