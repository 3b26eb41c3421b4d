"""What the signatures of a model take and give: told by its server, or by its export."""

from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from features.errors import DataError, did_you_mean
from serving.client.protos import ProtoMessage, message_class
from serving.client.tensor_protos import DTYPES
from serving.export_format.signature_table import (
    SignatureTable,
    SignatureTemplate,
    TensorTemplate,
    read_table,
)


@dataclass(frozen=True)
class KnownSignatures:
    """The signatures of a model.

    Args:
        where: Who told them, for messages.
        table: Signature -> its inputs and outputs. Servers do not tell which raw column an input
            holds, nor what stands for missing; they say a free rank as the shape ().
        version: Version of the model, where a server told it.
    """

    where: str
    table: SignatureTable
    version: int | None = None

    def __getitem__(self, signature: str) -> SignatureTemplate:
        if signature not in self.table:
            raise DataError(
                f"{self.where} has no signature {signature!r}. "
                f"{did_you_mean(signature, self.table)}"
            )
        return self.table[signature]


def from_metadata(answer: ProtoMessage) -> KnownSignatures:
    """The signatures of a GetModelMetadataResponse.

    Raises:
        DataError: It holds none.
    """
    where = f"model {answer.model_spec.name!r}"
    try:
        packed = answer.metadata["signature_def"].value
        signatures = message_class("tensorflow.serving.SignatureDefMap").FromString(packed)
    except DecodeError:
        raise DataError(f"{where}: the metadata of the server hold no signatures.") from None
    table = {
        name: SignatureTemplate(
            {key: _template(each.inputs[key]) for key in sorted(each.inputs)},
            {key: _template(each.outputs[key]) for key in sorted(each.outputs)},
        )
        for name, each in sorted(signatures.signature_def.items())
        if not name.startswith("__")  # TensorFlow's own, such as __saved_model_init_op
    }
    return KnownSignatures(where, table, answer.model_spec.version.value)


def _template(info: ProtoMessage) -> TensorTemplate:
    dtype = DTYPES.get(info.dtype, f"data type {info.dtype}")
    sizes = (each.size for each in info.tensor_shape.dim)
    return TensorTemplate(dtype, tuple(None if size < 0 else size for size in sizes))


def from_file(path: Path) -> KnownSignatures:
    """The signatures of an export's `assets.extra/signatures.json`.

    Raises:
        DataError: It cannot be read, or is something else.
    """
    try:
        return KnownSignatures(str(path), read_table(path))
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"is no table of signatures: {type(error).__name__} {error}"
    raise DataError(f"{path} {problem}. Give assets.extra/signatures.json of an export.")
