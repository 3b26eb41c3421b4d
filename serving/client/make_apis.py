"""Writes `apis.binpb`: `python -m serving.client.make_apis`, after the wheel was updated.

The only part of the client that imports the `tensorflow-serving-api` wheel, and so TensorFlow.
"""

from pathlib import Path

from google.protobuf import descriptor, descriptor_pb2
from tensorflow_serving.apis import model_service_pb2, prediction_log_pb2, prediction_service_pb2

from serving.client.protos import DESCRIPTORS

_ROOTS = (prediction_service_pb2, model_service_pb2, prediction_log_pb2)


def descriptor_set() -> bytes:
    """The services of TensorFlow Serving and everything they import, dependencies first."""
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}

    def add(file: descriptor.FileDescriptor) -> None:
        if file.name in files:
            return
        for dependency in file.dependencies:
            add(dependency)
        files[file.name] = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(files[file.name])

    for module in _ROOTS:
        add(module.DESCRIPTOR)
    return descriptor_pb2.FileDescriptorSet(file=files.values()).SerializeToString()


if __name__ == "__main__":
    Path(__file__).with_name(DESCRIPTORS).write_bytes(descriptor_set())
