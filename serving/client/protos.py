"""TensorFlow Serving's messages without TensorFlow.

`tensorflow-serving-api` imports TensorFlow for half a dozen messages. Here they come from
descriptors (`apis.binpb`, written by `serving.client.make_apis`), in a descriptor pool of
their own: a process that imports TensorFlow as well has the same names in the default pool.
"""

from functools import cache
from importlib.resources import files

from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

DESCRIPTORS = "apis.binpb"


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    content = files("serving.client").joinpath(DESCRIPTORS).read_bytes()
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(content).file:
        pool.Add(file)  # each comes after those that it imports
    return pool


@cache
def message_class(name: str) -> type[message.Message]:
    """The class of a message.

    Example:
        >>> message_class("tensorflow.serving.PredictRequest")().model_spec.name
        ''
    """
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(name))


@cache
def rpc(service: str, method: str) -> tuple[str, type[message.Message], type[message.Message]]:
    """Path, request and response of a method, such as `("PredictionService", "Predict")`."""
    found = _pool().FindServiceByName(f"tensorflow.serving.{service}").methods_by_name[method]
    request, response = (
        message_class(each.full_name) for each in (found.input_type, found.output_type)
    )
    return f"/{found.containing_service.full_name}/{method}", request, response
