import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    input_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

from tests.serving.server.conftest import MODEL

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"
CODE = grpc.StatusCode
PREDICT = "/tensorflow.serving.PredictionService/Predict"


def predict_request(signature, inputs, name=MODEL, outputs=(), **spec):
    request = predict_pb2.PredictRequest(output_filter=outputs)
    request.model_spec.name, request.model_spec.signature_name = name, signature
    if "version" in spec:
        request.model_spec.version.value = spec["version"]
    if "label" in spec:
        request.model_spec.version_label = spec["label"]
    for key, array in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(array, shape=np.shape(array)))
    return request


def outputs_of(response):
    return {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}


def input_of(examples):
    parsed = [tf.train.Example.FromString(each) for each in examples]
    return input_pb2.Input(example_list=input_pb2.ExampleList(examples=parsed))


def code_and_text(function, *args, **kwargs):
    with pytest.raises(grpc.RpcError) as failed:
        function(*args, **kwargs)
    return failed.value.code(), failed.value.details()


@pytest.mark.parametrize("signature", ["serving_default", "branches", ""])
def test_predict_answers_as_the_export(grpc_client, examples, eager, signature):
    request = predict_request(signature, {"examples": examples})
    response = grpc_client.prediction.Predict(request)
    found, expected = outputs_of(response), eager(signature or "serving_default", examples=examples)
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-6)
    spec = response.model_spec
    name = signature or "serving_default"
    assert (spec.name, spec.version.value, spec.signature_name) == (MODEL, 1, name)
    assert len(response.outputs["prob"].float_val) == len(examples)  # where clients look for it


@pytest.mark.parametrize("size", [0, 1, 5])
def test_predict_takes_tensors_in_either_form(grpc_client, tensors, eager, size):
    inputs = {name: array[:size] for name, array in tensors.items()}
    request = predict_request("raw_tensors", inputs)
    expected = eager("raw_tensors", **inputs)["prob"]
    for name in inputs:  # typed fields in place of tensor_content
        typed = predict_request("raw_tensors", inputs)
        proto = typed.inputs[name]
        if proto.tensor_content:
            values = inputs[name].ravel().tolist()
            proto.ClearField("tensor_content")
            getattr(proto, "float_val" if proto.dtype == 1 else "int64_val").extend(values)
        for each in (request, typed):
            found = outputs_of(grpc_client.prediction.Predict(each))["prob"]
            np.testing.assert_allclose(found, expected, atol=1e-6)


def test_rank_takes_one_user_and_many_candidates(grpc_client, server, tensors, eager):
    with server.manager.use(MODEL) as model:
        shapes = {name: info.shape for name, info in model.signatures["rank"].inputs.items()}
    inputs = {n: array[:1] if shapes[n][0] == 1 else array for n, array in tensors.items()}
    found = outputs_of(grpc_client.prediction.Predict(predict_request("rank", inputs)))["prob"]
    everywhere = {
        n: np.repeat(array[:1], len(found), axis=0) if shapes[n][0] == 1 else array
        for n, array in tensors.items()
    }
    np.testing.assert_allclose(found, eager("raw_tensors", **everywhere)["prob"], atol=1e-6)


def test_the_output_filter_leaves_the_rest_out(grpc_client, examples, eager):
    names = ["prob_deep", "prob"]
    request = predict_request("branches", {"examples": examples}, outputs=names)
    found = outputs_of(grpc_client.prediction.Predict(request))
    assert sorted(found) == sorted(names)
    expected = eager("branches", examples=examples)
    np.testing.assert_allclose(found["prob_deep"], expected["prob_deep"], atol=1e-6)


def test_classify_and_regress_answer_as_the_export(grpc_client, examples, eager):
    expected = eager("serving_default", examples=examples)["prob"]
    request = classification_pb2.ClassificationRequest(input=input_of(examples))
    request.model_spec.name, request.model_spec.signature_name = MODEL, "classify"
    result = grpc_client.prediction.Classify(request).result
    pairs = [[(each.label, each.score) for each in row.classes] for row in result.classifications]
    assert [[label for label, _ in row] for row in pairs] == [["0", "1"]] * len(examples)
    scores = [[score for _, score in row] for row in pairs]
    np.testing.assert_allclose(scores, np.stack([1 - expected, expected], axis=1), atol=1e-6)

    request = regression_pb2.RegressionRequest(input=input_of(examples))
    request.model_spec.name, request.model_spec.signature_name = MODEL, "regress"
    values = [each.value for each in grpc_client.prediction.Regress(request).result.regressions]
    np.testing.assert_allclose(values, expected, atol=1e-6)


