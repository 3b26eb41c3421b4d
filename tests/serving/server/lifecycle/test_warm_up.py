import shutil

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import input_pb2, prediction_log_pb2

from serving.server.core.loaded_model import LoadedModel
from serving.server.core.serving_error import ServingError
from serving.server.lifecycle.loading import load_warm
from serving.server.lifecycle.warm_up import WARM_UP_REQUESTS, blank_row, examples_of, warm_up
from tests.serving.server.toy import request, save


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return save(tmp_path_factory.mktemp("good") / "1", 10.0)


@pytest.fixture
def version(good, tmp_path):
    shutil.copytree(good, tmp_path / "1")
    return tmp_path / "1"


@pytest.fixture
def runs(monkeypatch):
    """What models are asked: (signature, rows)."""
    seen, run = [], LoadedModel.run

    def spy(self, signature, inputs, outputs=()):
        seen.append((signature, len(next(iter(inputs.values())))))
        return run(self, signature, inputs, outputs)

    monkeypatch.setattr(LoadedModel, "run", spy)
    return seen


def predict(signature, inputs):
    log = prediction_log_pb2.PredictionLog()
    asked = log.predict_log.request
    asked.model_spec.signature_name = signature
    for name, value in inputs.items():
        asked.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return log


def example(**values):
    made = tf.train.Example()
    for name, value in values.items():
        made.features.feature[name].float_list.value.append(value)
    return made


def write(version, logs):
    path = version / WARM_UP_REQUESTS
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for log in logs:
            writer.write(log if isinstance(log, bytes) else log.SerializeToString())


def load(version):
    load_warm("toy", 1, version, version.parent).close()


def test_every_kind_of_logged_request_is_replayed(version, runs):
    classify, regress, several = (prediction_log_pb2.PredictionLog() for _ in range(3))
    asked = classify.classify_log.request
    asked.model_spec.signature_name = "serving_default"
    asked.input.example_list.examples.extend([example(x=1.0), example()])
    regress.regress_log.request.input.example_list.examples.append(example(x=2.0))
    asked = several.multi_inference_log.request
    asked.input.example_list.examples.extend([example()] * 3)
    asked.tasks.add().model_spec.signature_name = "serving_default"
    asked.tasks.add()
    write(version, [predict("raw_tensors", request(8)), classify, regress, several])
    load(version)
    assert runs == [
        ("raw_tensors", 8),
        ("serving_default", 2),
        ("serving_default", 1),
        ("serving_default", 3),
        ("serving_default", 3),
    ]


def test_without_a_file_every_signature_answers_one_row(version, runs):
    load(version)
    assert sorted(runs) == [("rank", 1), ("raw_tensors", 1), ("serving_default", 1), ("total", 1)]


def test_an_empty_file_is_no_reason_to_refuse(version, runs):
    write(version, [])
    load(version)
    assert runs == []


@pytest.mark.parametrize(
    ("logs", "message"),
    [
        ([predict("raw_tensors", request(1, start=-1.0))], "on its warm-up request 1: .*negative"),
        ([predict("no such", {})], "on its warm-up request 1: the model has no signature"),
        ([b"\xff\xff\xff"], "its warm-up requests cannot be read"),
        ([predict("total", {"x": [1.0]})] * 1001, "more than 1,000 requests"),
    ],
    ids=["refused by the graph", "no such signature", "garbage", "too many"],
)
def test_a_version_that_fails_its_own_warm_up_is_refused(version, logs, message):
    write(version, logs)
    with pytest.raises(ServingError, match=message):
        load(version)


def test_a_torn_file_is_refused(version):
    write(version, [predict("raw_tensors", request(8))])
    path = version / WARM_UP_REQUESTS
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ServingError, match="cannot be read") as caught:
        load(version)
    assert caught.value.code == grpc.StatusCode.DATA_LOSS


def test_blanks_that_a_model_refuses_do_not_keep_it_from_serving(version, monkeypatch):
    monkeypatch.setattr(
        "serving.server.lifecycle.warm_up.blank_row",
        lambda signature: {
            name: value - 1 if value.dtype == np.float32 else value
            for name, value in blank_row(signature).items()
        },
    )
    load(version)


def test_blank_rows_fit_every_signature(good):
    model = LoadedModel("toy", 1, good)
    for name, signature in model.signatures.items():
        model.run(name, blank_row(signature))
    assert warm_up(model) == len(model.signatures)
    model.close()


def test_a_context_goes_into_every_example_and_yields_to_its_own_features():
    given = input_pb2.Input()
    given.example_list_with_context.context.CopyFrom(example(x=1.0, y=2.0))
    given.example_list_with_context.examples.extend([example(x=5.0), example()])
    found = [tf.train.Example.FromString(each) for each in examples_of(given)]
    values = [
        {key: each.features.feature[key].float_list.value[0] for key in each.features.feature}
        for each in found
    ]
    assert values == [{"x": 5.0, "y": 2.0}, {"x": 1.0, "y": 2.0}]
    assert examples_of(input_pb2.Input()).shape == (0,)
