"""Where a bundle lies that no option places elsewhere."""

import logging
import os
from pathlib import Path

from features.bundle import read_manifest
from pipeline.config.run_config import DatasetConfig
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.settings.settings_digest import settings_digest
from pipeline.data.sources import OWN_FILES

_log = logging.getLogger(__name__)
_DIGITS = 8  # of the digest, in the name of a second bundle


def default_bundle(config: DatasetConfig) -> Path:
    """`bundles/NAME`; or, where other settings built the bundle there, a folder beside it.

    So nothing replaces a bundle that another configuration trains on, unless it is told to.
    """
    first = Path("bundles") / bundle_name(config.data)
    digest = settings_digest(config.feature_set, config.data)
    beside = first.with_name(f"{first.name}-{digest[:_DIGITS]}")
    manifest = None if beside.exists() else read_manifest(first)
    if not beside.exists() and (manifest is None or manifest.settings in (None, digest)):
        return first  # of what an earlier version built, the settings are not known
    _log.info("%s is of other features or data settings: this one is %s", first, beside)
    return beside


def bundle_name(data: DataConfig) -> str:
    """What a bundle is called: as its source, or as the user's own file or folder."""
    name = data.source
    if name in OWN_FILES and data.path:  # two data sets of one's own have two bundles
        name = os.path.basename(data.path.rstrip("/")).split(".")[0] or name
    return name.replace(":", "_").replace("/", "_")
