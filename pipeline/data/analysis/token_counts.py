"""Counts of tokens as Arrow tables: what a vocabulary is made from. No Beam in here."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.specs import VocabularySpec

SCHEMA = pa.schema([("token", pa.string()), ("count", pa.int64())])
# A vocabulary file has a token per line, and TensorFlow's reader of lines drops "\r" anywhere.
_UNWRITABLE = r"[\n\r]"


class TokenCounts:
    """Counts tokens block by block, in memory proportional to the distinct ones.

    Missing tokens (null or empty) are never counted; nor are tokens that cannot stand on a line
    of a vocabulary file, which therefore become out of vocabulary.

    Args:
        compact_at: Rows of pending tables that are merged into one when reached.
    """

    def __init__(self, compact_at: int = 500_000):
        self._tables: list[pa.Table] = []
        self._pending = 0
        self._compact_at = compact_at
        self._limit = compact_at

    def add(self, tokens: pa.Array) -> None:
        """Counts a column of strings, or of lists of strings, in dictionaries or not."""
        if pa.types.is_list(tokens.type):
            tokens = tokens.flatten()
        if not pa.types.is_dictionary(tokens.type):
            tokens = tokens.dictionary_encode()
        codes = tokens.indices.drop_null().to_numpy()
        counts = pa.array(np.bincount(codes, minlength=len(tokens.dictionary)))
        self.merge(
            pa.table([tokens.dictionary, counts], schema=SCHEMA).filter(
                pc.and_(pc.greater(counts, 0), pc.not_equal(tokens.dictionary, ""))
            )
        )

    def merge(self, table: pa.Table) -> None:
        """Adds the counts of a table with the columns of `SCHEMA`."""
        self._tables.append(table)
        self._pending += table.num_rows
        if self._pending >= self._limit:
            merged = self.result()
            # Distinct tokens cannot shrink: wait for as many again, so that merging stays linear.
            self._limit = merged.num_rows + max(self._compact_at, merged.num_rows)

    @property
    def num_rows(self) -> int:
        """Rows held: at least the distinct tokens."""
        return self._pending

    def result(self) -> pa.Table:
        """Each token once, with its count; in no particular order."""
        table = pa.concat_tables(self._tables) if self._tables else SCHEMA.empty_table()
        if len(self._tables) > 1:
            grouped = table.group_by("token").aggregate([("count", "sum")])
            table = grouped.rename_columns(["token", "count"]).cast(SCHEMA)
        self._tables, self._pending = [table], table.num_rows
        return table


def select(counts: pa.Table, vocabulary: VocabularySpec) -> pa.Table:
    """The tokens that enter the vocabulary, most frequent first, equal counts by token.

    `max_tokens` is exact also where the counts are one part of several: the most frequent of all
    parts are among the most frequent of each.
    """
    keep = pc.and_(
        pc.greater_equal(counts["count"], vocabulary.min_count),
        pc.invert(pc.match_substring_regex(counts["token"], _UNWRITABLE)),
    )
    kept = counts.filter(keep).sort_by([("count", "descending"), ("token", "ascending")])
    return kept if vocabulary.max_tokens is None else kept.slice(0, vocabulary.max_tokens)


def merged(tables: Iterable[pa.Table]) -> pa.Table:
    """Sums the counts of several tables."""
    counts = TokenCounts()
    for table in tables:
        counts.merge(table)
    return counts.result()
