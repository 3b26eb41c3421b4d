"""Columns that rows carry, beside their typed ones, until joins and histories are done.

Their names begin with a character that no column of a feature may have.
"""

import pyarrow as pa

from features.feature_spec import NO_NAME_HAS
from features.specs import FeatureSet, FeatureSpec

POSITION = f"{NO_NAME_HAS}row/position"
SPLIT_HASH = f"{NO_NAME_HAS}row/split_hash"
# int8 index into `features.bundle.SPLITS`, where it is known before the cut
SPLIT = f"{NO_NAME_HAS}row/split"
EVENT_ONLY = f"{NO_NAME_HAS}row/event_only"  # bool: for histories alone, no example


def text(column: str) -> str:
    """Name of a column's text as it was read: for join keys, history keys and events."""
    return f"{NO_NAME_HAS}text/{column}"


def plain_text(column: pa.Array) -> pa.Array:
    """Strings as such, also where they are places in a dictionary."""
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def flag(column: str) -> str:
    """Name of a column that says whether a history's `where` holds; bool without nulls."""
    return f"{NO_NAME_HAS}flag/{column}"


def text_columns(features: FeatureSet) -> set[str]:
    """Columns of the log whose text histories need: their keys, and what is kept of each event."""
    keys = {history.key for history in features.histories.values()}
    of_the_log = {name for name, each in features.histories.items() if each.events is None}
    return keys | {s.column for s in features.features.values() if s.history in of_the_log}


def flag_columns(features: FeatureSet) -> set[str]:
    """Columns of the log that histories' `where` and `unless` name."""
    own = (each for each in features.histories.values() if each.events is None)
    return {column for each in own for column in each.conditions}


def null_values(features: FeatureSet, events: str | None = None) -> dict[str, tuple[str, ...]]:
    """Column -> the texts that mean "missing" in it, where some do.

    Args:
        features: What is read.
        events: The event log whose columns are meant; None: the log's and its side tables'.
    """
    return {
        spec.column: spec.null_values
        for spec in features.features.values()
        if spec.null_values and event_log_of(spec, features) == events
    }


def event_log_of(spec: FeatureSpec, features: FeatureSet) -> str | None:
    """The event log that a sequence's steps come from; None for columns of the log and tables."""
    return None if spec.history is None else features.histories[spec.history].events


def only_columns(features: FeatureSet, columns: set[str]) -> FeatureSet:
    """The features that are read from these columns: a feature set for a single table."""
    kept = {
        name: spec
        for name, spec in features.features.items()
        if spec.column in columns and not spec.history
    }
    return features.model_copy(update={"features": kept, "groups": {}, "histories": {}})


def finished(block: tuple[int, pa.RecordBatch], features: FeatureSet) -> tuple[int, pa.RecordBatch]:
    """A block's typed columns, as `FeatureSet.raw_schema` orders them, and what splits it."""
    key, rows = block
    splitting = [name for name in (SPLIT_HASH, SPLIT) if name in rows.schema.names]
    return key, rows.select([*features.raw_schema().names, *splitting])
