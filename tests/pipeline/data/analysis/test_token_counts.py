from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from features.specs import VocabularySpec
from pipeline.data.analysis.token_counts import SCHEMA, TokenCounts, merged, select


def vocabulary(min_count=1, max_tokens=None):
    return VocabularySpec(
        name="v", min_count=min_count, max_tokens=max_tokens, num_oov_buckets=1, counted_from=("v",)
    )


def as_dict(table):
    return dict(zip(table["token"].to_pylist(), table["count"].to_pylist(), strict=True))


def random_tokens(rng, n):
    return [None if t == 0 else "" if t == 1 else f"t{t}" for t in rng.zipf(1.3, n) % 5_000]


@pytest.mark.parametrize("compact_at", [1, 50, 10**9], ids=["always", "sometimes", "never"])
def test_counts_like_a_counter_whenever_it_compacts(compact_at):
    rng = np.random.default_rng(3)
    counts, oracle = TokenCounts(compact_at), Counter()
    for _ in range(20):
        tokens = random_tokens(rng, 300)
        oracle.update(token for token in tokens if token)
        counts.add(pa.array(tokens, pa.string()))
    assert as_dict(counts.result()) == dict(oracle)


def test_lists_are_counted_token_by_token_and_slices_only_inside():
    tokens = pa.array([["x"], ["a", "b"], None, ["a", None, ""], ["y"]]).slice(1, 3)
    counts = TokenCounts()
    counts.add(tokens)
    assert as_dict(counts.result()) == {"a": 2, "b": 1}


def test_most_frequent_first_and_equal_counts_by_token():
    table = pa.table({"token": ["b", "a", "é", "Z", "c"], "count": [2, 2, 2, 2, 9]}, SCHEMA)
    assert select(table, vocabulary())["token"].to_pylist() == ["c", "Z", "a", "b", "é"]


def test_min_count_and_max_tokens_are_exact():
    table = pa.table({"token": ["a", "b", "c", "d"], "count": [4, 3, 3, 2]}, SCHEMA)
    assert select(table, vocabulary(min_count=3))["token"].to_pylist() == ["a", "b", "c"]
    assert select(table, vocabulary(max_tokens=2))["token"].to_pylist() == ["a", "b"]


def test_tokens_with_line_breaks_stay_out_of_the_vocabulary():
    table = pa.table({"token": ["a\nb", "a\rb", "ab", "a\u2028b"], "count": [9, 9, 1, 1]}, SCHEMA)
    assert select(table, vocabulary())["token"].to_pylist() == ["ab", "a\u2028b"]


def test_nothing_merges_to_nothing():
    assert merged([]).schema == SCHEMA
    assert merged([SCHEMA.empty_table()]).num_rows == 0


def test_dictionaries_count_alike_and_entries_that_no_row_uses_not_at_all():
    rng = np.random.default_rng(5)
    tokens = random_tokens(rng, 500)
    rows = pa.array([tokens[start : start + 5] for start in range(0, 500, 5)])
    coded = pa.array(tokens, pa.string()).dictionary_encode()
    lists = pa.ListArray.from_arrays(rows.offsets, coded)
    oracle = Counter(token for token in tokens[20:300] if token)
    for column in (coded.slice(20, 280), lists.slice(4, 56)):
        counts = TokenCounts()
        counts.add(column)
        assert as_dict(counts.result()) == dict(oracle)
