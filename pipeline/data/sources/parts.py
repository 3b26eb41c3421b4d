"""Logs that are no files of ours: rows that are computed, or read by another library, by part."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from features.bundle import FileEntry
from pipeline.data.settings.data_config import DataConfig


@dataclass(frozen=True)
class Part:
    """Rows that one worker makes or reads without another's help.

    Args:
        name: What messages call it.
        first: Its first row, from 0.
        rows: How many it has.
        split: The split that all of them belong to, where that is known.
    """

    name: str
    first: int
    rows: int
    split: str | None = None


class RowParts(ABC):
    """A log in parts: a part's rows are the same whoever asks for them.

    Attributes:
        columns: Names of all columns.
    """

    columns: tuple[str, ...]

    @abstractmethod
    def configured(self, name: str, data: DataConfig) -> "RowParts":
        """This log as the settings want it.

        Args:
            name: What `data.source` calls it, for messages.
            data: Settings.

        Raises:
            ConfigError: Settings that do not fit.
        """

    @abstractmethod
    def parts(self) -> tuple[Part, ...]:
        """All parts, in the order of their rows."""

    @abstractmethod
    def blocks(self, part: int, wanted: tuple[str, ...], size: int) -> Iterator[pa.RecordBatch]:
        """A part's rows in order, at most `size` at a time: text, or lists of text."""

    @abstractmethod
    def contents(self, name: str) -> Mapping[str, FileEntry]:
        """What the rows are made of: it changes whenever they do."""

    def known(self) -> Mapping[str, Any]:
        """What is known of the rows beforehand, for the statistics of a bundle."""
        return {}