def test_a_context_is_merged_into_every_example(grpc_client, examples, eager):
    request = regression_pb2.RegressionRequest()
    request.model_spec.name, request.model_spec.signature_name = MODEL, "regress"
    whole = [tf.train.Example.FromString(each) for each in examples[:2]]
    whole[1].features.feature["item"].CopyFrom(whole[0].features.feature["item"])
    expected = eager(
        "serving_default", examples=np.array([each.SerializeToString() for each in whole])
    )["prob"]
    given = request.input.example_list_with_context
    given.context.features.feature["item"].CopyFrom(whole[0].features.feature["item"])
    for each in whole:
        del each.features.feature["item"]
        given.examples.append(each)
    values = [each.value for each in grpc_client.prediction.Regress(request).result.regressions]
    np.testing.assert_allclose(values, expected, atol=1e-6)
    given.examples[1].features.feature["item"].bytes_list.value.append(b"i1")
    code, text = code_and_text(grpc_client.prediction.Regress, request)
    assert code is CODE.INVALID_ARGUMENT
    assert "'item' is in the context and in example 1" in text


def inference(*tasks, examples=()):
    request = inference_pb2.MultiInferenceRequest(input=input_of(examples))
    for method, name, signature in tasks:
        task = request.tasks.add(method_name=method)
        task.model_spec.name, task.model_spec.signature_name = name, signature
    return request


def test_multi_inference_answers_as_its_parts(grpc_client, examples, eager):
    tasks = (CLASSIFY, MODEL, "classify"), (REGRESS, MODEL, "regress")
    response = grpc_client.prediction.MultiInference(inference(*tasks, examples=examples))
    expected = eager("serving_default", examples=examples)["prob"]
    classes, values = response.results
    assert classes.model_spec.signature_name == "classify"
    scores = [row.classes[1].score for row in classes.classification_result.classifications]
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    found = [each.value for each in values.regression_result.regressions]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("tasks", "code", "sentence"),
    [
        ([], CODE.INVALID_ARGUMENT, "without tasks"),
        ([(REGRESS, MODEL, "regress")] * 2, CODE.INVALID_ARGUMENT, "a signature twice"),
        (
            [(REGRESS, MODEL, "regress"), (REGRESS, "other", "classify")],
            CODE.INVALID_ARGUMENT,
            "several models",
        ),
        ([("predict", MODEL, "regress")], CODE.UNIMPLEMENTED, "no method 'predict'"),
        ([(REGRESS, MODEL, "classify")], CODE.INVALID_ARGUMENT, "those that fit: regress"),
        ([(CLASSIFY, "", "classify")], CODE.INVALID_ARGUMENT, "names no model"),
    ],
)
def test_tasks_that_cannot_be_done_are_refused(grpc_client, examples, tasks, code, sentence):
    request = inference(*tasks, examples=examples[:1])
    found, text = code_and_text(grpc_client.prediction.MultiInference, request)
    assert found is code
    assert sentence in text


def test_metadata_is_what_the_savedmodel_says(grpc_client, server):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = MODEL
    response = grpc_client.prediction.GetModelMetadata(request)
    assert response.model_spec.version.value == 1
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    with server.manager.use(MODEL) as model:
        assert dict(signatures.signature_def) == model.meta_graph
    assert {"serving_default", "raw_tensors", "rank"} <= set(signatures.signature_def)
    for fields in ([], ["other"], ["signature_def", "x"]):
        wrong = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
        wrong.model_spec.name = MODEL
        code, text = code_and_text(grpc_client.prediction.GetModelMetadata, wrong)
        assert code is CODE.INVALID_ARGUMENT
        assert "metadata_field must be 'signature_def'" in text


def test_status_of_all_versions_and_of_one(grpc_client):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = MODEL
    (only,) = grpc_client.model.GetModelStatus(request).model_version_status
    assert only.version == 1
    assert only.state == get_model_status_pb2.ModelVersionStatus.AVAILABLE
    assert (only.status.error_code, only.status.error_message) == (0, "")
    request.model_spec.version.value = 7
    code, text = code_and_text(grpc_client.model.GetModelStatus, request)
    assert code is CODE.NOT_FOUND
    assert "no version 7" in text


def test_a_server_of_one_folder_takes_no_reloads(grpc_client, exported, examples):
    request = model_management_pb2.ReloadConfigRequest()
    request.config.model_config_list.config.add(name="other", base_path=str(exported.parent))
    code, text = code_and_text(grpc_client.model.HandleReloadConfigRequest, request)
    assert code is CODE.PERMISSION_DENIED
    assert "Start it with --models-config or --allow-reload" in text
    grpc_client.prediction.Predict(predict_request("", {"examples": examples[:1]}))


def test_health_is_serving(grpc_client):
    stub = health_pb2_grpc.HealthStub(grpc_client.channel)
    for service in ("", "tensorflow.serving.PredictionService"):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    wrong = health_pb2.HealthCheckRequest(service="nobody")
    assert code_and_text(stub.Check, wrong)[0] is CODE.NOT_FOUND


