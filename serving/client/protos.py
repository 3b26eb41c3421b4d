"""TensorFlow Serving's messages without TensorFlow.

`tensorflow-serving-api` imports TensorFlow for half a dozen messages. Here they come from
descriptors (`apis.binpb`, written by `serving.client.make_apis`), in a descriptor pool of
their own: a process that imports TensorFlow as well has the same names in the default pool.
"""

from functools import cache
from importlib.resources import files
from typing import Any, TypeAlias

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

DESCRIPTORS = "apis.binpb"
# A message of the pool: its fields are made from the descriptors, where no type checker sees them.
ProtoMessage: TypeAlias = Any


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    content = files("serving.client").joinpath(DESCRIPTORS).read_bytes()
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(content).file:
        pool.Add(file)  # each comes after those that it imports
    return pool


@cache
def message_class(name: str) -> type[ProtoMessage]:
    """The class of a message.

    Example:
        >>> message_class("tensorflow.serving.PredictRequest")().model_spec.name
        ''
    """
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(name))


@cache
def rpc(service: str, method: str) -> tuple[str, type[ProtoMessage], type[ProtoMessage]]:
    """Path, request and response of a method, such as `("PredictionService", "Predict")`."""
    descriptor = _pool().FindServiceByName(f"tensorflow.serving.{service}").methods_by_name[method]
    return (
        f"/{descriptor.containing_service.full_name}/{method}",
        message_class(descriptor.input_type.full_name),
        message_class(descriptor.output_type.full_name),
    )
