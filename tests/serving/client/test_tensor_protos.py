import numpy as np
import pytest
import tensorflow as tf

from features.errors import DataError
from serving.client.protos import message_class
from serving.client.tensor_protos import from_proto, to_proto

ARRAYS = [
    np.array([[1.5, np.nan, -np.inf]], np.float32),
    np.array([2.0**-60], np.float64),
    np.array([np.iinfo(np.int64).min, 7], np.int64),
    np.array([-3], np.int32),
    np.array([True, False]),
    np.zeros((0, 3), np.float32),
    np.array([["a", "ü"], [b"\xff\x00", ""]], object),
    np.array(["b", "cc"]),
    np.zeros((2, 0), object),
    np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_arrays_arrive_in_tensorflow_and_come_back(array):
    expected = array
    if array.dtype.kind in "OU":
        encoded = [each if isinstance(each, bytes) else each.encode() for each in array.ravel()]
        expected = np.array([*encoded, None], object)[:-1].reshape(array.shape)
    proto = to_proto(array)
    received = tf.make_tensor_proto(0)
    received.ParseFromString(proto.SerializeToString())
    np.testing.assert_array_equal(tf.make_ndarray(received), expected)
    back = from_proto(proto)
    assert back.shape == expected.shape
    np.testing.assert_array_equal(back, expected)


@pytest.mark.parametrize("array", ARRAYS[:5], ids=lambda array: str(array.dtype))
@pytest.mark.parametrize("compact", [True, False])
def test_what_tensorflow_sends_is_read(array, compact):
    sent = tf.make_tensor_proto(array)
    if not compact:
        sent = tf.make_tensor_proto(array.tolist(), sent.dtype, array.shape)
    proto = message_class("tensorflow.TensorProto").FromString(sent.SerializeToString())
    np.testing.assert_array_equal(from_proto(proto), array)


def test_the_last_value_stands_for_the_rest():
    proto = message_class("tensorflow.TensorProto")(dtype=1, float_val=[1.0, 2.0])
    proto.tensor_shape.dim.add(size=4)
    np.testing.assert_array_equal(from_proto(proto), np.array([1, 2, 2, 2], np.float32))


def test_values_that_do_not_fill_the_shape_are_refused():
    proto = to_proto(np.zeros(3, np.float32))
    proto.tensor_shape.dim[0].size = 4
    with pytest.raises(DataError, match=r"3 values for shape \[4\]"):
        from_proto(proto)


def test_types_of_no_signature_are_refused():
    with pytest.raises(DataError, match="complex64 cannot be sent"):
        to_proto(np.zeros(1, np.complex64))
    with pytest.raises(DataError, match=r"holds 3\. Give str or bytes"):
        to_proto(np.array([3], object))
    with pytest.raises(DataError, match="data type 8"):
        from_proto(message_class("tensorflow.TensorProto")(dtype=8))
