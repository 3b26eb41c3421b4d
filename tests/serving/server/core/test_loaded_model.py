import threading

import grpc
import numpy as np
import pytest
import tensorflow as tf

from serving.export_format import names
from serving.scoring.signature_inputs import signature_inputs
from serving.server.core.loaded_model import LoadedModel
from serving.server.core.serving_error import ServingError
from tests.serving.conftest import FEATURES
from tests.serving.server.toy import answer, request, save


@pytest.fixture(scope="module")
def model(exported):
    model = LoadedModel("ads", 1, exported)
    yield model
    model.close()


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    model = LoadedModel("toy", 1, save(tmp_path_factory.mktemp("toy") / "1", 100.0))
    yield model
    model.close()


def test_every_signature_answers_as_the_eager_savedmodel_does(model, exported, rows):
    eager = tf.saved_model.load(str(exported)).signatures
    assert set(model.signatures) == set(eager)
    for name, function in eager.items():
        one = rows.slice(0, 1) if name == names.RANK else rows
        inputs = {
            key: value.numpy() for key, value in signature_inputs(name, one, FEATURES).items()
        }
        expected = function(**{key: tf.constant(value) for key, value in inputs.items()})
        received = model.run(name, inputs)
        assert set(received) == set(expected)
        for output, value in expected.items():
            if value.dtype == tf.string:
                assert received[output].tolist() == value.numpy().tolist()
            else:
                np.testing.assert_allclose(received[output], value, atol=1e-6)


def test_signatures_say_what_the_savedmodel_says(model, exported):
    eager = tf.saved_model.load(str(exported)).signatures
    assert "__saved_model_init_op" not in model.signatures
    for name, function in eager.items():
        specs = function.structured_input_signature[1]
        found = model.signatures[name]
        assert {key: (info.dtype, info.shape) for key, info in found.inputs.items()} == {
            key: (spec.dtype, tuple(spec.shape)) for key, spec in specs.items()
        }
        assert set(found.outputs) == set(function.structured_outputs)
        assert set(model.meta_graph[name].inputs) == set(found.inputs)


@pytest.mark.parametrize("rows", [0, 1, 300])
def test_any_number_of_rows_is_answered(toy, rows):
    inputs = request(rows)
    outputs = toy.run("raw_tensors", inputs)
    np.testing.assert_array_equal(outputs["prob"], answer(inputs, 100.0))
    np.testing.assert_array_equal(outputs["x"], inputs["x"])


def test_only_the_outputs_asked_for_come(toy):
    assert list(toy.run("raw_tensors", request(2), ["x"])) == ["x"]
    with pytest.raises(ServingError, match=r"has no output 'y'\. Known: prob, x\."):
        toy.run("raw_tensors", request(2), ["y"])


def test_text_is_taken_as_utf_8(toy):
    words = np.array([["a", "é"]], object)
    assert toy.run("raw_tensors", {**request(1), "words": words})["prob"] == [101.5]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("\ud800", "input 'words' holds text that has no UTF-8 form"),
        (5, "input 'words' must be string, received int in it"),
        (None, "input 'words' must be string, received NoneType in it"),
        (["a"], "input 'words' must be string, received list in it"),
        (float("nan"), "input 'words' must be string, received float in it"),
        (bytearray(b"a"), "input 'words' must be string, received bytearray in it"),
    ],
)
def test_an_object_that_is_no_string_is_the_clients_mistake_and_named(toy, word, message):
    words = np.empty((2, 1), object)
    words[0, 0], words[1, 0] = b"a", word
    with pytest.raises(ServingError) as caught:
        toy.run("raw_tensors", {**request(2), "words": words})
    assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT
    assert message in caught.value.message


def test_what_the_graph_refuses_is_the_clients_mistake(toy):
    with pytest.raises(ServingError, match=r"signature 'raw_tensors': .*x is negative") as caught:
        toy.run("raw_tensors", request(2, start=-5.0))
    assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT
    assert "node" not in caught.value.message


@pytest.mark.parametrize("junk", [b"\xff\xff garbage", b"\x0a\xff", b"\xff" * 10_000_000])
def test_bytes_that_are_no_example_are_refused(model, junk):
    with pytest.raises(ServingError, match="signature 'serving_default': ") as caught:
        model.run("serving_default", {"examples": np.array([junk], object)})
    assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT
    assert len(caught.value.message) < 600


def test_an_example_with_a_feature_of_another_type_is_named(model):
    example = tf.train.Example()
    example.features.feature["price"].bytes_list.value.append(b"3.5")
    with pytest.raises(ServingError, match="price") as caught:
        model.run("serving_default", {"examples": np.array([example.SerializeToString()], object)})
    assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT


def test_a_string_of_10_mb_is_a_token_like_any_other(toy):
    words = np.array([[b"a", b"x" * 10_000_000]], object)
    assert toy.run("raw_tensors", {**request(1), "words": words})["prob"] == [101.5]


def test_threads_get_their_own_answers(toy):
    wrong = []

    def ask(seed):
        for number in range(30):
            inputs = request(1 + (seed + number) % 5, words=number % 4, start=100.0 * seed)
            if not np.array_equal(toy.run("raw_tensors", inputs)["prob"], answer(inputs, 100.0)):
                wrong.append((seed, number))

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


def test_a_closed_model_says_so(tmp_path):
    model = LoadedModel("toy", 7, save(tmp_path / "7", 0.0))
    model.run("total", {"x": np.zeros(2, np.float32)})
    model.close()
    for signature in ("total", "rank"):  # one that has run, one that has not
        inputs = {"x": np.zeros(2, np.float32)}
        if signature == "rank":
            inputs["user"] = np.zeros(1, np.float32)
        with pytest.raises(ServingError, match="version 7 of model 'toy' has been") as caught:
            model.run(signature, inputs)
        assert caught.value.code == grpc.StatusCode.UNAVAILABLE


def test_graphs_that_need_tensorflows_own_threads_are_answered_too(tmp_path):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [None], "x")
        small, large = tf.raw_ops.Switch(data=x, pred=tf.reduce_min(x) > 8.0)
        y = tf.raw_ops.Merge(inputs=[small * 2.0, large * 3.0]).output
        tf.compat.v1.saved_model.simple_save(session, str(tmp_path / "1"), {"x": x}, {"y": y})
    model = LoadedModel("old", 1, tmp_path / "1")
    try:
        for given, expected in (([3.0], [6.0]), ([9.0], [27.0])):
            found = model.run("serving_default", {"x": np.array(given, np.float32)})
            np.testing.assert_array_equal(found["y"], expected)
    finally:
        model.close()
