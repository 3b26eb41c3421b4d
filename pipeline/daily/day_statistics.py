"""What a day's rows look like, counted from its bundle: all splits together."""

from collections import Counter
from typing import Any

import numpy as np

from features.bundle import Bundle
from features.input_shares import InputCounts, counts_of_split
from features.specs import FeatureSpec
from pipeline.batches.dataset import column_arrays
from pipeline.daily.distances import Histogram
from pipeline.inspection.leaks import held_out_auc

MOST_TOKENS = 1_000  # of a feature that are kept by name, the most frequent
_CELLS = 100  # of a number, to predict the label by
_DECIDED_BY_THE_DATE = ("weekday", "weekend")


def day_statistics(bundle: Bundle) -> dict[str, Any]:
    """The statistics of a day, as JSON holds them.

    Args:
        bundle: The bundle of the day.

    Returns:
        `rows`, `label_rate`, `declared` (feature -> what is declared of it), `text_format`,
        `vocabulary_sizes`, and `features`: for each input but given vectors, `missing` (share of
        the rows), `unknown` (share of the tokens; None without a vocabulary), `label_auc` (how
        well it alone predicts the label on half of the rows; None for lists), and either `tokens`
        (the 1,000 most frequent -> share), with `values` and `distinct`, or `histogram` with
        `scale`, which names the numbers' unit: histograms of two scales cannot be compared.
    """
    metadata = bundle.metadata
    inputs = [spec for spec in metadata.features.inputs if spec.kind != "embedding"]
    label = metadata.features.required("label").name
    columns = _columns(bundle, [label, *(spec.name for spec in inputs)])
    labels = columns[label].astype(np.float64)
    counts = _counts(bundle)
    text_format = metadata.text_format
    return {
        "rows": len(labels),
        "label_rate": float(labels.mean()),
        "declared": _declared(bundle),
        "text_format": None if text_format is None else text_format.model_dump(mode="json"),
        "vocabulary_sizes": dict(metadata.analysis.vocabulary_sizes),
        "features": {
            spec.name: _feature(bundle, spec, columns[spec.name], labels, counts[spec.name])
            for spec in inputs
        },
    }


def tokens_of(bundle: Bundle, spec: FeatureSpec) -> list[str] | None:
    """What each id of a feature means, by id; None where ids are buckets without a name."""
    if not spec.has_vocabulary:
        return None
    unknown = bundle.metadata.features.vocabularies[spec.vocabulary].num_oov_buckets
    return ["(missing)", *["(unknown)"] * unknown, *bundle.tokens(spec.vocabulary)]


def _columns(bundle: Bundle, names: list[str]) -> dict[str, np.ndarray]:
    parts = [column_arrays(bundle, split, names) for split, n in bundle.metadata.rows.items() if n]
    return {name: _stacked([part[name] for part in parts]) for name in names}


def _stacked(arrays: list[np.ndarray]) -> np.ndarray:
    """Arrays one below the other; lists are as long as the longest."""
    if arrays[0].ndim == 1:
        return np.concatenate(arrays)
    longest = max(array.shape[1] for array in arrays)
    return np.concatenate([np.pad(a, ((0, 0), (0, longest - a.shape[1]))) for a in arrays])


def _counts(bundle: Bundle) -> dict[str, InputCounts]:
    """Input -> what statistics.json counted, over all splits."""
    total: dict[str, InputCounts] = {}
    for split, rows in bundle.metadata.rows.items():
        if rows:
            for name, counts in counts_of_split(bundle.statistics, split).items():
                before = total.get(name, InputCounts())
                total[name] = InputCounts(*map(sum, zip(before, counts, strict=True)))
    return total


def _declared(bundle: Bundle) -> dict[str, Any]:
    """Feature -> its kind, role, column and transform."""
    return {
        name: spec.model_dump(mode="json", include={"kind", "role", "column", "transform"})
        for name, spec in bundle.metadata.features.features.items()
    }


def _feature(
    bundle: Bundle, spec: FeatureSpec, array: np.ndarray, labels: np.ndarray, counts: InputCounts
) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "missing": counts.missing / counts.rows,
        "unknown": counts.unknown / counts.tokens
        if spec.has_vocabulary and counts.tokens
        else None,
        "grows": bool(spec.history),
        "label_auc": _label_auc(array, labels),
    }
    if np.issubdtype(array.dtype, np.integer):
        return {**facts, **_tokens(bundle, spec, array)}
    histogram = Histogram.of(array)
    facts["scale"] = _scale(bundle, spec)
    facts["histogram"] = {
        "edges": list(histogram.edges),
        "counts": list(histogram.counts),
        "missing": histogram.missing,
    }
    return facts


def _scale(bundle: Bundle, spec: FeatureSpec) -> str:
    """Names the unit of a number: that of a z-score is a deviation."""
    summary = bundle.metadata.analysis.numeric.get(spec.name)
    if summary is None or spec.transform not in ("zscore", "log", None):
        return "raw"
    return f"{spec.transform} {summary.mean} {summary.variance}"


def _tokens(bundle: Bundle, spec: FeatureSpec, array: np.ndarray) -> dict[str, Any]:
    """Shares of the tokens; missing ones are no tokens."""
    names = tokens_of(bundle, spec)
    ids, counts = np.unique(array[array > 0] if names else array.ravel(), return_counts=True)
    by_name: Counter[str] = Counter()
    for number, count in zip(ids.tolist(), counts.tolist(), strict=True):
        by_name[str(number) if names is None else names[number]] += count
    values = int(counts.sum())
    frequent = sorted(by_name.items(), key=lambda item: (-item[1], item[0]))[:MOST_TOKENS]
    return {
        "tokens": {name: count / values for name, count in frequent},
        "values": values,
        "distinct": len(by_name),
        "by_date": spec.transform in _DECIDED_BY_THE_DATE,
    }


def _label_auc(array: np.ndarray, labels: np.ndarray) -> float | None:
    if array.ndim != 1 or len(array) < 4:
        return None
    if np.issubdtype(array.dtype, np.integer):
        _, cells = np.unique(array, return_inverse=True)
    else:
        edges = np.unique(np.nanquantile(array, np.linspace(0, 1, _CELLS + 1)[1:-1]))
        cells = np.searchsorted(edges, array, side="right")
    return held_out_auc(cells.astype(np.int64), labels)
