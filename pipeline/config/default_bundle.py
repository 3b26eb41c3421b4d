"""Where a bundle lies that no option places elsewhere."""

import hashlib
import logging
import os
from pathlib import Path

from features.bundle import Manifest, read_manifest
from pipeline.config.run_config import DatasetConfig
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.settings.settings_digest import settings_digest
from pipeline.data.sources import OWN_FILES

_log = logging.getLogger(__name__)
_DIGITS = 8  # of the digest, in the name of a second bundle


def default_bundle(config: DatasetConfig) -> Path:
    """`bundles/NAME`; or, where the bundle there is of other settings or files, a folder beside it.

    So nothing replaces a bundle that another configuration trains on, unless it is told to.
    """
    first = Path("bundles") / bundle_name(config.data)
    settings, path = settings_digest(config.feature_set, config.data), config.data.absolute_path()
    of_files = hashlib.sha256(f"{settings} {path}".encode()).hexdigest()
    beside = [first.with_name(f"{first.name}-{each[:_DIGITS]}") for each in (settings, of_files)]
    places = {each: read_manifest(each) for each in (first, *beside)}
    own = [each for each, there in places.items() if there and _is_of(there, settings, path)]
    free = [each for each, there in places.items() if there is None]
    chosen = [*reversed(own), *free, beside[-1]][0]
    if chosen != first and places[first] is not None:
        _log.info("%s is of other features, data settings or files: this one is %s", first, chosen)
    return chosen


def _is_of(manifest: Manifest, settings: str, path: str | None) -> bool:
    """Whether a bundle may be of these settings and files: earlier versions noted less."""
    return manifest.settings in (None, settings) and manifest.path in (None, path)


def bundle_name(data: DataConfig) -> str:
    """What a bundle is called: as its source, or as the user's own file or folder."""
    name = data.source
    if name in OWN_FILES and data.path:  # two data sets of one's own have two bundles
        name = os.path.basename(data.path.rstrip("/")).split(".")[0] or name
    return name.replace(":", "_").replace("/", "_")
