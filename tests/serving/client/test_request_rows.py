import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from features.errors import DataError
from serving.client.request_rows import rank_tensors, to_examples, to_tensors
from serving.export_format import names
from serving.export_format.export_layout import SIGNATURES_FILE
from serving.export_format.signature_table import TensorTemplate, read_table, user_columns
from serving.scoring.signature_inputs import encode_examples, signature_inputs


@pytest.fixture(scope="module")
def table(exported):
    return read_table(exported / SIGNATURES_FILE)


def as_server_tells(inputs):
    """What GetModelMetadata says of inputs: neither columns nor what stands for missing."""
    return {
        name: dataclasses.replace(each, column=None, missing=None) for name, each in inputs.items()
    }


def encoded(array):
    if array.dtype != object:
        return array
    flat = [each if isinstance(each, bytes) else each.encode() for each in array.ravel()]
    return np.array([*flat, None], object)[:-1].reshape(array.shape)


@pytest.mark.parametrize("tell", [dict, as_server_tells], ids=["by its file", "by the server"])
def test_tensors_are_those_that_the_export_is_verified_with(tell, table, rows, bundle):
    features = bundle.metadata.features
    expected = signature_inputs(names.RAW_TENSORS, rows, features)
    received = to_tensors(rows.to_pylist(), tell(table[names.RAW_TENSORS].inputs))
    assert received.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(encoded(received[name]), tensor.numpy(), err_msg=name)


@pytest.mark.parametrize("tell", [dict, as_server_tells], ids=["by its file", "by the server"])
def test_examples_are_those_that_the_export_is_verified_with(tell, table, rows, bundle):
    received = to_examples(rows.to_pylist(), tell(table[names.RAW_TENSORS].inputs))
    expected = encode_examples(rows, bundle.metadata.features)
    parse = tf.train.Example.FromString
    assert list(map(parse, received)) == list(map(parse, expected))


def test_no_rows_are_tensors_without_rows(table):
    received = to_tensors([], table[names.RAW_TENSORS].inputs)
    assert {array.shape[0] for array in received.values()} == {0}
    assert received["picture"].shape == (0, 2)
    assert to_examples([], table[names.RAW_TENSORS].inputs) == []


def test_the_user_of_rank_is_given_once(table, rows, bundle):
    user_names = {
        name for name, each in table[names.RANK].inputs.items() if each.side == names.USER
    }
    users = user_columns(table)
    plain = rows.to_pylist()
    user = {key: value for key, value in plain[0].items() if key in users}
    candidates = [{key: row[key] for key in row if key not in users} for row in plain]
    received = rank_tensors(user, candidates, table[names.RANK].inputs)
    expected = signature_inputs(names.RANK, rows, bundle.metadata.features, users)
    assert received.keys() == expected.keys()
    assert 0 < len(user_names) < len(received)
    for name, tensor in expected.items():
        np.testing.assert_array_equal(encoded(received[name]), tensor.numpy(), err_msg=name)
    with pytest.raises(DataError, match=r"the user has 'price', which `rank` .* other side"):
        rank_tensors({**user, "price": 1.0}, candidates, table[names.RANK].inputs)
    with pytest.raises(DataError, match="a candidate has 'user_id:token', which `rank`"):
        rank_tensors(user, [{**candidates[0], "user_id:token": "u1"}], table[names.RANK].inputs)


def test_whole_numbers_stand_for_text(table):
    received = to_tensors([{"item": 5, "tags": [7, "x", None]}], table[names.RAW_TENSORS].inputs)
    assert received["item"].tolist() == ["5"]
    assert received["tags"].tolist() == [["7", "x", ""]]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"user_id:tokn": "u1"},
            r"'user_id:tokn', which the model does not read. Did you mean use",
        ),
        ({"price": "3"}, r"row 1 \(from 0\): price must be a number, got '3'"),
        ({"price": float("inf")}, r"price must be a number that a float32 holds, got inf"),
        ({"price": 1e39}, r"price must be a number that a float32 holds, got 1e\+39"),
        ({"item": ["i1"]}, r"item must be text, .*got \['i1'\]"),
        ({"tags": "a|b"}, r"tags must be a list of texts, got 'a\|b'"),
        ({"tags": [["a"]]}, r"tags must be text"),
        ({"time": float("inf")}, r"time must be a time as a whole number of 64 bits, got inf"),
        ({"time": True}, r"time must be a time as a whole number of 64 bits, got True"),
        ({"time": 2**63}, r"time must be a time as a whole number of 64 bits"),
        ({"picture": [1.0]}, r"picture must be a list of 2 numbers, got \[1\.0\]"),
        ({"picture": [1.0, "x"]}, r"picture must be a number, got 'x'"),
        ({"user_id:token": "a", "user_id_token": "b"}, r"name the input 'user_id_token' twice"),
    ],
)
def test_values_that_do_not_fit_are_refused(table, row, message):
    for make in (to_tensors, to_examples):
        with pytest.raises(DataError, match=message):
            make([{}, row], table[names.RAW_TENSORS].inputs)


def test_a_list_is_told_from_an_embedding():
    inputs = {
        "list": TensorTemplate("string", (None, None)),
        "one": TensorTemplate("string", (None,)),
    }
    received = to_tensors([{"list": ["a"]}, {"list": ["b", "c"]}], inputs)
    assert received["list"].tolist() == [["a", ""], ["b", "c"]]
    assert received["one"].tolist() == ["", ""]
