"""What rows of a file become, and the sentence that each mistake in one gets."""

import gzip
import io
import json

import pyarrow as pa
import pytest

from features.errors import DataError
from features.specs import FeatureSet
from serving.scoring.json_rows import json_column
from serving.scoring.raw_rows import read_rows

FEATURES = FeatureSet.model_validate(
    {
        "features": {
            "user": {"kind": "categorical", "column": "user_id"},
            "price": {"kind": "numeric"},
            "tags": {"kind": "multivalued", "separator": "|", "max_length": 3},
            "clicked": {"kind": "sequence", "column": "item", "history": "h", "max_length": 3},
            "hour": {"kind": "categorical", "column": "time", "transform": "hour"},
            "picture": {"kind": "embedding", "dimension": 2, "separator": " "},
            "click": {"role": "label"},
            "moment": {"role": "timestamp", "column": "time"},
        },
        "histories": {"h": {"key": "user_id"}},
    }
)
ROWS = [
    {
        "user_id": "7",
        "price": 2.5,
        "tags": ["a", "b"],
        "clicked": ["i,1", None, "i2"],
        "time": 1_700_000_000_000_000_001,
        "picture": [1.0, 2.0],
    },
    dict.fromkeys(("user_id", "price", "tags", "clicked", "time", "picture")),
    {"user_id": "ü", "price": -1.0, "tags": ["c"], "clicked": ["x"], "time": -5, "picture": [0, 1]},
]
CSV = (
    "ignored,user_id,price,tags,clicked,time,picture\n"
    'x,7,2.5,a|b,"[""i,1"", null, ""i2""]",1700000000000000001,1 2\n'
    ",,,,,,\n"
    "\n"
    '"a\nb",ü,-1,c,"[""x""]",-5,0 1\n'
)


def read(path, text, block_rows=4096) -> list[dict]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [
        row for batch in read_rows(str(path), FEATURES, block_rows) for row in batch.to_pylist()
    ]


def lines(rows) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize("block_rows", [1, 2, 4096])
def test_csv_and_json_lines_of_the_same_rows_are_equal(tmp_path, block_rows):
    expected = pa.RecordBatch.from_pylist(ROWS, FEATURES.raw_schema(("input",))).to_pylist()
    assert read(tmp_path / "rows.csv", CSV, block_rows) == expected
    assert read(tmp_path / "rows.jsonl", lines(ROWS), block_rows) == expected


def test_byte_order_mark_line_ends_and_empty_lines_are_passed_over(tmp_path):
    plain = read(tmp_path / "a.jsonl", lines(ROWS))
    text = "\ufeff" + lines(ROWS).replace("\n", "\r\n\r\n")
    assert read(tmp_path / "b.jsonl", text) == plain
    assert read(tmp_path / "c.csv", "\ufeff" + CSV.replace("\n", "\r\n")) == plain


def test_a_carriage_return_inside_the_header_is_a_sentence(tmp_path):
    with pytest.raises(DataError, match=r"rows\.csv, line 1: is not CSV: .* Check its quotes"):
        read(tmp_path / "rows.csv", CSV.replace("\n", "\r,more\n", 1).encode())


def test_compressed_files_and_standard_input_are_read(tmp_path, monkeypatch):
    plain = read(tmp_path / "a.jsonl", lines(ROWS))
    assert read(tmp_path / "a.jsonl.gz", gzip.compress(lines(ROWS).encode())) == plain
    assert read(tmp_path / "a.csv.gz", gzip.compress(CSV.encode())) == plain
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines(ROWS).encode())))
    assert [row for batch in read_rows("-", FEATURES) for row in batch.to_pylist()] == plain


def test_an_absent_key_is_a_missing_value_where_another_row_has_it(tmp_path):
    received = read(tmp_path / "a.jsonl", lines([{"user_id": "1"}, ROWS[1]]), block_rows=1)
    assert received == [{**ROWS[1], "user_id": "1"}, ROWS[1]]


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_a_file_without_rows_has_none(tmp_path, text):
    assert read(tmp_path / "a.jsonl", text) == []
    assert read(tmp_path / "a.csv", CSV.splitlines()[0] + "\n" + text) == []


@pytest.mark.parametrize(
    "value", [5, 5.0, "5", [5], True, 0.1, 1e300, 2**60, None], ids=lambda value: repr(value)
)
@pytest.mark.parametrize("name", ["user", "tags", "price"])
def test_a_json_value_reads_alike_whatever_stands_beside_it(name, value):
    spec = FEATURES.features[name]
    alone, _ = json_column([value], spec)
    for neighbour in ["x", 5.5, 1, None, ["y"], False]:
        column, _ = json_column([neighbour, value], spec)
        assert str(column[1].as_py()) == str(alone[0].as_py()) or float(column[1].as_py()) == float(
            alone[0].as_py()
        )


