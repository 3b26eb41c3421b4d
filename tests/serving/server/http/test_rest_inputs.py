import numpy as np
import pytest
import tensorflow as tf

from serving.server.core.serving_error import ServingError
from serving.server.core.validation import Signature, TensorInfo
from serving.server.http.rest_inputs import in_rows, read_inputs


def signature(**inputs):
    infos = {name: TensorInfo(f"{name}:0", *each) for name, each in inputs.items()}
    return Signature("s", "", infos, {})


SIGNATURE = signature(
    price=(tf.float32, (None,)),
    time=(tf.int64, (None,)),
    tags=(tf.string, (None, None)),
    picture=(tf.float32, (None, 2)),
)
ONE = signature(examples=(tf.string, (None,)))
ROW = {"price": 1.5, "time": 3, "tags": ["a", "é"], "picture": [1, 2.5]}


def test_rows_and_columns_say_the_same():
    rows = [ROW, {"price": 2, "time": -1, "tags": [{"b64": "/w"}, ""], "picture": [0, 0]}]
    columns = {name: [row[name] for row in rows] for name in ROW}
    expected = {
        "price": np.float32([1.5, 2]),
        "time": np.int64([3, -1]),
        "tags": np.array([[b"a", "é".encode()], [b"\xff", b""]], object),
        "picture": np.float32([[1, 2.5], [0, 0]]),
    }
    for body in ({"instances": rows}, {"inputs": columns}):
        found = read_inputs(body, SIGNATURE)
        for name, array in expected.items():
            assert found[name].dtype == array.dtype
            np.testing.assert_array_equal(found[name], array)


def test_a_single_input_needs_no_name():
    bodies = [
        {"instances": ["a", {"b64": "Yg=="}]},
        {"instances": [{"examples": "a"}, {"examples": {"b64": "Yg=="}}]},
        {"inputs": ["a", {"b64": "Yg=="}]},
        {"inputs": {"examples": ["a", "b"]}},
    ]
    for body in bodies:
        np.testing.assert_array_equal(read_inputs(body, ONE)["examples"], [b"a", b"b"])


def test_an_empty_column_has_the_axes_of_the_signature():
    columns = {"price": [], "time": [], "tags": [], "picture": []}
    shapes = {k: v.shape for k, v in read_inputs({"inputs": columns}, SIGNATURE).items()}
    assert shapes == {"price": (0,), "time": (0,), "tags": (0, 0), "picture": (0, 2)}
    found = read_inputs({"inputs": {**columns, "tags": [[], []]}}, SIGNATURE)
    assert found["tags"].shape == (2, 0)


def test_inputs_of_any_shape_and_kind():
    anything = signature(
        x=(tf.float64, None), flag=(tf.bool, None), half=(tf.float16, ()), small=(tf.uint8, (None,))
    )
    body = {"inputs": {"x": [[1, 2.5]], "flag": True, "half": 0.5, "small": [0, 255]}}
    found = read_inputs(body, anything)
    assert {k: (v.dtype.name, v.shape) for k, v in found.items()} == {
        "x": ("float64", (1, 2)),
        "flag": ("bool", ()),
        "half": ("float16", ()),
        "small": ("uint8", (2,)),
    }


def test_a_number_that_is_missing_is_nan():
    body = {"instances": [{**ROW, "price": float("nan")}]}
    assert np.isnan(read_inputs(body, SIGNATURE)["price"]).all()


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"price": "1"}, r"'price' \(float32, .*found '1' \(a string\), expected a number, NaN"),
        ({"price": None}, r"'price'.*null.*expected a number, NaN where it is missing"),
        ({"price": True}, "'price'.*true or false"),
        ({"price": {"b64": "AA=="}}, "'price'.*found an object"),
        ({"price": [1.0]}, "'price'.*found a list, expected a number"),
        ({"price": 1e39}, r"'price'.*1e\+39 .*does not fit into float32"),
        ({"price": 10**400}, "'price'.*a whole number of many digits does not fit into float32"),
        ({"time": 1.0}, r"'time'.*1.0 \(a decimal number\), expected a whole number"),
        ({"time": float("nan")}, "'time'.*nan .*expected a whole number"),
        ({"time": 2**63}, "'time'.*does not fit into int64"),
        ({"tags": "a"}, "'tags'.*found 'a' .*inside 1 lists, expected a list"),
        ({"tags": [["a"]]}, "'tags'.*found a list, expected a string"),
        ({"tags": [1]}, "'tags'.*found 1 .*expected a string"),
        ({"tags": [None]}, "'tags'.*null.*expected a string"),
        ({"tags": [{"b64": "?"}]}, r"'tags'.*'\?'.*not base64"),
        ({"tags": [{"b64": 3}]}, "'tags'.*not base64"),
        ({"tags": [{"b64": "é"}]}, "'tags'.*not base64"),
        ({"tags": [{"c": "a"}]}, "'tags'.*found an object, expected a string"),
        ({"tags": ["\ud800"]}, "'tags'.*half of a surrogate pair"),
        ({"tags": ["x" * 1000, 1]}, "'tags'.*found 1"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(value, sentence):
    for body in (
        {"instances": [{**ROW, **value}]},
        {"inputs": {name: [each] for name, each in {**ROW, **value}.items()}},
    ):
        with pytest.raises(ServingError, match=sentence) as refused:
            read_inputs(body, SIGNATURE)
        assert len(refused.value.message) < 400


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"instances": [ROW, {**ROW, "tags": ["a"]}]}, "'tags'.*lists of axis 1 have 1 to 2"),
        ({"inputs": {**ROW}}, "'price'.*found 1.5 .* inside 0 lists, expected a list"),
        ({"instances": [ROW, 3]}, "row 1 is a whole number, row 0 an object"),
        ({"instances": [3, ROW]}, "mixes objects and plain values: row 1"),
        ({"instances": [1, 2]}, 'has 4 inputs, but "instances" holds plain values'),
        ({"instances": []}, '"instances" is empty'),
        ({"instances": ROW}, '"instances" is an object, expected a list'),
        ({"instances": [{**ROW, "prise": 1}]}, "no input 'prise' in row 0. Did you mean price?"),
        ({"instances": [ROW, {"price": 1}]}, "missing input 'time' .* in row 1"),
        ({"inputs": {"price": [1]}}, "missing input 'time'"),
        ({"inputs": {**ROW, "x": 1}}, "no input 'x'"),
        ({"inputs": [1]}, "has 4 inputs"),
        ({"inputs": {"b64": "AA=="}}, "has 4 inputs"),
    ],
)
def test_a_wrong_form_is_refused(body, sentence):
    with pytest.raises(ServingError, match=sentence):
        read_inputs(body, SIGNATURE)


@pytest.mark.parametrize("body", [{}, {"instances": [1], "inputs": [1]}])
def test_a_body_has_either_rows_or_columns(body):
    with pytest.raises(ServingError, match='of "instances" and "inputs"'):
        in_rows(body)
