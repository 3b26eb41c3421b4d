"""LightGBM and CatBoost with their own settings, stopped by validation rows or by the clock."""

import importlib.util
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from features.errors import UserError
from features.inputs import InputSpec
from pipeline.comparison.tree_columns import TreeColumns, tree_columns
from pipeline.evaluation.split_rows import Inputs, SplitRows

Predict = Callable[[Inputs], np.ndarray]  # rows -> probabilities, float64 (rows,)
PACKAGES = {"LightGBM": "lightgbm", "CatBoost": "catboost"}
_MOST_TREES = 1_000
_PATIENCE = 50  # trees without a better logloss on validation rows


class Fitted(NamedTuple):
    """A model that was fitted.

    Args:
        predict: From inputs by name to probabilities, float64 (rows,).
        cut: Whether it was ended by the clock.
    """

    predict: Predict
    cut: bool = False


def missing(model: str) -> str | None:
    """How to install what a model needs, in a sentence; None where it is there."""
    if importlib.util.find_spec(PACKAGES[model]) is not None:
        return None
    return (
        f"{model} is left out: it is not installed. Add it: pip install {PACKAGES[model]}, or "
        "pip install 'concord-ctr[compare]'"
    )


def fit_trees(
    model: str,
    specs: Sequence[InputSpec],
    train: SplitRows,
    valid: SplitRows,
    seconds: float,
    seed: int = 0,
) -> Fitted:
    """Fits boosted trees with the package's own settings, at most 1,000 of them.

    Fitting ends after 50 trees without a better logloss on validation rows, of which the best
    number is kept, or after `seconds`.

    Args:
        model: `LightGBM` or `CatBoost`.
        specs: Inputs of the bundle.
        train: Rows that it is fitted to.
        valid: Rows that tell when it is enough.
        seconds: Time that it may take.
        seed: Its random seed.

    Raises:
        UserError: The package is not installed, or cannot fit these rows.
    """
    sentence = missing(model)
    if sentence is not None:
        raise UserError(sentence)
    fit = {"LightGBM": _fit_lightgbm, "CatBoost": _fit_catboost}[model]
    end = time.monotonic() + seconds
    fitted_on, chosen_on = (tree_columns(rows.inputs, specs) for rows in (train, valid))
    predict = fit(fitted_on, chosen_on, train.labels, valid.labels, end, seed)
    cut = time.monotonic() >= end
    return Fitted(lambda inputs: predict(tree_columns(inputs, specs)), cut)


def _fit_lightgbm(
    train: TreeColumns,
    valid: TreeColumns,
    labels: np.ndarray,
    valid_labels: np.ndarray,
    end: float,
    seed: int,
) -> Callable[[TreeColumns], np.ndarray]:
    import lightgbm

    def stop_at_end(environment: Any) -> None:
        if time.monotonic() >= end:
            best = environment.evaluation_result_list
            raise lightgbm.callback.EarlyStopException(environment.iteration, best)

    rows = lightgbm.Dataset(
        train.values, labels, categorical_feature=train.tokens, params={"verbose": -1}
    )
    booster = lightgbm.train(
        {"objective": "binary", "verbose": -1, "seed": seed, "deterministic": True},
        rows,
        num_boost_round=_MOST_TREES,
        valid_sets=[rows.create_valid(valid.values, valid_labels)],
        callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False), stop_at_end],
    )
    return lambda columns: np.asarray(booster.predict(columns.values), np.float64)


def _fit_catboost(
    train: TreeColumns,
    valid: TreeColumns,
    labels: np.ndarray,
    valid_labels: np.ndarray,
    end: float,
    seed: int,
) -> Callable[[TreeColumns], np.ndarray]:
    import catboost
    import pandas  # CatBoost needs it itself

    class StopAtEnd:
        def after_iteration(self, info: Any) -> bool:
            return time.monotonic() < end

    def pool(columns: TreeColumns, labels: np.ndarray | None = None) -> Any:
        frame = pandas.DataFrame(columns.values)
        frame = frame.astype(dict.fromkeys(columns.tokens, "int64"))
        return catboost.Pool(frame, labels, cat_features=columns.tokens)

    model = catboost.CatBoostClassifier(
        iterations=_MOST_TREES,
        early_stopping_rounds=_PATIENCE,
        random_seed=seed,
        verbose=False,
        allow_writing_files=False,
    )
    model.fit(pool(train, labels), eval_set=pool(valid, valid_labels), callbacks=[StopAtEnd()])
    return lambda columns: np.asarray(model.predict_proba(pool(columns))[:, 1], np.float64)
