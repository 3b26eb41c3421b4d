"""What `data.source` names, as the settings and the files have it."""

from pipeline.data.reading.own_files import is_own, open_own_files
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.sources import TFDS, source_named
from pipeline.data.sources.base import Source


def open_source(data: DataConfig) -> tuple[Source, DataConfig]:
    """The source of a configuration, and its settings with `path` a folder.

    Raises:
        ConfigError: No such source, or settings that do not fit it.
        DataError: Files of the user's own that are missing or unreadable.
    """
    if data.source.startswith(TFDS):
        from pipeline.data.reading.tfds_rows import open_tfds  # imports tensorflow-datasets

        return open_tfds(data), data
    source = source_named(data.source)
    return open_own_files(source, data) if is_own(source) else (source, data)
