"""Bundles of many configurations: those that have their settings of data in common have one."""

from features.bundle import Bundle
from pipeline.config.default_bundle import default_bundle
from pipeline.config.run_config import RunConfig
from pipeline.data.job.data_job import build_bundle
from pipeline.data.settings.settings_digest import settings_digest


class BuiltBundles:
    """Builds each bundle once, or finds it once: to find one reads its input files whole."""

    def __init__(self) -> None:
        self._built: dict[str, Bundle] = {}

    def of(self, config: RunConfig) -> Bundle:
        """The bundle of a configuration, where `build-bundle` would put it."""
        key = settings_digest(config.feature_set, config.data)
        if key not in self._built:
            place = str(default_bundle(config))
            self._built[key] = build_bundle(config.feature_set, config.data, place)
        return self._built[key]
