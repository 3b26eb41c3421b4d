"""Examples in the shape of Criteo, made up: what the training benchmark gives to every side.

39 categorical fields: 13 small ones, as of bucketed numbers, and 26 whose sizes grow
geometrically. A field's ids follow Zipf's law with exponent 1, so that a batch holds as many
distinct ids as one of Criteo: 14 % of 10,000 x 39, 18 % of 4,096 x 39.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

FIELDS = 39
_SMALL_FIELDS = 13
_SMALL_SIZE = 100
_LARGEST_TO_SMALLEST = 100_000.0
_CLICK_RATE = 0.25
_BASE_ROWS = 2_000_000  # whose law of ids larger tables keep: only their ids lie further apart


def field_names() -> list[str]:
    """Names of the fields, in their order."""
    return [f"C{i + 1}" for i in range(FIELDS)]


def field_sizes(rows: int = _BASE_ROWS) -> np.ndarray:
    """Number of ids of each field; int64 (fields,), together about `rows`.

    Raises:
        ValueError: Fewer rows than the fields need, or not a multiple of the base size.
    """
    if rows > _BASE_ROWS:
        if rows % _BASE_ROWS:
            raise ValueError(
                f"More table rows than {_BASE_ROWS:,} must be a multiple of them. Received: {rows}."
            )
        return field_sizes() * (rows // _BASE_ROWS)
    large = np.geomspace(1.0, _LARGEST_TO_SMALLEST, FIELDS - _SMALL_FIELDS)
    small = min(_SMALL_SIZE, rows // (4 * FIELDS))
    if small < 4:
        raise ValueError(f"{FIELDS} fields need {16 * FIELDS} table rows. Received: rows={rows}.")
    scaled = large * (rows - _SMALL_FIELDS * small) / large.sum()
    sizes = np.concatenate([np.full(_SMALL_FIELDS, small), np.maximum(np.round(scaled), 4)])
    return sizes.astype(np.int64)


def field_ids(rows: int, examples: int, seed: int = 1) -> np.ndarray:
    """Ids of the fields, from 0; int32 (fields, examples).

    A field's frequent ids lie anywhere in its table. Tables of more than two million rows have
    the ids of those with two million, spread over all rows: a batch has as many distinct ones.
    """
    rng = np.random.default_rng(seed)
    spread = max(rows // _BASE_ROWS, 1)
    ids = np.empty((FIELDS, examples), np.int32)
    for row, size in zip(ids, field_sizes(min(rows, _BASE_ROWS)), strict=True):
        law = np.cumsum(1.0 / np.arange(1, size + 1))
        rank = np.searchsorted(law, rng.uniform(0.0, law[-1], examples))
        row[:] = rng.permutation(size)[np.minimum(rank, size - 1)] * spread
    return ids


def distinct_share(ids: np.ndarray, batch: int) -> float:
    """Distinct (field, id) pairs of a batch by all of its ids; mean over the whole batches."""
    batches = ids.shape[1] // batch
    counts = [
        len(np.unique(row[i * batch : (i + 1) * batch])) for i in range(batches) for row in ids
    ]
    return sum(counts) / (batches * batch * len(ids))


def write_workload(path: Path, rows: int, examples: int, seed: int = 1) -> None:
    """Writes `sizes` (fields,), `ids` (fields, examples) and `labels` (examples,) as npz."""
    labels = np.random.default_rng(seed + 1).random(examples) < _CLICK_RATE
    np.savez(
        path,
        sizes=field_sizes(rows),
        ids=field_ids(rows, examples, seed),
        labels=labels.astype(np.float32),
    )


def read_batches(path: str, batch: int) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """A workload cut into whole batches.

    Returns:
        Sizes (fields,); by field name int32 ids (batches, batch); float32 labels (batches, batch).
    """
    with np.load(path) as file:
        arrays: Mapping[str, np.ndarray] = dict(file)
    batches = len(arrays["labels"]) // batch
    shape = (batches, batch)
    ids = {
        name: np.ascontiguousarray(row[: batches * batch]).reshape(shape)
        for name, row in zip(field_names(), arrays["ids"], strict=True)
    }
    return arrays["sizes"], ids, arrays["labels"][: batches * batch].reshape(shape)


def batches(ids: Mapping[str, np.ndarray], labels: np.ndarray) -> Any:
    """The same batches for every side on TensorFlow, over and over.

    Without tf.data's autotuner: an iterator cannot end before that wakes, and so blocks of t
    seconds would take up to 2 t.
    """
    import tensorflow as tf  # not for the sides that have none

    options = tf.data.Options()
    options.autotune.enabled = False
    slices = tf.data.Dataset.from_tensor_slices((dict(ids), labels))
    return slices.repeat().prefetch(2).with_options(options)
