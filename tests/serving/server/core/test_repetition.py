import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import input_pb2

from serving.server.core.repetition import MOST_BYTES
from serving.server.core.serving_error import ServingError
from serving.server.http.rest_examples import read_examples
from serving.server.rpc.grpc_api import _examples
from serving.server.rpc.tensor_codec import decode

LONG = MOST_BYTES // 100 + 1


def string_tensor(size, rows):
    proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[b"x" * size])
    proto.tensor_shape.dim.add(size=rows)
    return proto


def test_a_string_is_repeated_up_to_a_limit():
    assert decode("examples", string_tensor(LONG - 1, 100), 1000).nbytes > 0
    with pytest.raises(ServingError, match=r"'examples' has 671,089 bytes and stands for 100 rows"):
        decode("examples", string_tensor(LONG, 100), 1000)


def test_numbers_are_repeated_as_far_as_a_tensor_may_go():
    array = decode("price", tf.make_tensor_proto(np.float32(1.5), shape=[1000]), 1000)
    assert array.tolist() == [1.5] * 1000


def test_a_context_is_repeated_up_to_a_limit():
    sent = input_pb2.Input()
    sent.example_list_with_context.context.features.feature["a"].bytes_list.value.append(
        b"x" * LONG
    )
    for _ in range(99):
        sent.example_list_with_context.examples.add()
    assert len(_examples(sent)) == 99
    sent.example_list_with_context.examples.add()
    with pytest.raises(ServingError, match=r"context has .* and stands for 100 rows"):
        _examples(sent)


def test_a_context_in_json_is_repeated_up_to_a_limit():
    body = json.loads(json.dumps({"context": {"a": "x" * LONG}, "examples": [{}] * 99}))
    assert len(read_examples(body)) == 99
    with pytest.raises(ServingError, match=r"context has .* and stands for 100 rows"):
        read_examples(body | {"examples": [{}] * 100})