@pytest.mark.parametrize(
    ("change", "code", "sentence"),
    [
        ({"name": "clikcs"}, CODE.NOT_FOUND, "Did you mean clicks?"),
        ({"name": ""}, CODE.INVALID_ARGUMENT, "names no model"),
        ({"name": "x" * 100_000}, CODE.NOT_FOUND, "100,000 long"),
        ({"version": 9}, CODE.NOT_FOUND, "no version 9 loaded. Loaded: 1"),
        ({"label": "canary"}, CODE.NOT_FOUND, "no version labelled 'canary'"),
        ({"signature": "rnak"}, CODE.FAILED_PRECONDITION, "Did you mean rank?"),
        ({"outputs": ["prod"]}, CODE.INVALID_ARGUMENT, "Did you mean prob?"),
        ({"outputs": ["prob", "prob"]}, CODE.INVALID_ARGUMENT, "names an output twice"),
        ({"inputs": {"price": None}}, CODE.INVALID_ARGUMENT, "is missing input 'price' (float32"),
        ({"inputs": {"prise": [1.0]}}, CODE.INVALID_ARGUMENT, "no input 'prise'"),
        ({"inputs": {"price": ["a"]}}, CODE.INVALID_ARGUMENT, "'price' must be float32"),
        ({"inputs": {"price": [[1.0]]}}, CODE.INVALID_ARGUMENT, "'price' must be float32, shape"),
        ({"inputs": {"price": [1.0, 2.0]}}, CODE.INVALID_ARGUMENT, "'price' has 2 rows"),
        ({"inputs": {"item": np.int64([1])}}, CODE.INVALID_ARGUMENT, "'item' must be string"),
        ({"inputs": {"picture": np.zeros((1, 3), "f")}}, CODE.INVALID_ARGUMENT, "'picture'"),
    ],
)
def test_a_wrong_request_is_told_what_exists(grpc_client, tensors, change, code, sentence):
    change = {"signature": "raw_tensors", **change}
    inputs = {name: array[:1] for name, array in tensors.items()}
    inputs = {**inputs, **change.pop("inputs", {})}
    inputs = {name: array for name, array in inputs.items() if array is not None}
    request = predict_request(inputs=inputs, **change)
    found, text = code_and_text(grpc_client.prediction.Predict, request)
    assert found is code
    assert sentence in text


def test_a_batch_that_is_too_large_is_refused(grpc_client):
    request = predict_request("", {"examples": np.array([b""] * 100_000)})
    code, text = code_and_text(grpc_client.prediction.Predict, request)
    assert code is CODE.INVALID_ARGUMENT
    assert "100,000 rows, but a request may have at most 1,000" in text


def test_garbage_is_no_request(grpc_client):
    call = grpc_client.channel.unary_unary(PREDICT)
    for garbage in (b"\xff" * 50, b"\x0a\xff\xff", b"GET / HTTP/1.1"):
        code, text = code_and_text(call, garbage)
        assert code is CODE.INVALID_ARGUMENT
        assert "are no tensorflow.serving.PredictRequest" in text
    assert code_and_text(call, b"")[0] is CODE.INVALID_ARGUMENT  # an empty message names no model


def test_examples_of_garbage_and_of_wrong_kinds_are_refused(grpc_client, examples):
    bad = tf.train.Example()
    bad.features.feature["price"].bytes_list.value.append(b"cheap")
    for example, sentence in ((b"\xff\xff", "example"), (bad.SerializeToString(), "price")):
        request = predict_request("", {"examples": np.array([examples[0], example])})
        code, text = code_and_text(grpc_client.prediction.Predict, request)
        assert code is CODE.INVALID_ARGUMENT
        assert sentence in text


def test_a_long_string_is_a_token_and_a_longer_one_is_refused(grpc_client, tensors, eager):
    inputs = {name: array[:1] for name, array in tensors.items()}
    inputs["item"] = np.array([b"x" * 900_000], object)
    found = outputs_of(grpc_client.prediction.Predict(predict_request("raw_tensors", inputs)))
    np.testing.assert_allclose(found["prob"], eager("raw_tensors", **inputs)["prob"], atol=1e-6)
    inputs["item"] = np.array([b"x" * 10_000_000], object)
    code, _ = code_and_text(grpc_client.prediction.Predict, predict_request("raw_tensors", inputs))
    assert code is CODE.RESOURCE_EXHAUSTED


def test_an_empty_input_is_refused(grpc_client):
    request = regression_pb2.RegressionRequest()
    request.model_spec.name, request.model_spec.signature_name = MODEL, "regress"
    for given, sentence in (
        (input_pb2.Input(), "input is empty"),
        (input_pb2.Input(example_list=input_pb2.ExampleList()), "has no examples"),
    ):
        request.input.CopyFrom(given)
        code, text = code_and_text(grpc_client.prediction.Regress, request)
        assert code is CODE.INVALID_ARGUMENT
        assert sentence in text


def test_a_signature_of_another_kind_is_refused(grpc_client, examples):
    request = classification_pb2.ClassificationRequest(input=input_of(examples[:1]))
    request.model_spec.name = MODEL
    code, text = code_and_text(grpc_client.prediction.Classify, request)
    assert code is CODE.INVALID_ARGUMENT
    assert "'serving_default' is not one for Classify" in text
    assert text.endswith("those that fit: classify.")


def test_an_unknown_method_is_unimplemented(grpc_client):
    call = grpc_client.channel.unary_unary("/tensorflow.serving.PredictionService/Prdict")
    assert code_and_text(call, b"")[0] is CODE.UNIMPLEMENTED
