import numpy as np
import pyarrow as pa
import pytest

from features.specs import FeatureSet
from pipeline.data.writing.statistics import MergeCounts, count_block, summarize

FEATURES = FeatureSet(
    features={
        "item": {"kind": "categorical", "num_oov_buckets": 2},
        "tags": {"kind": "multivalued", "max_length": 3},
        "price": {"kind": "numeric"},
        "label": {"role": "label"},
    }
)
RAW = pa.RecordBatch.from_pydict(
    {
        "item": ["a", None, "x", "y"],
        "tags": [["t"], [], ["t", "u", "v"], None],
        "price": [1.0, None, None, None],
        "label": [1.0, 0.0, 0.0, 0.0],
    },
    FEATURES.raw_schema(),
)
ARRAYS = {
    "item": np.array([3, 0, 1, 2], np.int32),  # ids 1 and 2 are out of vocabulary
    "tags": np.array([[2, 0, 0], [0, 0, 0], [2, 1, 3], [0, 0, 0]], np.int32),
    "price": np.array([1, 0, 0, 0], np.float32),
    "label": np.array([1, 0, 0, 0], np.float32),
}


def test_rates_are_of_rows_for_missing_and_of_tokens_for_oov():
    counts = count_block(RAW, ARRAYS, FEATURES)
    tables = {"users": {"rows": 5, "rejected": 0}, "log": {"rows": 6, "rejected": 2}}
    summary = summarize({"train": counts}, FEATURES, tables, {"unmatched_users": 1})
    assert summary["rows"] == 4
    assert list(summary["tables"].items()) == sorted(tables.items())
    assert summary["joins"] == {"unmatched_users": 1}
    train = summary["splits"]["train"]
    assert (train["rows"], train["positives"], train["label_rate"]) == (4, 1, 0.25)
    assert train["features"] == {
        "item": {"missing_rate": 0.25, "oov_rate": pytest.approx(2 / 3)},
        "tags": {
            "missing_rate": 0.5,
            "oov_rate": 0.25,
            "mean_length": 1.0,
            "max_length": 3,
            "empty_share": 0.5,
        },
        "price": {"missing_rate": 0.75},
    }


def test_merging_parts_in_any_order_equals_counting_the_whole():
    merge = MergeCounts()
    parts = [
        count_block(RAW.slice(i, 1), {k: v[i : i + 1] for k, v in ARRAYS.items()}, FEATURES)
        for i in range(4)
    ]
    whole = count_block(RAW, ARRAYS, FEATURES)
    for order in (parts, parts[::-1]):
        accumulators = [merge.add_input(merge.create_accumulator(), part) for part in order]
        assert merge.extract_output(merge.merge_accumulators(accumulators)) == whole
