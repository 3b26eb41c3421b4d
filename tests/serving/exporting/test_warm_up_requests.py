from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from serving.export_format import names
from serving.export_format.export_layout import SIGNATURES_FILE, WARM_UP
from serving.export_format.signature_table import read_table, user_columns
from serving.exporting.warm_up_requests import warm_up_requests
from serving.scoring.signature_inputs import encode_examples, signature_inputs


@pytest.fixture(scope="module")
def table(exported):
    return read_table(exported / SIGNATURES_FILE)


@pytest.fixture(scope="module")
def requests(exported):
    """As a server reads them: signature, then its inputs."""
    records = tf.data.TFRecordDataset(str(exported / WARM_UP)).as_numpy_iterator()
    return [opened(prediction_log_pb2.PredictionLog.FromString(record)) for record in records]


def opened(log) -> tuple[str, dict[str, np.ndarray]]:
    kind = log.WhichOneof("log_type")
    request = getattr(log, kind).request
    signature = request.model_spec.signature_name
    expected = {names.CLASSIFY: "classify_log", names.REGRESS: "regress_log"}
    assert kind == expected.get(signature, "predict_log")
    if kind == "predict_log":
        return signature, {name: tf.make_ndarray(each) for name, each in request.inputs.items()}
    examples = request.input.example_list.examples
    return signature, {
        names.INPUTS: np.array([each.SerializeToString() for each in examples], object)
    }


def size_of(signature, inputs, table) -> int:
    sides = {name: each.side for name, each in table[signature].inputs.items()}
    return next(len(x) for name, x in inputs.items() if sides[name] != names.USER)


def test_every_signature_is_asked_at_several_batch_sizes(requests, table):
    asked = Counter((signature, size_of(signature, each, table)) for signature, each in requests)
    assert asked == Counter((signature, size) for signature in table for size in (1, 8, 64))
    assert len(requests) <= 1000


def test_the_export_answers_every_request(requests, table, exported):
    signatures = tf.saved_model.load(str(exported)).signatures
    for signature, inputs in requests:
        function = signatures[signature]
        specs = function.structured_input_signature[1]
        assert set(inputs) == set(specs)
        tensors = {name: tf.constant(x, specs[name].dtype) for name, x in inputs.items()}
        prob = next(iter(function(**tensors).values()))
        assert len(prob) == size_of(signature, inputs, table)


@pytest.mark.parametrize("count", [1, 5])
def test_rows_are_repeated_in_turn(rows, bundle, table, count):
    features = bundle.metadata.features
    few = rows.slice(0, count)
    each = encode_examples(few, features)
    first = 0
    for log in warm_up_requests({names.SERVING_DEFAULT: table["serving_default"]}, few, features):
        _, inputs = opened(log)
        size = len(inputs[names.EXAMPLES])
        assert list(inputs[names.EXAMPLES]) == [each[(first + i) % count] for i in range(size)]
        first += size


def test_rank_has_one_user(rows, bundle, table):
    (log,) = warm_up_requests({names.RANK: table[names.RANK]}, rows, bundle.metadata.features, (4,))
    _, inputs = opened(log)
    expected = signature_inputs(
        names.RANK, rows.slice(0, 4), bundle.metadata.features, user_columns(table)
    )
    for name, x in expected.items():
        np.testing.assert_array_equal(inputs[name], x.numpy())
    assert inputs["clicked_item"].shape == (1, 4)
