import grpc
import numpy as np
import pytest
import tensorflow as tf

from serving.server.core.serving_error import ServingError
from serving.server.core.validation import (
    Signature,
    TensorInfo,
    check_inputs,
    check_outputs,
    find_signature,
)


def signature(**inputs):
    infos = {name: TensorInfo(f"{name}:0", *each) for name, each in inputs.items()}
    return Signature("s", "predict", infos, {"prob": TensorInfo("p:0", tf.float32, (None,))})


SCORE = signature(
    price=(tf.float32, (None,)), tags=(tf.string, (None, None)), picture=(tf.float32, (None, 2))
)
RANK = signature(user=(tf.string, (1,)), item=(tf.string, (None,)), price=(tf.float32, (None,)))


def good(rows=3):
    return {
        "price": np.zeros(rows, np.float32),
        "tags": np.full((rows, 2), b"a", object),
        "picture": np.zeros((rows, 2), np.float32),
    }


def refusal(signature, inputs):
    with pytest.raises(ServingError) as caught:
        check_inputs(signature, inputs)
    assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT
    return caught.value.message


@pytest.mark.parametrize("rows", [0, 1, 7])
def test_what_fits_passes_with_its_number_of_rows_in_the_signatures_order(rows):
    arrays, count = check_inputs(SCORE, dict(reversed(good(rows).items())))
    assert count == rows
    assert list(arrays) == list(SCORE.inputs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"price": None},
            "is missing input 'price' (float32, shape (batch,)). Received: ['picture', 'tags'].",
        ),
        ({"prise": np.zeros(3)}, "has no input 'prise'. Did you mean price?"),
        (
            {"price": np.zeros(3)},
            "input 'price' must be float32, received float64. Send float32, shape (batch,).",
        ),
        ({"price": np.zeros(3, np.int64)}, "input 'price' must be float32, received int64"),
        ({"tags": np.zeros((3, 2))}, "input 'tags' must be string, received float64"),
        (
            {"tags": np.full(3, b"a", object)},
            "input 'tags' must be string, shape (batch, any), received shape (3,). Send 2 axes, "
            "not 1.",
        ),
        (
            {"picture": np.zeros((3, 3), np.float32)},
            "input 'picture' must be float32, shape (batch, 2), received shape (3, 3).",
        ),
        ({"price": np.float32(1.0)}, "received shape (). Send 1 axes, not 0."),
        (
            {"tags": np.full((4, 2), b"a", object)},
            "input 'tags' has 4 rows, but input 'price' has 3. Give every input the same number",
        ),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    inputs = {**good(), **change}
    assert message in refusal(SCORE, {k: v for k, v in inputs.items() if v is not None})


def test_rank_takes_one_user_and_as_many_candidates_as_there_are():
    user = {"user": np.array([b"u"], object)}
    rest = {"item": np.full(5, b"i", object), "price": np.zeros(5, np.float32)}
    assert check_inputs(RANK, {**user, **rest})[1] == 5
    two = {"user": np.array([b"u", b"v"], object)}
    assert "input 'user' must be string, shape (1,), received shape (2,). Send exactly" in refusal(
        RANK, {**two, **rest}
    )
    other = {**user, **rest, "price": np.zeros(4, np.float32)}
    assert "input 'price' has 4 rows, but input 'item' has 5" in refusal(RANK, other)


def test_fixed_width_text_of_numpy_becomes_objects():
    for tags in (np.array([["a", "é"]]), np.array([[b"a", b"b"]])):
        arrays, _ = check_inputs(SCORE, {**good(1), "tags": tags})
        assert arrays["tags"].dtype == object
        assert arrays["tags"].tolist() == tags.tolist()


def test_bytes_that_end_in_zeros_keep_them():
    tags = np.array([[b"a\0\0", b"\0"]], object)
    assert check_inputs(SCORE, {**good(1), "tags": tags})[0]["tags"].tolist() == [[b"a\0\0", b"\0"]]


def test_a_name_of_megabytes_is_cut_in_the_message():
    for message in (
        refusal(SCORE, {**good(), "x" * 10_000_000: np.zeros(3)}),
        refusal(SCORE, {str(number): 0 for number in range(100_000)}),
    ):
        assert len(message) < 500


def test_a_signature_or_output_that_is_not_there_is_named():
    with pytest.raises(ServingError, match=r"no signature 'renk'. Did you mean rank\?") as caught:
        find_signature({"rank": RANK}, "renk")
    assert caught.value.code == grpc.StatusCode.FAILED_PRECONDITION  # as TensorFlow Serving
    with pytest.raises(ServingError, match=r"no output 'pr0b'. Did you mean prob\?"):
        check_outputs(RANK, ["prob", "pr0b"])
    with pytest.raises(ServingError) as caught:
        find_signature({"rank": RANK}, "r" * 10_000_000)
    assert len(caught.value.message) < 500
