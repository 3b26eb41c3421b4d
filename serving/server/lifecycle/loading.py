"""A version folder becomes a model that answers, or a reason why not."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from features.bundle import BundleMetadata, check_vocabularies, read_metadata
from features.errors import BundleError
from serving.export_format.export_layout import ASSETS, METADATA_ASSET
from serving.scoring.input_counter import InputCounter, input_counter
from serving.server.core.background import at_low_priority, at_once, giving_way
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
    beside_others: bool = False,
) -> LoadedModel:
    """Loads a version and lets it answer its warm-up requests.

    Args:
        name: Name of the model.
        version: Number of the version.
        folder: Folder of the version.
        base: Folder that nothing may be read outside of.
        beside_others: Give way to requests, which others answer meanwhile.

    Raises:
        ServingError: It is incomplete or damaged, changed in the meantime, or cannot answer its
            own warm-up requests. The message is the reason.
    """
    if beside_others:
        with giving_way():
            return _load(name, version, folder, base, at_low_priority)
    return _load(name, version, folder, base, at_once)


def _load(
    name: str, version: int, folder: Path, base: Path, run: Callable[[Callable[[], Any]], Any]
) -> LoadedModel:
    reason = why_unusable(folder, base)
    if reason:
        raise ServingError(grpc.StatusCode.FAILED_PRECONDITION, reason)
    before = fingerprint(folder)
    metadata = _checked_metadata(folder)
    try:
        model = LoadedModel(name, version, folder, run)
    except Exception as error:  # a damaged file may fail anywhere inside of TensorFlow
        raise ServingError(
            grpc.StatusCode.DATA_LOSS,
            f"it cannot be loaded as a SavedModel: {first_sentence(error)}",
        ) from error
    try:
        requests = warm_up(model)
        model.inputs = _input_counter(folder, metadata)
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


def _checked_metadata(folder: Path) -> BundleMetadata | None:
    """What an export knows of its bundle; None where Concord did not write it, or another version.

    Raises:
        ServingError: A vocabulary is not the one that the network was trained with. TensorFlow
            would load it, and answer with other scores.
    """
    try:
        metadata = read_metadata(folder / METADATA_ASSET)
    except BundleError:
        return None
    try:
        check_vocabularies(metadata, folder / ASSETS)
    except BundleError as error:
        raise ServingError(grpc.StatusCode.DATA_LOSS, str(error).rstrip(".")) from None
    return metadata


def _input_counter(folder: Path, metadata: BundleMetadata | None) -> InputCounter | None:
    """Counts the inputs of an export; traced here, so that no request waits."""
    if metadata is None:
        return None
    counter = input_counter(folder, metadata)
    if counter is not None:
        counter.prepare()
    return counter
