import grpc
import pytest
import tensorflow as tf

from serving.server.core.serving_error import first_sentence, from_tensorflow, quote


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (tf.errors.InvalidArgumentError(None, None, "bad"), grpc.StatusCode.INVALID_ARGUMENT),
        (tf.errors.ResourceExhaustedError(None, None, "oom"), grpc.StatusCode.RESOURCE_EXHAUSTED),
        (tf.errors.DataLossError(None, None, "torn"), grpc.StatusCode.DATA_LOSS),
        (TypeError("int is not bytes"), grpc.StatusCode.INVALID_ARGUMENT),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "no"), grpc.StatusCode.INVALID_ARGUMENT),
        (RuntimeError("a bug"), grpc.StatusCode.INTERNAL),
    ],
)
def test_an_error_of_tensorflow_keeps_its_code(error, code):
    found = from_tensorflow(error, "signature 's'")
    assert found.code == code
    assert found.message.startswith("signature 's': ")


def test_names_of_nodes_and_traces_are_left_out_and_long_values_are_cut():
    text = "{{function_node __inference_f_12}} {{node Parse}} Key: price. Bad.\n\t [[{{node x}}]]"
    assert first_sentence(tf.errors.InvalidArgumentError(None, None, text)) == "Key: price. Bad."
    assert len(first_sentence(ValueError("x" * 10_000_000))) < 600
    assert first_sentence(KeyError()) == "KeyError"
    text = (
        "Graph execution error:\n\nDetected at node 'x' defined at\nbad magic number\n\t [[{{x}}]]"
    )
    assert first_sentence(tf.errors.DataLossError(None, None, text)) == "bad magic number"


def test_what_a_client_sent_is_quoted_and_cut():
    assert quote("a'b") == '"a\'b"'
    assert quote(b"\0" * 1_000_000).endswith("... (1,000,000 long)")
