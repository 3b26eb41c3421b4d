"""Checks the three files that `tensorflow_model_server` reads as protocol buffers in text.

The wheel `tensorflow-serving-api` has the message of models.config alone. For the two others, the
fields that the server knows are declared here; numbers of fields have no meaning in text.
"""

from functools import cache

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from tensorflow_serving.config import model_server_config_pb2

from features.errors import ConfigError
from serving.client.protos import ProtoMessage

_WRAPPERS: dict[str, type[ProtoMessage]] = {
    "Int64": wrappers_pb2.Int64Value,
    "String": wrappers_pb2.StringValue,
    "Bool": wrappers_pb2.BoolValue,
}
_BATCHING = {
    "max_batch_size": "Int64",
    "batch_timeout_micros": "Int64",
    "max_enqueued_batches": "Int64",
    "num_batch_threads": "Int64",
    "thread_pool_name": "String",
    "enable_large_batch_splitting": "Bool",
    "max_execution_batch_size": "Int64",
}


def check_models(text: str) -> ProtoMessage:
    """Parses a models.config.

    Raises:
        ConfigError: It is none, or a model has no name or an incomplete path.
    """
    config = model_server_config_pb2.ModelServerConfig()
    _parse(text, config, "models.config")
    for model in config.model_config_list.config:
        if not model.name or not model.base_path.startswith("/"):
            raise ConfigError(
                f"models.config: model {model.name!r} at {model.base_path!r} needs a name and an "
                "absolute path. Correct them."
            )
    return config


def check_batching(text: str) -> ProtoMessage:
    """Parses a batching.config.

    Raises:
        ConfigError: It is none, or its sizes contradict each other.
    """
    config = _parse(text, _message("BatchingParameters"), "batching.config")
    sizes = list(config.allowed_batch_sizes)
    if sizes != sorted(set(sizes)):
        raise ConfigError(
            f"batching.config: allowed_batch_sizes are {sizes}. Give them in increasing order."
        )
    splits = config.enable_large_batch_splitting.value
    last = "max_execution_batch_size" if splits else "max_batch_size"
    if sizes and sizes[-1] != getattr(config, last).value:
        raise ConfigError(
            f"batching.config: the last of allowed_batch_sizes is {sizes[-1]}, but {last} is "
            f"{getattr(config, last).value}. Make them equal."
        )
    for name in ("max_batch_size", "num_batch_threads", "max_enqueued_batches"):
        if getattr(config, name).value < 1:
            raise ConfigError(f"batching.config: {name} is missing or below 1. Give it a value.")
    return config


def check_monitoring(text: str) -> ProtoMessage:
    """Parses a monitoring.config.

    Raises:
        ConfigError: It is none, or its path does not begin with a slash.
    """
    config = _parse(text, _message("MonitoringConfig"), "monitoring.config")
    path = config.prometheus_config.path
    if config.prometheus_config.enable and not path.startswith("/"):
        raise ConfigError(f"monitoring.config: the path is {path!r}. Begin it with a slash.")
    return config


def _parse(text: str, message: ProtoMessage, name: str) -> ProtoMessage:
    try:
        return text_format.Parse(text, message)
    except text_format.ParseError as error:
        raise ConfigError(f"{name} is malformed: {' '.join(str(error).split())}.") from None


def _message(name: str) -> ProtoMessage:
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"concord.{name}"))()


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(
        name="concord/serving.proto",
        package="concord",
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    kinds = descriptor_pb2.FieldDescriptorProto
    batching = file.message_type.add(name="BatchingParameters")
    for name, wrapper in _BATCHING.items():
        _add(batching, name, kinds.TYPE_MESSAGE, _WRAPPERS[wrapper].DESCRIPTOR.full_name)
    _add(batching, "allowed_batch_sizes", kinds.TYPE_INT64).label = kinds.LABEL_REPEATED
    _add(batching, "pad_variable_length_inputs", kinds.TYPE_BOOL)
    prometheus = file.message_type.add(name="PrometheusConfig")
    _add(prometheus, "enable", kinds.TYPE_BOOL)
    _add(prometheus, "path", kinds.TYPE_STRING)
    monitoring = file.message_type.add(name="MonitoringConfig")
    _add(monitoring, "prometheus_config", kinds.TYPE_MESSAGE, "concord.PrometheusConfig")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return pool


def _add(
    message: descriptor_pb2.DescriptorProto, name: str, kind: int, type_name: str | None = None
) -> descriptor_pb2.FieldDescriptorProto:
    return message.field.add(
        name=name,
        number=len(message.field) + 1,
        type=kind,
        type_name=None if type_name is None else f".{type_name}",
        label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
    )
