"""`synthetic:image2product`: clicks on items shown for a query image, from a planted model.

192 fields in the seven groups of MBCnet's Table 1 (`image2product_fields`), and for each group an
interaction that moves the label (`image2product_world`), so that the best possible AUC is known:
`best_auc` below, and `known.best_auc` in a bundle's statistics.json.
"""

from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.blocks.stable_hash import as_share, seeded_hash, stable_hash
from pipeline.data.sources import image2product_world as planted
from pipeline.data.sources.base import Source
from pipeline.data.sources.generated import GeneratedRows
from pipeline.data.sources.image2product_fields import FIELDS, GROUPS, HISTORY_LENGTH, LABEL, Field
from pipeline.data.sources.image2product_world import best_auc

__all__ = ["IMAGE2PRODUCT", "best_auc", "rows_of", "statistics_of"]

_MISSING_SHARE = 0.03  # of the entities, in fields that the label does not depend on
_STATISTICS_ROWS = 100_000
_CANDIDATES = 4 * HISTORY_LENGTH  # items that a user's history is chosen from


def rows_of(seed: int, first: int, count: int, columns: tuple[str, ...]) -> pa.RecordBatch:
    """Some rows, as text; nulls are missing values.

    Args:
        seed: Rows of two seeds have nothing in common.
        first: First row, from 0.
        count: Number of rows.
        columns: Names of fields, or `click`.
    """
    drawn = planted.draw(seed, first, count)
    made = {}
    for name in columns:
        if name == LABEL:
            clicks = planted.labels(seed, first, count)
            made[name] = pa.array(clicks.astype(np.int8)).cast(pa.string())
        else:
            made[name] = _texts(seed, name).take(pa.array(drawn[FIELDS[name].entity]))
    return pa.RecordBatch.from_pydict(made)


def statistics_of(seed: int, rows: int) -> dict[str, float]:
    """Best AUC, that without the crossing of one group each, and that without any crossing.

    All of the first 100,000 rows at most; more rows change the fourth digit.
    """
    rows = min(rows, _STATISTICS_ROWS)
    return {
        "best_auc": best_auc(seed, rows),
        "best_auc_without_crossings": best_auc(seed, rows, ()),
        **{
            f"best_auc_without_{left_out}": best_auc(
                seed, rows, [group for group in GROUPS if group != left_out]
            )
            for left_out in GROUPS
        },
    }


@lru_cache(maxsize=2 * len(FIELDS))
def _texts(seed: int, name: str) -> pa.StringArray:
    """A field of each entity, as text."""
    field, world = FIELDS[name], planted.world(seed)
    count = planted.NUM[field.entity]
    if name in ("user_id", "item_id"):
        return _of_ints(np.arange(count))
    if field.kind == "sequence":
        return _histories(seed, name)
    if field.kind == "embedding":
        vectors = np.char.mod("%.3f", world.images[field.entity])
        return pa.array([" ".join(vector) for vector in vectors.tolist()])
    if name == "item_sales":
        return pa.array(np.char.mod("%.4g", np.log(world.sales)).tolist())
    if field.kind == "numeric":
        return _with_missing(
            field, seed, pa.array(np.char.mod("%.3f", _noise(seed, field)).tolist())
        )
    codes = _of_ints(world.codes[name])
    return codes if field.planted else _with_missing(field, seed, codes)


def _of_ints(numbers: np.ndarray) -> pa.StringArray:
    return pa.array(numbers).cast(pa.string())


def _noise(seed: int, field: Field, salt: str = "") -> np.ndarray:
    """A number in [0, 1) for each entity, of no influence."""
    stream = int(seeded_hash(stable_hash(pa.array([f"{field.name} {salt}"])), seed)[0])
    return as_share(seeded_hash(np.arange(planted.NUM[field.entity]), stream))


def _with_missing(field: Field, seed: int, texts: pa.StringArray) -> pa.StringArray:
    missing = _noise(seed, field, "missing") < _MISSING_SHARE
    return pc.if_else(pa.array(missing), pa.scalar(None, pa.string()), texts)


def _histories(seed: int, name: str) -> pa.StringArray:
    """Items that each user clicked before the log, or their categories: those most to its taste."""
    taste = planted.world(seed).taste
    users = np.arange(planted.NUM["user"] * _CANDIDATES)
    stream = int(seeded_hash(stable_hash(pa.array(["history"])), seed)[0])
    shares = as_share(seeded_hash(users, stream)).reshape(-1, _CANDIDATES)
    items = (shares * planted.NUM["item"]).astype(np.int64)  # (user, candidate)
    liking = np.einsum("ur,ucr->uc", taste["user"], taste["item"][items])
    best = np.argsort(-liking, axis=1, kind="stable")[:, :HISTORY_LENGTH]
    chosen = np.take_along_axis(items, np.sort(best, axis=1), axis=1)
    if name == "user_clicked_categories":
        chosen = planted.world(seed).codes["item_category"][chosen]
    return pa.array([" ".join(map(str, each)) for each in chosen.tolist()])


IMAGE2PRODUCT = Source(
    name="synthetic:image2product",
    title="image2product, synthetic",
    homepage="https://arxiv.org/abs/2411.13057",
    terms="generated",
    log=GeneratedRows((LABEL, *FIELDS), rows_of, statistics_of, version=1),
)
