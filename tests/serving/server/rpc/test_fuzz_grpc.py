"""Whatever arrives over gRPC, the answer is a status and a sentence, and others get theirs."""

from collections.abc import Callable
from contextlib import suppress

import grpc
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from tensorflow.core.example import example_pb2
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import classification_pb2, predict_pb2

from serving.export_format import names
from tests.serving.server.conftest import MODEL
from tests.serving.server.fuzz import FUZZ, assert_sentence, damaged, witnesses

ALLOWED = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNIMPLEMENTED,  # a method of MultiInference
}
PREDICT = "/tensorflow.serving.PredictionService/Predict"
METHODS = ["Predict", "Classify", "Regress", "MultiInference", "GetModelMetadata"]
PATHS = [f"/tensorflow.serving.PredictionService/{name}" for name in METHODS]
PATHS += ["/tensorflow.serving.ModelService/GetModelStatus"]
SIZES = st.sampled_from([-1, 0, 1, 2, 3, 12, 999, 1001, 2**31, 2**62])
TYPES = st.sampled_from([*types_pb2.DataType.values(), 77, 2**31 - 1])
FIELDS = ["float_val", "double_val", "int_val", "int64_val", "uint32_val", "uint64_val"]
FIELDS += ["bool_val", "half_val", "string_val", "scomplex_val"]
NUMBERS = st.one_of(st.integers(-(2**31), 2**31 - 1), st.sampled_from([0, 1, 255, 65535]))


@pytest.fixture(scope="module")
def send(server) -> Callable[[str, bytes], bytes]:
    """Sends bytes to a method as they are; None for a refusal, which must be a decent one."""
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:

        def send(path: str, data: bytes) -> bytes | None:
            try:
                return channel.unary_unary(path)(data, timeout=60)
            except grpc.RpcError as error:
                refused = error
            assert refused.code() in ALLOWED, (refused.code(), refused.details())
            assert_sentence(refused.details())
            return None

        yield send


@pytest.fixture(scope="module")
def witness(send, examples, eager) -> Callable[[int], None]:
    """Asks for the scores of a few known rows, other ones each time."""
    wanted = eager(names.SERVING_DEFAULT, examples=examples)[names.PROB]

    def ask(number: int) -> None:
        rows = np.roll(np.arange(len(examples)), number)[: 1 + number % 5]
        answer = send(PREDICT, predict_request(examples=examples[rows]).SerializeToString())
        received = tf.make_ndarray(
            predict_pb2.PredictResponse.FromString(answer).outputs[names.PROB]
        )
        np.testing.assert_allclose(received, wanted[rows], atol=1e-6)

    return ask


def predict_request(signature: str = names.SERVING_DEFAULT, **inputs) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = MODEL
    request.model_spec.signature_name = signature
    for name, array in inputs.items():
        proto = array if isinstance(array, tensor_pb2.TensorProto) else tf.make_tensor_proto(array)
        request.inputs[name].CopyFrom(proto)
    return request


@st.composite
def tensor_protos(draw: st.DrawFn) -> tensor_pb2.TensorProto:
    """Any dtype with any shape and any contents, which fit each other only by chance."""
    proto = tensor_pb2.TensorProto(dtype=draw(TYPES))
    proto.tensor_shape.unknown_rank = draw(st.sampled_from([False] * 9 + [True]))
    for size in draw(st.lists(SIZES, max_size=4)):
        proto.tensor_shape.dim.add(size=size)
    proto.tensor_content = draw(st.one_of(st.just(b""), st.binary(max_size=64)))
    for field in draw(st.lists(st.sampled_from(FIELDS), max_size=2)):
        kind = st.binary(max_size=20) if field == "string_val" else NUMBERS
        for value in draw(st.lists(kind, max_size=3)):
            with suppress(ValueError):  # a negative number in an unsigned field
                getattr(proto, field).append(value)
    return proto


@FUZZ
@given(path=st.sampled_from(PATHS), data=st.binary(max_size=300))
def test_bytes_that_are_nothing_in_particular(send, witness, path, data):
    send(path, data)
    witness(len(data))


