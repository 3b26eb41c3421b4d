"""Cuts blocks of rows into train, valid and test, as the rule of `split_rule` says."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.bundle import SPLITS
from features.splits import valid_is_test
from pipeline.data.blocks.block_key import POSITION_BITS
from pipeline.data.blocks.carried_columns import POSITION, SPLIT, SPLIT_HASH, text
from pipeline.data.blocks.spill import SpilledBlock, opened
from pipeline.data.blocks.stable_hash import as_share, seeded_hash, stable_hash

_TRAIN, _VALID, _TEST = (SPLITS.index(name) for name in ("train", "valid", "test"))
_NONE = -1  # no split


def split_rows(times: np.ndarray, valid_from: int, test_from: int) -> np.ndarray:
    """Index into `SPLITS` for each time, an int64 array of the same shape."""
    return np.searchsorted([valid_from, test_from], times, side="right")


def with_split_hash(
    block: tuple[int, pa.RecordBatch], seed: int, key: str | None
) -> tuple[int, pa.RecordBatch]:
    """Puts what chooses a row's split, `SPLIT_HASH`, in place of its `POSITION`.

    Args:
        block: Key from `read_rows.block_key`, and rows with `POSITION` or, if `key` is given, its
            text.
        seed: Two seeds split differently.
        key: Column whose equal values stay together; missing is a value like another. None hashes
            the place of each row: its file and its line, bad lines counted too.
    """
    number, rows = block
    if key is None:
        files = np.uint64(number >> POSITION_BITS << POSITION_BITS)
        places = files | rows.column(POSITION).to_numpy().astype(np.uint64)
        rows = rows.drop_columns([POSITION])
    else:
        places = stable_hash(pc.fill_null(rows.column(text(key)), ""))
    return number, rows.append_column(SPLIT_HASH, pa.array(seeded_hash(places, seed)))


def split_hashes(hashes: np.ndarray, valid: float, test: float) -> np.ndarray:
    """Index into `SPLITS` for each uint64 hash; `valid` and `test` are shares of all hashes."""
    return np.searchsorted([1.0 - valid - test, 1.0 - test], as_share(hashes), side="right")


def split_of(rows: pa.RecordBatch, rule: dict[str, Any]) -> np.ndarray:
    """Index into `SPLITS` for each row, int64, before test rows also become valid.

    Args:
        rows: With the columns that the rule goes by: `SPLIT_HASH`, `SPLIT`, or the time.
        rule: From `SplitRule`.
    """
    if rule["by"] == "hash":
        hashes = rows.column(SPLIT_HASH).to_numpy()
        return split_hashes(hashes, rule.get("valid", 0.0), rule["test"])
    if SPLIT not in rows.schema.names:
        times = rows.column(rule["column"]).to_numpy()
        return split_rows(times, rule["valid_from"], rule["test_from"])
    given = rows.column(SPLIT).to_numpy().astype(np.int64)
    if rule.get("valid"):
        moved = split_hashes(rows.column(SPLIT_HASH).to_numpy(), rule["valid"], 0.0)
        given = np.where(given == _TRAIN, moved, given)
    return given


def is_history_alone(rows: pa.RecordBatch, rule: dict[str, Any]) -> np.ndarray:
    """Whether each row lies before the first training row, bool of shape (rows,).

    Args:
        rows: With the time, where the rule has `train_from`.
        rule: From `SplitRule`.
    """
    if "train_from" not in rule:
        return np.zeros(len(rows), bool)
    return rows.column(rule["column"]).to_numpy() < rule["train_from"]


def cut_block(
    block: tuple[int, pa.RecordBatch | SpilledBlock], rule: dict[str, Any]
) -> Iterator[tuple[int, str, pa.RecordBatch]]:
    """The rows of a block by split, in their order; keys stay unique.

    Where validation rows are the test rows, these come out twice. Rows that are events of histories
    alone do not come out.
    """
    key, rows = block[0], opened(block[1])
    where = np.where(is_history_alone(rows, rule), _NONE, split_of(rows, rule))
    rows = rows.drop_columns([name for name in (SPLIT, SPLIT_HASH) if name in rows.schema.names])
    for index, name in enumerate(SPLITS):
        source = _TEST if index == _VALID and valid_is_test(rule) else index
        inside = np.flatnonzero(where == source)
        if len(inside):
            part = rows if len(inside) == len(rows) else rows.take(pa.array(inside))
            yield key << 2 | index, name, part
