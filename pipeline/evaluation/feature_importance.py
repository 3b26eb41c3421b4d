"""What a model loses when the values of one feature change places among the rows."""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from features.inputs import InputSpec
from models.metrics import logloss
from pipeline.evaluation.split_rows import SplitRows


def permutation_importance(
    predict: Callable[[Mapping[str, np.ndarray]], np.ndarray],
    rows: SplitRows,
    specs: Sequence[InputSpec],
    most_rows: int = 5_000,
    seconds: float = float("inf"),
    seed: int = 0,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, float]:
    """By feature, the rise of the logloss when its values are permuted among rows, once.

    The sequences of one history are permuted together, as they are aligned; and so are all
    features of a group, where groups are asked for.

    Reference: Breiman, Random Forests, Machine Learning 45 (2001), section 10.

    Args:
        predict: From inputs by name to probabilities, (rows,).
        rows: Labelled rows, of which the first are taken.
        specs: The inputs.
        most_rows: Number of rows that are taken.
        seconds: Time after which features are left out.
        seed: Seed of the permutation, which is the same for every feature.
        groups: Name -> features, to permute groups and not features.

    Returns:
        Feature, history or group -> nats, the largest first.
    """
    end = time.monotonic() + seconds
    inputs = {name: values[:most_rows] for name, values in rows.inputs.items()}
    labels = rows.labels[:most_rows]
    order = np.random.default_rng(seed).permutation(len(labels))
    together = groups or _together(specs)
    before = logloss(labels, predict(inputs))
    rises: dict[str, float] = {}
    for feature, names in together.items():
        if rises and time.monotonic() >= end:
            break
        permuted = {**inputs, **{name: inputs[name][order] for name in names}}
        rises[feature] = logloss(labels, predict(permuted)) - before
    return dict(sorted(rises.items(), key=lambda item: -item[1]))


def _together(specs: Sequence[InputSpec]) -> dict[str, list[str]]:
    """Feature or history -> the inputs that are permuted together."""
    together: dict[str, list[str]] = {}
    for spec in specs:
        together.setdefault(spec.history or spec.name, []).append(spec.name)
    return together