def test_damaged_requests_beside_known_ones(send, witness, examples, tensors):
    """A damaged request may still be a request; it is answered or refused as such."""
    whole = [
        predict_request(examples=examples[:2]).SerializeToString(),
        predict_request(
            names.RAW_TENSORS, **{k: v[:2] for k, v in tensors.items()}
        ).SerializeToString(),
    ]
    classify = classification_pb2.ClassificationRequest()
    classify.model_spec.name, classify.model_spec.signature_name = MODEL, names.CLASSIFY
    for example in examples[:2]:
        classify.input.example_list.examples.append(example_pb2.Example.FromString(example))
    whole.append(classify.SerializeToString())

    @FUZZ
    @given(st.sampled_from(PATHS), st.one_of(*map(damaged, whole)))
    def run(path: str, data: bytes) -> None:
        send(path, data)

    with witnesses(witness):
        run()


def test_tensors_that_do_not_fit_beside_known_ones(send, witness, tensors):
    whole = {name: tf.make_tensor_proto(value[:2]) for name, value in tensors.items()}
    wrong = st.dictionaries(st.sampled_from(sorted(whole)), tensor_protos(), min_size=1, max_size=2)

    @FUZZ
    @given(st.sampled_from([names.RAW_TENSORS, names.RANK]), wrong, st.booleans())
    def run(signature: str, tensors: dict, alone: bool) -> None:
        inputs = tensors if alone else {**whole, **tensors}
        send(PREDICT, predict_request(signature, **inputs).SerializeToString())

    with witnesses(witness):
        run()


@FUZZ
@given(data=st.data())
def test_arrays_of_the_right_type_and_any_shape(send, witness, tensors, data):
    """Shapes that only the graph could refuse: rows that differ, lists longer than any."""
    inputs = {}
    for name, value in tensors.items():
        sizes = [
            data.draw(st.integers(0, 3)) if axis < 2 else size
            for axis, size in enumerate(value.shape)
        ]
        if data.draw(st.booleans()) and value.size:
            value = np.resize(value, sizes)
        inputs[name] = value[:2] if len(value) else value
    signature = data.draw(st.sampled_from([names.RAW_TENSORS, names.RANK]))
    answer = send(PREDICT, predict_request(signature, **inputs).SerializeToString())
    if signature == names.RAW_TENSORS and len({len(value) for value in inputs.values()}) > 1:
        assert answer is None  # never one row for all
    witness(3)


def test_damaged_examples_inside_sound_requests(send, witness, examples):
    """They reach TensorFlow's own parser."""
    damage = st.sampled_from(list(examples[:4])).flatmap(damaged)

    @FUZZ
    @given(
        st.sampled_from([names.SERVING_DEFAULT, names.BRANCHES]),
        st.lists(
            st.one_of(damage, st.binary(max_size=50), st.just(examples[0])), min_size=1, max_size=3
        ),
    )
    def run(signature: str, rows: list[bytes]) -> None:
        array = np.array([*rows, None], object)[:-1]
        send(PREDICT, predict_request(signature, examples=array).SerializeToString())

    with witnesses(witness):
        run()


def test_few_bytes_do_not_become_many_in_memory(send, witness):
    """A shape repeats the last value: a long string must not be repeated thousands of times."""
    proto = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[b"x" * 900_000])
    proto.tensor_shape.dim.add(size=1000)
    request = predict_request(examples=proto).SerializeToString()
    assert send(PREDICT, request) is None
    witness(1)


@FUZZ
@given(
    path=st.text(st.characters(codec="ascii", exclude_characters="\0\r\n"), max_size=30),
    data=st.binary(max_size=20),
)
def test_methods_that_do_not_exist(server, witness, path, data):
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        with pytest.raises((grpc.RpcError, ValueError)) as refused:
            channel.unary_unary(f"/tensorflow.serving.PredictionService/{path}")(data, timeout=60)
        if isinstance(refused.value, grpc.RpcError):
            assert refused.value.code() in {grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INTERNAL}
    witness(2)
