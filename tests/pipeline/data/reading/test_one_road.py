"""One value is one token, number and time, whichever road it comes."""

import csv
import json

import hypothesis.strategies as st
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings

from features.preprocessing import canonical
from features.raw import coerce
from features.raw_values import text_of, token_of
from features.specs import FeatureSet
from pipeline.data.reading.own_json import json_lines_file
from pipeline.data.reading.read import read_blocks, read_header
from pipeline.data.sources.base import ParquetFile, TextFile
from serving.scoring.raw_rows import read_rows

FEATURES = FeatureSet(features={"x": {"kind": "categorical"}, "other": {"kind": "categorical"}})
COLUMNS = {
    "truth": st.booleans(),
    "whole": st.integers(-(2**62), 2**62),
    "double": st.floats(allow_infinity=False, width=64) | st.integers(-99, 99).map(float),
    "text": st.text("abc", min_size=1) | st.sampled_from(["12.0", "True", "-0.0", "007", "1.10"]),
}


def job_tokens(file, path):
    blocks = read_blocks(file, str(path), read_header(file, str(path)), ("x", "other"))
    return [value for block in blocks for value in coerce(block.rows, FEATURES)[0]["x"].to_pylist()]


def predict_tokens(path):
    return [value for batch in read_rows(str(path), FEATURES) for value in batch["x"].to_pylist()]


@pytest.mark.parametrize("kind", COLUMNS)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_every_road_gives_the_same_tokens(kind, data, tmp_path):
    values = data.draw(st.lists(st.none() | COLUMNS[kind], min_size=1, max_size=8))
    missing = [None if value is None or value != value else value for value in values]
    expected = [None if value is None else token_of(text_of(value)) for value in missing]

    with (tmp_path / "x.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["x", "other"], *([value, "-"] for value in missing)])
    with (tmp_path / "x.jsonl").open("w") as file:
        file.writelines(json.dumps({"x": value, "other": "-"}) + "\n" for value in missing)
    table = pa.table({"x": values, "other": ["-"] * len(values)})
    pq.write_table(table, tmp_path / "x.parquet")

    files = {
        "x.csv": TextFile(("x.csv",)),
        "x.jsonl": json_lines_file(str(tmp_path / "x.jsonl"), ("x.jsonl",)),
        "x.parquet": ParquetFile(("x.parquet",)),
    }
    for name, file in files.items():
        assert job_tokens(file, tmp_path / name) == expected, name
        assert predict_tokens(tmp_path / name) == expected, name
    texts = [str(value) for value in missing if value is not None]
    received = [text.decode() for text in canonical(tf.constant(texts, tf.string)).numpy()]
    assert received == [token_of(text) for text in texts]
