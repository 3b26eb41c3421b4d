"""What the rows of each split look like, counted with whole numbers: statistics.json."""

from collections.abc import Iterable, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa

from features.specs import FeatureSet, FeatureSpec

# Feature -> measure -> count, and under ALL the counts of whole rows. The measure `longest` is a
# maximum, the others are sums.
Counts = dict[str, dict[str, int]]
ALL = ""
LEFT_OUT = "positives_left_out"  # of `data.train_positives`; absent where none is


def count_block(
    raw: pa.RecordBatch, arrays: Mapping[str, np.ndarray], features: FeatureSet
) -> Counts:
    """Counts a block of rows.

    Args:
        raw: Typed raw columns.
        arrays: The same rows preprocessed.
        features: What the columns mean.
    """
    counts: Counts = {ALL: {"rows": raw.num_rows}}
    if features.label:
        counts[ALL]["positives"] = int(np.count_nonzero(arrays[features.label.name]))
    for spec in features.inputs:
        counts[spec.name] = _count_feature(raw, arrays[spec.name], spec, features)
    return counts


def _count_feature(
    raw: pa.RecordBatch, array: np.ndarray, spec: FeatureSpec, features: FeatureSet
) -> dict[str, int]:
    if array.dtype != np.int32:  # numbers and vectors: only the raw value knows what is missing
        return {"missing": raw.column(spec.raw_name).null_count}
    counts = {"missing": int(np.count_nonzero(array == 0))}
    if array.ndim == 2:
        lengths = np.count_nonzero(array, axis=1)
        counts["missing"] = int(np.count_nonzero(lengths == 0))
        counts["tokens"] = int(lengths.sum())
        counts["longest"] = int(lengths.max(initial=0))
    if spec.has_vocabulary:
        oov_ids = features.vocabularies[spec.vocabulary].num_oov_buckets
        counts["tokens"] = int(np.count_nonzero(array))
        counts["oov"] = int(np.count_nonzero((array > 0) & (array <= oov_ids)))
    return counts


class MergeCounts(beam.CombineFn):
    """Adds `Counts` up: exact, so the order in which they come does not matter."""

    def create_accumulator(self) -> Counts:
        return {}

    def add_input(self, accumulator: Counts, counts: Counts) -> Counts:
        for feature, measures in counts.items():
            known = accumulator.setdefault(feature, {})
            for measure, count in measures.items():
                so_far = known.get(measure, 0)
                known[measure] = max(so_far, count) if measure == "longest" else so_far + count
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Counts]) -> Counts:
        merged: Counts = {}
        for accumulator in accumulators:
            self.add_input(merged, accumulator)
        return merged

    def extract_output(self, accumulator: Counts) -> Counts:
        return accumulator


def summarize(
    of_split: Mapping[str, Counts],
    features: FeatureSet,
    tables: Mapping[str, Mapping[str, int]],
    joins: Mapping[str, int],
) -> dict[str, Any]:
    """The content of statistics.json.

    Args:
        of_split: Split -> counts of all its rows.
        features: What the columns mean.
        tables: Table -> its `rows`, good or not, and how many of them were `rejected`.
        joins: `unmatched_<side table>` -> rows of the log without a match in it.

    Returns:
        `rows`, `tables`, `joins`, and for each split its `rows`, `positives`, `label_rate`,
        `positives_left_out` where there are any, and `features`: for each input `missing_rate`
        (of rows); `oov_rate` (of tokens) where it has a vocabulary; `mean_length`, `max_length`
        and `empty_share` where it is a list, as models see it: cut to the feature's `max_length`.
    """
    return {
        "rows": sum(counts[ALL]["rows"] for counts in of_split.values()),
        "tables": dict(sorted(tables.items())),
        "joins": dict(sorted(joins.items())),
        "splits": {
            split: _summarize_split(of_split[split], features) for split in sorted(of_split)
        },
    }


def _summarize_split(counts: Counts, features: FeatureSet) -> dict[str, Any]:
    summary: dict[str, Any] = dict(counts[ALL])
    rows = summary["rows"]
    if "positives" in summary:
        summary["label_rate"] = summary["positives"] / rows
    summary["features"] = {
        spec.name: _summarize_feature(counts[spec.name], rows) for spec in features.inputs
    }
    return summary


def _summarize_feature(counts: Mapping[str, int], rows: int) -> dict[str, float]:
    summary: dict[str, float] = {"missing_rate": counts["missing"] / rows}
    if "oov" in counts:
        tokens = counts["tokens"]
        summary["oov_rate"] = counts["oov"] / tokens if tokens else 0.0
    if "longest" in counts:
        summary["mean_length"] = counts["tokens"] / rows
        summary["max_length"] = counts["longest"]
        summary["empty_share"] = counts["missing"] / rows
    return summary
