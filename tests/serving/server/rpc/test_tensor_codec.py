import grpc
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tensorflow.core.framework import tensor_pb2

from serving.server.core.serving_error import ServingError
from serving.server.rpc.tensor_codec import decode, encode

MOST = 10_000
NUMERIC = [
    np.float32, np.float64, np.float16, tf.bfloat16.as_numpy_dtype, np.bool_, np.int8, np.int16,
    np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64,
]  # fmt: skip
TOKENS = np.array([[b"a", b"\xff\x00"], [b"", "é".encode()], [b"c", b"d"]], object)


def values(dtype):
    return np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype)


@pytest.mark.parametrize("dtype", NUMERIC, ids=lambda each: np.dtype(each).name)
def test_reads_what_tensorflow_writes_and_the_other_way_round(dtype):
    array = values(dtype)
    made, typed = tf.make_tensor_proto(array), encode(array)
    assert not typed.tensor_content
    content = tensor_pb2.TensorProto(dtype=made.dtype, tensor_shape=made.tensor_shape)
    content.tensor_content = array.tobytes()
    for proto in (made, typed, content):
        decoded = decode("x", proto, MOST)
        assert decoded.dtype == array.dtype
        np.testing.assert_array_equal(decoded, array)
        np.testing.assert_array_equal(tf.make_ndarray(proto), array)


def test_strings_are_bytes():
    for proto in (tf.make_tensor_proto(TOKENS), encode(TOKENS)):
        np.testing.assert_array_equal(decode("x", proto, MOST), TOKENS)
        np.testing.assert_array_equal(tf.make_ndarray(proto), TOKENS)


@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.int64, np.uint8]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    )
)
@settings(max_examples=50, deadline=None)
def test_every_shape_survives(array):
    for proto in (encode(array), tf.make_tensor_proto(array, shape=array.shape)):
        decoded = decode("x", proto, MOST)
        assert decoded.shape == array.shape
        np.testing.assert_array_equal(decoded, array)


def test_the_last_value_is_repeated_as_tensorflow_does():
    proto = tensor_pb2.TensorProto(dtype=tf.float32.as_datatype_enum, float_val=[1.0, 2.0])
    proto.tensor_shape.dim.add(size=4)
    np.testing.assert_array_equal(decode("x", proto, MOST), tf.make_ndarray(proto))
    np.testing.assert_array_equal(decode("x", proto, MOST), [1, 2, 2, 2])


def proto(dtype=1, shape=(2,), **fields):
    made = tensor_pb2.TensorProto(dtype=dtype, **fields)
    for size in shape:
        made.tensor_shape.dim.add(size=size)
    return made


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (proto(dtype=0), "dtype 0"),
        (proto(dtype=999), "dtype 999"),
        (proto(dtype=tf.resource.as_datatype_enum), "tensor of resource"),
        (proto(dtype=101), "cannot be sent"),
        (proto(shape=(-1,)), "open shape"),
        (proto(shape=(1 << 40,), float_val=[1.0]), "Send at most 10,000 elements"),
        (proto(shape=(0, 1 << 62, 1 << 62)), "Send at most 10,000 elements"),
        (proto(shape=(1,) * 40, float_val=[1.0]), "40 axes"),
        (proto(tensor_content=b"123"), r"3 bytes .* takes 8"),
        (proto(dtype=7, tensor_content=b"12345678"), "Send them in `string_val`"),
        (proto(float_val=[1, 2, 3]), "3 values, but its shape .* has room for 2"),
        (proto(int64_val=[1, 2]), r"no float32 values \(`float_val`\)"),
        (proto(dtype=tf.uint8.as_datatype_enum, int_val=[1, 300]), "a value that is no uint8"),
    ],
)
def test_a_tensor_that_contradicts_itself_is_refused_by_name(bad, sentence):
    with pytest.raises(ServingError, match=f"'price'.*{sentence}") as refused:
        decode("price", bad, MOST)
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_open_rank_is_refused():
    bad = proto(shape=())
    bad.tensor_shape.unknown_rank = True
    with pytest.raises(ServingError, match="open shape"):
        decode("price", bad, MOST)
