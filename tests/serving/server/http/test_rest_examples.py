import pytest
import tensorflow as tf

from serving.server.core.serving_error import ServingError
from serving.server.http.rest_examples import read_examples


def parsed(body):
    found = []
    for serialized in read_examples(body):
        features = tf.train.Example.FromString(serialized).features.feature
        kinds = {name: each.WhichOneof("kind") for name, each in features.items()}
        found.append(
            {
                name: (kind, list(getattr(features[name], kind).value) if kind else [])
                for name, kind in kinds.items()
            }
        )
    return found


def test_the_kind_of_a_feature_is_that_of_its_values():
    example = {
        "user": "ü3",
        "raw": {"b64": "/w=="},
        "tags": ["a", {"b64": "Yg=="}],
        "price": 2.5,
        "prices": [1.0, float("nan")],
        "time": 3,
        "flags": [True, 2],
        "none": [],
    }
    assert parsed({"examples": [example]})[0] | {"prices": None} == {
        "user": ("bytes_list", ["ü3".encode()]),
        "raw": ("bytes_list", [b"\xff"]),
        "tags": ("bytes_list", [b"a", b"b"]),
        "price": ("float_list", [2.5]),
        "prices": None,
        "time": ("int64_list", [3]),
        "flags": ("int64_list", [1, 2]),
        "none": (None, []),
    }


def test_the_context_is_a_part_of_every_example():
    body = {"context": {"user": "u"}, "examples": [{"item": "a"}, {}]}
    user = {"user": ("bytes_list", [b"u"])}
    assert parsed(body) == [{**user, "item": ("bytes_list", [b"a"])}, user]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, '"examples" is missing'),
        ({"examples": []}, '"examples" is empty'),
        ({"examples": {}}, '"examples" is an object'),
        ({"examples": [{}, 3]}, "example 1 is a whole number, expected an object"),
        ({"examples": [{}], "context": [1]}, '"context" is a list'),
        ({"examples": [{"a": 1}], "context": {"a": 1}}, "'a' is in \"context\" and in example 0"),
        ({"examples": [{"price": None}]}, "example 0, feature 'price': found null.*Leave out"),
        ({"examples": [{"price": [[1.0]]}]}, "'price': found a list"),
        ({"examples": [{"price": {"c": 1}}]}, "'price': found an object"),
        ({"examples": [{"price": [1.0, 2]}]}, "'price' mixes a decimal number and a whole"),
        ({"examples": [{"price": ["a", 2]}]}, "'price' mixes a string and a whole number"),
        ({"examples": [{"price": 1e39}]}, r"'price': 1e\+39 does not fit into float32"),
        ({"examples": [{"time": 2**63}]}, "'time'.*does not fit into int64"),
        ({"examples": [{"user": "\ud800"}]}, "'user'.*surrogate"),
        ({"examples": [{"\ud800": 1}]}, "example 0.*surrogate"),
        ({"examples": [{"user": {"b64": "?"}}]}, "'user'.*not base64"),
    ],
)
def test_what_is_no_example_is_refused_by_name(body, sentence):
    with pytest.raises(ServingError, match=sentence):
        read_examples(body)
