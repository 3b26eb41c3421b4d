from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

import serving.client
from serving.client.make_apis import descriptor_set
from serving.client.protos import DESCRIPTORS, message_class, rpc


def test_the_descriptors_are_those_of_the_wheel():
    stored = Path(serving.client.__file__).with_name(DESCRIPTORS).read_bytes()
    assert stored == descriptor_set(), "run: python -m serving.client.make_apis"


def test_messages_are_read_by_the_classes_of_the_wheel():
    request = message_class("tensorflow.serving.PredictRequest")()
    request.model_spec.name = "clicks"
    request.model_spec.version.value = 3
    request.inputs["age"].float_val.append(2.5)
    received = predict_pb2.PredictRequest.FromString(request.SerializeToString())
    assert (received.model_spec.name, received.model_spec.version.value) == ("clicks", 3)
    assert tf.make_ndarray(tf.make_tensor_proto([2.5])) == received.inputs["age"].float_val[0]


def test_methods_have_the_paths_of_the_services():
    path, request, response = rpc("PredictionService", "Predict")
    assert path == "/tensorflow.serving.PredictionService/Predict"
    assert request.DESCRIPTOR.full_name == "tensorflow.serving.PredictRequest"
    assert response.DESCRIPTOR.full_name == "tensorflow.serving.PredictResponse"
    assert rpc("ModelService", "GetModelStatus")[0].endswith(".ModelService/GetModelStatus")
