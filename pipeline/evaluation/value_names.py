"""What the ids and numbers that a network sees were in the raw data."""

import itertools
from collections.abc import Iterable

import numpy as np

from features import storage
from features.bundle import Bundle
from features.feature_spec import FeatureSpec
from features.inputs import InputSpec

MISSING, UNKNOWN = "missing", "unknown"
_LONGEST = 40  # characters of a token that is shown


def unknown_ids(bundle: Bundle, spec: InputSpec) -> range:
    """The ids of tokens outside the vocabulary of an input of ids; none of buckets."""
    if are_buckets(bundle, spec):
        return range(0)
    vocabulary = bundle.metadata.features.vocabularies[str(spec.vocabulary)]
    return range(1, 1 + vocabulary.num_oov_buckets)


def are_buckets(bundle: Bundle, spec: InputSpec) -> bool:
    """Whether the ids of an input are buckets of numbers or times, in their order."""
    return not bundle.metadata.features.features[spec.name].has_vocabulary


def id_names(bundle: Bundle, spec: InputSpec, ids: Iterable[int]) -> dict[int, str]:
    """The names of ids: tokens, or the numbers of buckets.

    Id 0 is `missing`, and all ids of tokens outside the vocabulary are `unknown`. A vocabulary is
    read no further than to the last token that is asked for.

    Args:
        bundle: Bundle that the input is of.
        spec: A `categorical`, `multivalued` or `sequence` input.
        ids: The ids.

    Returns:
        Id -> name, by rising id.
    """
    wanted = sorted({int(each) for each in ids})
    unknown = unknown_ids(bundle, spec)
    if are_buckets(bundle, spec):
        feature = bundle.metadata.features.features[spec.name]
        names = [MISSING, *_bucket_names(bundle, feature, spec.vocabulary_size - 1)]
        return {each: names[each] for each in wanted}
    found = {each: MISSING if each == 0 else UNKNOWN for each in wanted if each < 1 + len(unknown)}
    tokens = [each for each in wanted if each not in found]
    if tokens:
        with storage.opened(f"{bundle.vocabulary_dir}/{spec.vocabulary}.txt") as file:
            lines = itertools.islice(file, tokens[-1] - len(unknown))
            asked = set(tokens)
            for each, line in enumerate(lines, start=1 + len(unknown)):
                if each in asked:
                    found[each] = _shortened(line.decode().rstrip("\n"))
    return found


def raw_numbers(bundle: Bundle, spec: InputSpec, values: np.ndarray) -> np.ndarray:
    """Numbers as they were before their transform, float64 (rows,); nan where one is missing.

    Those that a `default` or a mean stands for are that.

    Args:
        bundle: Bundle that the input is of.
        spec: A `numeric` input.
        values: What the network sees, (rows,).
    """
    feature = bundle.metadata.features.features[spec.name]
    values = values.astype(np.float64)
    if feature.transform == "raw":
        return values
    summary = bundle.metadata.analysis.numeric[spec.name]
    if feature.transform == "piecewise":
        places = np.linspace(0.0, 1.0, len(summary.edges))
        return np.where(values < 0.0, np.nan, np.interp(values, places, summary.edges))
    numbers = summary.mean + (np.sqrt(summary.variance) or 1.0) * values
    if feature.transform == "log":
        return np.sign(numbers) * np.expm1(np.abs(numbers))
    return numbers


def _bucket_names(bundle: Bundle, feature: FeatureSpec, count: int) -> list[str]:
    if feature.transform == "quantiles":
        limits = [
            f"{each:.6g}" for each in bundle.metadata.analysis.numeric[feature.name].boundaries
        ]
        if not limits:
            return ["all"]
        between = [f"{low} to {high}" for low, high in itertools.pairwise(limits)]
        return [f"below {limits[0]}", *between, f"{limits[-1]} and more"]
    if feature.transform == "weekday":
        return ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    if feature.transform == "weekend":
        return ["weekday", "weekend"]
    if feature.transform == "hour":
        return [f"{hour} h" for hour in range(24)]
    return [f"bucket {bucket}" for bucket in range(count)]


def _shortened(token: str) -> str:
    return token if len(token) <= _LONGEST else f"{token[: _LONGEST - 1]}…"
