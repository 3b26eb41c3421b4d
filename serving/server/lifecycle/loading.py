"""A version folder becomes a model that answers, or a reason why not."""

import logging
from pathlib import Path

import grpc

from features.bundle import read_metadata
from features.errors import UserError
from serving.export_format.export_layout import METADATA_ASSET
from serving.scoring.input_counter import InputCounter, input_counter
from serving.server.core.loaded_model import LoadedModel
from serving.server.core.serving_error import ServingError, first_sentence
from serving.server.lifecycle.versions import fingerprint, why_unusable
from serving.server.lifecycle.warm_up import warm_up

_log = logging.getLogger(__name__)


def load_warm(
    name: str,
    version: int,
    folder: Path,
    base: Path,
) -> LoadedModel:
    """Loads a version and lets it answer its warm-up requests.

    Args:
        name: Name of the model.
        version: Number of the version.
        folder: Folder of the version.
        base: Folder that nothing may be read outside of.

    Raises:
        ServingError: It is incomplete or damaged, changed in the meantime, or cannot answer its
            own warm-up requests. The message is the reason.
    """
    reason = why_unusable(folder, base)
    if reason:
        raise ServingError(grpc.StatusCode.FAILED_PRECONDITION, reason)
    before = fingerprint(folder)
    try:
        model = LoadedModel(name, version, folder)
    except Exception as error:  # a damaged file may fail anywhere inside of TensorFlow
        raise ServingError(
            grpc.StatusCode.DATA_LOSS,
            f"it cannot be loaded as a SavedModel: {first_sentence(error)}",
        ) from error
    try:
        requests = warm_up(model)
        model.inputs = _input_counter(folder)
        if fingerprint(folder) != before:  # still being copied: a part of it may have been read
            raise ServingError(
                grpc.StatusCode.ABORTED,
                "it changed while it was read. Write versions under a hidden name and rename them",
            )
    except ServingError:
        model.close()
        raise
    except Exception as error:
        model.close()
        raise ServingError(
            grpc.StatusCode.DATA_LOSS, f"its warm-up requests cannot be read: {error}"
        ) from error
    _log.info("model %s: version %d answered %d warm-up requests", name, version, requests)
    return model


def _input_counter(folder: Path) -> InputCounter | None:
    """Counts the inputs of an export that Concord wrote; traced here, so that no request waits."""
    try:
        metadata = read_metadata(folder / METADATA_ASSET)
    except UserError:
        return None
    counter = input_counter(folder, metadata)
    if counter is not None:
        counter.prepare()
    return counter
