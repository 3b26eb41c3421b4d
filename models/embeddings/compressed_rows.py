"""How a vocabulary's ids become rows of a table: one row each, or fewer rows that ids share."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import tensorflow as tf

from models.layers.axis_length import axis_length

Storing = Literal["plain", "hashed", "quotient_remainder"]
_PRIME = 2_147_483_647  # 2^31 - 1: products of two numbers below it fit into int64
# Multipliers and offsets of the hash functions, drawn once; a row's meaning depends on them.
_MULTIPLIERS = (1_103_515_245, 69_069_069, 1_664_525, 1_220_703_125)
_OFFSETS = (12_345, 1_013_904_223, 987_654_321, 362_437)


@dataclass(frozen=True)
class Storage:
    """The rows that stand for the ids of one vocabulary.

    | type | rows of an id | its embedding |
    |---|---|---|
    | `plain` | its own | the row |
    | `hashed` | `hashes` of `rows` rows, by as many hash functions | their sum |
    | `quotient_remainder` | id mod `rows`, and id div `rows` in a second table | their product |

    The first table of `quotient_remainder` starts as any other, the second around 1: at the start
    an embedding is its remainder's row, as small as others.

    Hash functions are ((a id + b) mod (2^31 - 1)) mod rows. They hash ids, not tokens: where
    another vocabulary gives a token another id, its rows change.

    References: Svenstrup et al., Hash Embeddings, arXiv:1709.03933v1 (without the importance
    weights, which would be a table of all ids); Shi et al., Compositional Embeddings,
    arXiv:1909.02107v2, section 3.1 (operation "multiplication").

    A vocabulary of no more ids than `rows` is stored plainly.

    Args:
        num_ids: Ids of the vocabulary.
        type: How ids become rows, as the table says.
        rows: Number of rows, as the table says; no meaning for `plain`.
        hashes: Hash functions, 1 to 4.
    """

    num_ids: int
    type: Storing = "plain"
    rows: int = 0
    hashes: int = 2

    def __post_init__(self) -> None:
        if self.type not in get_args(Storing) or (self.type != "plain" and self.rows < 1):
            raise ValueError(
                f"`type` must be one of {', '.join(get_args(Storing))}, and `rows` >= 1 where ids "
                f"share rows. Received: type={self.type!r}, rows={self.rows}."
            )
        if not 1 <= self.hashes <= len(_MULTIPLIERS):
            raise ValueError(
                f"`hashes` must be 1 to {len(_MULTIPLIERS)}. Received: hashes={self.hashes}."
            )

    @property
    def is_plain(self) -> bool:
        """Whether every id has a row of its own."""
        return self.type == "plain" or self.num_ids <= self.rows

    @property
    def tables(self) -> tuple[int, ...]:
        """Rows of each table that the vocabulary is stored in."""
        if self.is_plain:
            return (self.num_ids,)
        if self.type == "hashed":
            return (self.rows,)
        return (self.rows, math.ceil(self.num_ids / self.rows))

    @property
    def rows_per_id(self) -> int:
        """Rows that make up an embedding."""
        if self.is_plain:
            return 1
        return self.hashes if self.type == "hashed" else 2

    def rows_of(self, ids: tf.Tensor) -> list[tf.Tensor]:
        """int32 (...) -> `rows_per_id` times int32 (...), counted over all `tables` together."""
        if self.is_plain:
            return [ids]
        if self.type == "quotient_remainder":
            return [ids % self.rows, self.rows + ids // self.rows]
        wide = tf.cast(ids, tf.int64)
        functions = zip(_MULTIPLIERS[: self.hashes], _OFFSETS, strict=False)
        return [tf.cast((wide * a + b) % _PRIME % self.rows, tf.int32) for a, b in functions]

    def combined(self, rows: tf.Tensor) -> tf.Tensor:
        """(batch, k x rows_per_id, columns), those of an id together -> (batch, k, columns)."""
        if self.is_plain:
            return rows
        count, columns = axis_length(rows, 1) // self.rows_per_id, rows.shape[2]
        apart = tf.reshape(rows, (-1, count, self.rows_per_id, columns))
        if self.type == "hashed":
            return tf.reduce_sum(apart, axis=2)
        remainder, quotient = tf.unstack(apart, axis=2)
        return remainder * quotient
