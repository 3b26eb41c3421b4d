"""Maps that are fitted to validation rows: scikit-learn as oracle, order kept, totals right."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from models.metrics import auc, calibration, logloss
from pipeline.evaluation.recalibration import (
    STEEPEST,
    fit_isotonic,
    fit_maps,
    fit_platt,
    pool_adjacent_violators,
)


def rows(count=4_000, seed=1, ties=False):
    """Labels of a bent function of the logits, weights between 0.5 and 2."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1.0, 1.5, count)
    if ties:
        logits = np.round(logits, 1)
    truth = 1.0 / (1.0 + np.exp(-(0.4 * logits + np.maximum(logits, 0.0) - 1.0)))
    labels = (rng.random(count) < truth).astype("float64")
    return labels, logits, rng.uniform(0.5, 2.0, count)


def sigmoid(logits):
    return 1.0 / (1.0 + np.exp(-np.asarray(logits, "float64")))


@pytest.mark.parametrize("ties", [False, True])
def test_blocks_are_those_of_isotonic_regression(ties):
    labels, logits, weights = rows(ties=ties)
    weights[::5] = 0.0
    blocks = pool_adjacent_violators(labels, logits, weights)
    oracle = IsotonicRegression().fit(logits, labels, sample_weight=weights)
    rates = np.unique(oracle.predict(logits[weights > 0.0]))
    np.testing.assert_allclose(blocks[:, 1] / blocks[:, 0], rates, atol=1e-12)
    assert blocks[:, 3].sum() == (weights > 0.0).sum()
    assert blocks[:, 2].sum() == pytest.approx(weights @ logits)


def test_platt_is_an_unpenalised_logistic_regression_on_the_logit():
    labels, logits, weights = rows()
    found = fit_platt(labels, logits, weights)
    oracle = LogisticRegression(C=np.inf, tol=1e-10)
    oracle.fit(logits[:, np.newaxis], labels, sample_weight=weights)
    expected = oracle.predict_proba(logits[:, np.newaxis])[:, 1]
    np.testing.assert_allclose(sigmoid(found(logits)), expected, atol=1e-5)


@pytest.mark.parametrize("fit", [fit_platt, fit_isotonic])
def test_clicks_add_up_the_loss_falls_and_the_order_stays(fit):
    labels, logits, weights = rows()
    probs = sigmoid(fit(labels, logits, weights)(logits))
    assert weights @ probs == pytest.approx(weights @ labels, rel=1e-5)
    even = np.ones(len(labels))
    probs = sigmoid(fit(labels, logits, even)(logits))
    assert calibration(labels, probs) == pytest.approx(1.0, abs=1e-5)
    assert logloss(labels, probs) < logloss(labels, sigmoid(logits)) - 0.01
    assert auc(labels, probs) == pytest.approx(auc(labels, logits), abs=1e-5)


def test_isotonic_is_near_the_step_function_on_rows_that_it_was_not_fitted_to():
    labels, logits, weights = rows(20_000)
    fresh, other, _ = rows(20_000, seed=2)
    steps = IsotonicRegression(out_of_bounds="clip").fit(logits, labels, sample_weight=weights)
    ours = logloss(fresh, sigmoid(fit_isotonic(labels, logits, weights)(other)))
    assert ours < logloss(fresh, np.clip(steps.predict(other), 1e-4, 1 - 1e-4)) + 1e-3


def test_a_weight_is_as_good_as_repeated_rows():
    labels, logits, _ = rows(1_000)
    counts = np.random.default_rng(3).integers(1, 4, len(labels))
    repeated = np.repeat(np.arange(len(labels)), counts)
    expected = fit_platt(labels[repeated], logits[repeated], np.ones(len(repeated)))
    found = fit_platt(labels, logits, counts.astype("float64"))
    np.testing.assert_allclose(found(logits), expected(logits), atol=1e-4)


@pytest.mark.parametrize("fit", [fit_platt, fit_isotonic])
@pytest.mark.parametrize("spread", [1e-6, 0.0, 1.0])
def test_no_map_is_steep_or_falls(fit, spread):
    """Rows that the logit parts wholly, or not at all, or the wrong way round."""
    labels = np.repeat([0.0, 1.0], 500)
    for sign in (1.0, -1.0):
        logits = sign * spread * (labels + 0.1 * np.linspace(-1.0, 1.0, 1_000))
        found = fit(labels, logits, np.ones(1_000))
        slopes = [found.outer, *np.diff(found.y) / np.diff(found.x)]
        assert min(slopes) > 0.0
        assert max(slopes) <= STEEPEST + 1e-9
        assert sigmoid(found(logits)).mean() == pytest.approx(0.5, abs=0.02)


def test_each_prediction_is_fitted_for_itself_and_one_class_gives_nothing():
    labels, logits, weights = rows(500)
    maps = fit_maps("platt", labels, {"fused": logits, "deep": 2.0 * logits}, weights)
    np.testing.assert_allclose(maps["fused"](logits), maps["deep"](2.0 * logits), atol=1e-4)
    assert fit_maps("isotonic", np.zeros(500), {"fused": logits}, weights) == {}
