import json
import math

import numpy as np
import pytest

from serving.server.core.serving_error import ServingError
from serving.server.http.rest_json import columns_json, parse_object, rows_json


def test_nan_and_infinity_are_numbers():
    parsed = parse_object(b'{"x": [NaN, Infinity, -Infinity, 1e3]}')
    assert math.isnan(parsed["x"][0])
    assert parsed["x"][1:] == [math.inf, -math.inf, 1000.0]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b'{"a": nan}', "the body is not JSON"),
        (b"[1]", "the body is a list, expected a JSON object"),
        (b"3", "the body is a whole number"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b"{\x00}", "not JSON"),
        (b'{"price": 1, "price": 2}', "names the key 'price' twice"),
        (b'{"a": [{"b": {"c": 1, "c": 1}}]}', "names the key 'c' twice"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"1" * 10_000 + b"}", "not JSON"),
    ],
    ids=lambda each: each[:20] if isinstance(each, (bytes, str)) else None,
)
def test_what_is_no_json_object_is_refused(body, sentence):
    with pytest.raises(ServingError, match=sentence):
        parse_object(body)


FLOATS = np.array([0.1, 1 / 3, 1e-9, 123456789, -0.0, 1.0], np.float32)


def test_numbers_are_read_back_as_they_were():
    half = np.where(FLOATS > 65504, np.inf, FLOATS).astype(np.float16)
    for array in (FLOATS, FLOATS.astype(np.float64) / 3, half):
        text = columns_json({"prob": array})
        np.testing.assert_array_equal(np.array(json.loads(text)["outputs"], array.dtype), array)
    assert columns_json({"prob": np.float32([0.1, 1, np.nan, -np.inf, np.inf])}) == (
        '{"outputs": [0.1, 1.0, NaN, -Infinity, Infinity]}'
    )


OUTPUTS = {
    "scores": np.float32([[0.25, 0.75], [0.5, 0.5]]),
    "rank": np.int64([2, -1]),
    "classes": np.array([b'"0"', "é".encode()], object),
    "image_bytes": np.array([b"text", b"\xff"], object),
    "not_text": np.array([b"\xff", b"a"], object),
    "new": np.array([True, False]),
}


def test_rows_and_columns_hold_the_same():
    rows = json.loads(rows_json(OUTPUTS))["predictions"]
    columns = json.loads(columns_json(OUTPUTS))["outputs"]
    assert columns == {name: [row[name] for row in rows] for name in OUTPUTS}
    assert rows[1] == {
        "scores": [0.5, 0.5],
        "rank": -1,
        "classes": "é",
        "image_bytes": {"b64": "/w=="},
        "not_text": "a",
        "new": False,
    }
    assert rows[0]["image_bytes"] == {"b64": "dGV4dA=="}  # by its name, as in TensorFlow Serving
    assert rows[0]["not_text"] == {"b64": "/w=="}


def test_a_single_output_has_no_name():
    assert json.loads(rows_json({"prob": np.float32([1, 2])})) == {"predictions": [1, 2]}
    assert json.loads(columns_json({"prob": np.float32(3)})) == {"outputs": 3}
    assert json.loads(columns_json({"prob": np.zeros((0, 2))})) == {"outputs": []}


@pytest.mark.parametrize(
    "outputs", [{"a": np.zeros(2), "b": np.zeros(3)}, {"a": np.float32(1)}], ids=["sizes", "scalar"]
)
def test_outputs_without_rows_are_asked_for_in_columns(outputs):
    with pytest.raises(ServingError, match='"inputs" in place of "instances"'):
        rows_json(outputs)
