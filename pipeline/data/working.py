"""Columns that rows carry, beside their typed ones, until joins and histories are done.

A slash keeps their names apart from those of the data.
"""

import pyarrow as pa

from features.specs import FeatureSet

POSITION = "row/position"
SPLIT_HASH = "row/split_hash"


def text(column: str) -> str:
    """Name of a column's text as it was read: for join keys, history keys and events."""
    return f"text/{column}"


def flag(column: str) -> str:
    """Name of a column that says whether a history's `where` holds; bool without nulls."""
    return f"flag/{column}"


def text_columns(features: FeatureSet) -> set[str]:
    """Columns whose text histories need: their keys, and what is kept of each event."""
    keys = {history.key for history in features.histories.values()}
    return keys | {spec.column for spec in features.features.values() if spec.history}


def flag_columns(features: FeatureSet) -> set[str]:
    """Columns that histories' `where` name."""
    return {each.where for each in features.histories.values() if each.where is not None}


def only_columns(features: FeatureSet, columns: set[str]) -> FeatureSet:
    """The features that are read from these columns: a feature set for a single table."""
    kept = {
        name: spec
        for name, spec in features.features.items()
        if spec.column in columns and not spec.history
    }
    return features.model_copy(update={"features": kept, "groups": {}, "histories": {}})


def finished(block: tuple[int, pa.RecordBatch], features: FeatureSet) -> tuple[int, pa.RecordBatch]:
    """A block's typed columns, as `FeatureSet.raw_schema` orders them, and its `SPLIT_HASH`."""
    key, rows = block
    hashes = [SPLIT_HASH] if SPLIT_HASH in rows.schema.names else []
    return key, rows.select([*features.raw_schema().names, *hashes])
