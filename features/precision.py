"""Which numbers a float32 cannot tell apart, so that they stay float64 until they are centred."""

import math

from features.analysis import Analysis, NumericSummary
from features.specs import FeatureSet

_ROUNDING = 2.0**-24  # the largest relative error of a float32
_LARGEST_ERROR = 1e-3  # of the scaled number, in standard deviations


def survives_float32(summary: NumericSummary) -> bool:
    """Whether rounding to float32 moves no training value by more than 0.001 deviations."""
    largest = max(abs(summary.minimum), abs(summary.maximum))
    return largest * _ROUNDING <= _LARGEST_ERROR * math.sqrt(summary.variance) or (
        not summary.variance
    )


def with_precision(features: FeatureSet, analysis: Analysis) -> FeatureSet:
    """The features; numbers that are scaled by `zscore` are float64 where float32 is too little."""
    specs = {
        name: spec.model_copy(update={"precision": "float64"})
        if spec.kind == "numeric"
        and spec.transform == "zscore"
        and not survives_float32(analysis.numeric[name])
        else spec
        for name, spec in features.features.items()
    }
    return features.model_copy(update={"features": specs})


def losses_in_words(features: FeatureSet, analysis: Analysis) -> list[str]:
    """A line for each number that float32 is too little for: what is done, or what is lost."""
    lines = []
    for spec in features.inputs:
        summary = analysis.numeric.get(spec.name)
        if (
            spec.kind != "numeric"
            or spec.transform not in ("zscore", "raw", "quantiles", "piecewise")
            or summary is None
        ):
            continue
        if survives_float32(summary):
            continue
        close = (
            f"{spec.name}: float32 cannot tell values around {summary.mean:.6g} apart that differ "
            f"by {math.sqrt(summary.variance):.3g} on average"
        )
        if spec.transform == "zscore":
            lines.append(
                f"{close}; it is centred in float64, and served as float64, in tf.Examples as text"
            )
        else:
            lines.append(
                f"{close}, and transform {spec.transform} reads float32: use zscore, or subtract a "
                "constant from the column"
            )
    return lines
