"""Formats of raw rows: what the data job reads, `predict` reads alike."""

import bz2
import datetime
import lzma
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import DataError
from features.specs import FeatureSet
from features.text_format import TextFormat
from serving.scoring.raw_rows import read_rows

FEATURES = FeatureSet.model_validate(
    {
        "features": {
            "user": {"kind": "categorical", "column": "user_id"},
            "price": {"kind": "numeric"},
            "tags": {"kind": "multivalued", "separator": "|", "max_length": 3},
            "hour": {"kind": "categorical", "column": "time", "transform": "hour"},
            "picture": {"kind": "embedding", "dimension": 2, "separator": " "},
        }
    }
)
ROWS = [
    {
        "user_id": "7",
        "price": 2.5,
        "tags": ["a", "b"],
        "time": 1_700_000_000_000_000_001,
        "picture": [1.0, 2.0],
    },
    dict.fromkeys(("user_id", "price", "tags", "time", "picture")),
    {"user_id": "ü", "price": -1.0, "tags": ["c"], "time": -5, "picture": [0.0, 1.0]},
]
CSV = (
    "ignored,user_id,price,tags,time,picture\n"
    "x,7,2.5,a|b,1700000000000000001,1 2\n"
    "-,,,,,\n"
    "a,ü,-1,c,-5,0 1\n"
)


@pytest.mark.parametrize(
    ("name", "text_format", "text"),
    [
        ("rows.tsv", None, CSV.replace(",", "\t")),
        ("rows.csv", TextFormat(delimiter=";"), CSV.replace(",", ";")),
        ("rows.csv", TextFormat(delimiter=";"), CSV),
        ("rows.csv", TextFormat(delimiter="::", quoting=False), CSV.replace(",", "::")),
        ("rows.csv", TextFormat(encoding="latin-1"), CSV.encode("latin-1")),
        ("rows.csv", None, CSV.replace("user_id,", " user_id ,")),
        (
            "rows.csv",
            TextFormat(columns=("ignored", "user_id", "price", "tags", "time", "picture")),
            CSV.partition("\n")[2],
        ),
        ("rows.csv.xz", None, lzma.compress(CSV.encode())),
        ("rows.csv.bz2", None, bz2.compress(CSV.encode())),
    ],
)
def test_text_is_read_as_the_data_job_read_it(tmp_path, name, text_format, text):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    batches = read_rows(str(tmp_path / name), FEATURES, text_format=text_format)
    assert [row for batch in batches for row in batch.to_pylist()] == ROWS


def test_parquet_has_the_tokens_of_its_texts(tmp_path):
    path = tmp_path / "rows.parquet"
    table = pa.table(
        {
            "user_id": [7.0, None, -0.0],
            "price": [2.5, math.nan, -1.0],
            "tags": [["a", "b"], None, ["c"]],
            "time": [datetime.date(1970, 1, 2), None, datetime.date(2022, 4, 15)],
            "picture": pa.array([[1.0, 2.0], None, [0.0, 1.0]], pa.list_(pa.float64())),
        }
    )
    pq.write_table(table, path)
    received = [row for batch in read_rows(str(path), FEATURES, 2) for row in batch.to_pylist()]
    assert [row["user_id"] for row in received] == ["7", None, "0"]
    assert [row["price"] for row in received] == [2.5, None, -1.0]
    assert [row["tags"] for row in received] == [["a", "b"], None, ["c"]]
    assert [row["time"] for row in received] == [86_400, None, 1_649_980_800]
    assert [row["picture"] for row in received] == [[1.0, 2.0], None, [0.0, 1.0]]
    pq.write_table(table.drop_columns("price"), path)
    with pytest.raises(DataError, match=r"rows\.parquet has no column 'price'\..*add it with null"):
        list(read_rows(str(path), FEATURES))
    pq.write_table(table.set_column(1, "price", pa.array(["1", "2", "free"])), path)
    with pytest.raises(DataError, match=r"rows\.parquet, row 3: price must be a number, got 'free"):
        list(read_rows(str(path), FEATURES))
    path.write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match=r"rows\.parquet cannot be read as Parquet after row 0"):
        list(read_rows(str(path), FEATURES))


def test_a_key_inside_of_an_object_is_a_column(tmp_path):
    spec = {"features": {"city": {"kind": "categorical", "column": "user/city"}}}
    (tmp_path / "rows.jsonl").write_text('{"user": {"city": "Oslo"}}\n{"user": null}\n{}\n')
    (batch,) = read_rows(str(tmp_path / "rows.jsonl"), FeatureSet.model_validate(spec))
    assert batch.to_pydict() == {"user/city": ["Oslo", None, None]}


def test_texts_that_mean_missing_in_training_mean_it_here(tmp_path):
    null = {"null_values": ["NULL"]}
    spec = {
        "city": {"kind": "categorical", **null},
        "age": {"kind": "numeric", **null},
        "tags": {"kind": "multivalued", "separator": "|", "max_length": 2, **null},
    }
    features = FeatureSet.model_validate({"features": spec})
    (tmp_path / "rows.csv").write_text("city,age,tags\nNULL,NULL,NULL\nOslo,3,a|NULL\n")
    (tmp_path / "rows.jsonl").write_text(
        '{"city": "NULL", "age": "NULL", "tags": "NULL"}\n'
        '{"city": "Oslo", "age": 3, "tags": ["a", "NULL"]}\n'
    )
    for name in ("rows.csv", "rows.jsonl"):
        (batch,) = read_rows(str(tmp_path / name), features)
        assert batch.to_pylist() == [
            {"city": None, "age": None, "tags": None},
            {"city": "Oslo", "age": 3.0, "tags": ["a", "NULL"]},
        ]
