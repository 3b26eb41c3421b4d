"""What an export tells about itself without being loaded. No TensorFlow."""

import json
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from features.errors import DataError, ExportError
from serving.client.known_signatures import from_file
from serving.client.protos import message_class
from serving.export_format.export_layout import (
    EXPORT_OF_RUN,
    SAMPLE_ROWS,
    SIGNATURES_FILE,
    WARM_UP,
    model_name,
    version_folders,
    why_incomplete,
)
from serving.export_format.signature_table import SignatureTable


@dataclass(frozen=True)
class ExportFolder:
    """A complete version of an export.

    Args:
        version: Folder of the version, with an absolute path.
    """

    version: Path

    @property
    def base(self) -> Path:
        """Folder of the versions, which servers watch."""
        return self.version.parent

    @property
    def model_name(self) -> str:
        """What the model is called where nobody says: the name that `serve` gives it, too."""
        return model_name(self.base)

    @cached_property
    def signatures(self) -> SignatureTable:
        try:
            return from_file(self.version / SIGNATURES_FILE).table
        except DataError as error:
            raise ExportError(f"{error} Export again: python -m pipeline export RUN") from None

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The sample rows, at least one."""
        path = self.version / SAMPLE_ROWS
        try:
            lines = path.read_text("utf-8").splitlines()
            rows = [json.loads(line) for line in lines if line.strip()]
        except (OSError, ValueError) as error:
            raise ExportError(
                f"{path} cannot be read: {error}. Export again: python -m pipeline export RUN"
            ) from None
        if not rows:
            raise ExportError(f"{path} is empty. Export again: python -m pipeline export RUN")
        return rows

    def warm_up_sizes(self) -> list[int]:
        """Batch sizes of the warm-up requests that hold tf.Examples, in increasing order."""
        path = self.version / WARM_UP
        try:
            content = path.read_bytes()
            sizes = {_rows_of(record) for record in _records(content)}
        except (OSError, ValueError, struct.error, DecodeError) as error:
            raise ExportError(
                f"{path} cannot be read: {error}. Export again: python -m pipeline export RUN"
            ) from None
        return sorted(sizes - {0})

    def size(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self.version.rglob("*") if path.is_file())


def open_export(path: str | Path) -> ExportFolder:
    """An export by the folder of its run, of its versions (the latest complete one), or its own.

    Raises:
        ExportError: There is none.
    """
    folder = Path(path).absolute()
    problem = "it is not a folder"
    if folder.is_dir():
        if why_incomplete(folder) is None:
            return ExportFolder(folder)
        for base in (folder, folder / EXPORT_OF_RUN):
            versions = version_folders(base) if base.is_dir() else []
            complete = [each for each in versions if why_incomplete(each) is None]
            if complete:
                return ExportFolder(complete[0])
        problem = "no complete version is in it"
    raise ExportError(
        f"{path} holds no export: {problem}. Give the folder of a run, of its exports, or one "
        "version; or export first: python -m pipeline export RUN"
    )


def _records(content: bytes) -> list[bytes]:
    """The records of a TFRecord file. Whoever wrote the export verified it: no checksums here."""
    records, at = [], 0
    while at < len(content):
        (size,) = struct.unpack_from("<Q", content, at)
        at += 12  # length and its checksum
        if at + size + 4 > len(content):
            raise ValueError("it is cut off")
        records.append(content[at : at + size])
        at += size + 4
    return records


def _rows_of(record: bytes) -> int:
    """Rows of a warm-up request, where it holds tf.Examples; 0 otherwise."""
    log = message_class("tensorflow.serving.PredictionLog").FromString(record)
    match log.WhichOneof("log_type"):
        case "classify_log" | "regress_log" as kind:
            return len(getattr(log, kind).request.input.example_list.examples)
        case "predict_log":
            inputs = log.predict_log.request.inputs
            shapes = [each.tensor_shape.dim for each in inputs.values()]
            return shapes[0][0].size if len(shapes) == 1 and shapes[0] else 0
        case _:
            return 0