def test_whole_numbers_are_the_same_token_with_and_without_a_point():
    column, _ = json_column([5, 5.0, "5"], FEATURES.features["user"])
    assert column.to_pylist() == ["5", "5", "5"]


GOOD = json.dumps(ROWS[0]) + "\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{'price': 1}", r"line 2: is not JSON: Expecting property name.*one JSON object a line"),
        ('{"price": NaN}', r"line 2: is not JSON: NaN is not a JSON value.*null for a missing"),
        ('{"user_id": "\\ud800"}', r"line 2: is not JSON: .*surrogates"),
        ("[" * 100_000, r"line 2: is not JSON: it is nested too deeply"),
        ("[1, 2]", r"line 2: must be a JSON object of raw columns, got \[1, 2\]"),
        (
            '{"price": "cheap"}',
            r"line 2: price must be a number, got 'cheap'\. Correct it, or leave",
        ),
        ('{"price": [1]}', r"line 2: price must be a number, got '\[1\]'"),
        ('{"price": 1e999}', r"line 2: "),
        ('{"user_id": ["a"]}', r'line 2: user_id must be one token, got \["a"\]'),
        ('{"tags": [["a"]]}', r'line 2: tags must be a plain list, got \[\["a"\]\]'),
        (
            '{"time": "noon"}',
            r"line 2: time must be a time as a whole number or an ISO date, got 'noon'",
        ),
        ('{"picture": [1, 2, 3]}', r"line 2: picture must be 2 numbers, got 3"),
        ('{"picture": [1, "x"]}', r"line 2: picture must be 2 numbers"),
    ],
)
def test_a_bad_json_line_is_named(tmp_path, line, message):
    with pytest.raises(DataError, match=f"rows.jsonl, {message}"):
        read(tmp_path / "rows.jsonl", GOOD + line + "\n" + GOOD)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((",,,,,,\n", ",,\n"), r"line 3: has 3 values, but the header names 7 columns\. Complete"),
        ((",,,,,,\n", ",,,,,,,\n"), r"line 3: has 8 values"),
        (("-1,c", "free,c"), r"line 5: price must be a number, got 'free'"),  # after a blank line
        (('"[""x""]"', "x|y"), r"line 5: clicked must be a JSON list such as \[.*got 'x\|y'"),
        (('"[""x""]"', '"x'), r"line 5: is not CSV: unexpected end of data"),
        (("user_id", "userid"), r"its header has no column 'user_id'. Did you mean userid\?"),
        (("ignored", "price"), r"its header names 'price' twice"),
        ((CSV, ""), r"is empty\. A CSV file begins with a line of column names"),
        (("ü", b"\xff"), r"line 6: is not UTF-8 text"),
    ],
)
def test_a_bad_csv_row_is_named(tmp_path, change, message):
    old, new = (each if isinstance(each, bytes) else each.encode() for each in change)
    with pytest.raises(DataError, match=rf"rows.csv(, |:? ){message}"):
        read(tmp_path / "rows.csv", CSV.encode().replace(old, new, 1))


def test_a_name_that_no_row_has_is_refused_with_the_nearest(tmp_path):
    rows = [{"pirce" if key == "price" else key: value for key, value in ROWS[0].items()}] * 3
    with pytest.raises(DataError, match=r"no row has 'price'\. Did you mean pirce\? Where"):
        read(tmp_path / "rows.jsonl", lines(rows), block_rows=2)


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv cannot be read: No such file"):
        list(read_rows(str(tmp_path / "none.csv"), FEATURES))
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match=r"folder\.csv cannot be read: Is a directory"):
        list(read_rows(str(tmp_path / "folder.csv"), FEATURES))
    with pytest.raises(DataError, match=r"cannot tell its format from its name\. .*\.jsonl.*\.csv"):
        list(read_rows(str(tmp_path / "rows.txt"), FEATURES))


@pytest.mark.parametrize(
    "content", [gzip.compress(GOOD.encode())[:-12], GOOD.encode()], ids=["cut", "plain"]
)
def test_what_is_no_whole_gzip_file_is_refused(tmp_path, content):
    with pytest.raises(DataError, match=r"rows\.jsonl\.gz is not a whole gzip file"):
        read(tmp_path / "rows.jsonl.gz", content)
