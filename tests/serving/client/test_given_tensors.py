import numpy as np
import pytest

from features.errors import DataError
from serving.client.given_tensors import given_tensors
from serving.export_format.signature_table import TensorTemplate

INPUTS = {
    "age": TensorTemplate("float32", (None,)),
    "time": TensorTemplate("int64", (None,)),
    "user": TensorTemplate("string", (1,)),
}
GOOD = {"age": [1, 2.5], "time": [3, 4], "user": ["u"]}


def test_lists_and_wider_arrays_take_the_types_of_the_signature():
    received = given_tensors({**GOOD, "age": np.array([1.0, 2.5])}, INPUTS, "rank")
    assert {name: array.dtype for name, array in received.items()} == {
        "age": np.float32,
        "time": np.int64,
        "user": object,
    }
    np.testing.assert_array_equal(received["age"], [1.0, 2.5])
    assert given_tensors({**GOOD, "time": []}, INPUTS, "rank")["time"].dtype == np.int64


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"age": ["1"]}, r"'age' takes float32 of shape \(any\), got \['1'\]"),
        ({"time": [1.5]}, r"'time' takes int64"),
        ({"time": [True]}, r"'time' takes int64"),
        ({"user": [1]}, r"'user' takes string of shape \(1\), got \[1\]"),
        ({"user": ["a", "b"]}, r"'user' takes string of shape \(1\)"),
        ({"age": [[1.0], [2.0, 3.0]]}, r"'age' takes float32"),
        ({"age": 1.0}, r"'age' takes float32"),
        ({"ages": [1.0]}, r"'rank' has no input 'ages'. Did you mean age\?"),
    ],
)
def test_what_does_not_fit_is_refused(changed, message):
    with pytest.raises(DataError, match=message):
        given_tensors({**GOOD, **changed}, INPUTS, "rank")


def test_missing_inputs_are_named():
    with pytest.raises(DataError, match="takes 3 inputs and these are missing: time, user"):
        given_tensors({"age": [1.0]}, INPUTS, "rank")
