"""The transform that is proposed is the one that predicts rows which it was not fitted to."""

import numpy as np
import pytest
import tensorflow as tf

from features.preprocessing import log2_bucket, piecewise_place
from models.embeddings.numeric_encoding import piecewise_linear
from pipeline.inspection.facts import Facts
from pipeline.inspection.kinds import as_quantity
from pipeline.inspection.transform_trial import (
    _counts,
    _designs,
    _losses,
    _standard_error,
    with_best_transform,
)

ROWS = 8_000


def facts_of(values):
    distinct, codes = np.unique(values, return_inverse=True)
    return Facts("x", codes, [str(value) for value in distinct])


def chosen(values, probs, seed=1, missing=None):
    clicks = (np.random.default_rng(seed).random(len(values)) < probs).astype(float)
    facts = facts_of(values)
    if missing is not None:
        facts = Facts("x", np.where(missing, -1, facts.codes), facts.values)
    rule = as_quantity(facts)
    column = with_best_transform(rule, facts, clicks)
    return rule.settings.get("transform", "zscore"), column


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def normal(seed=2):
    return np.round(np.random.default_rng(seed).normal(50, 9, ROWS), 1)


def test_a_label_that_rises_evenly_with_the_number_keeps_the_z_score():
    values = normal()
    rule, column = chosen(values, sigmoid((values - 50) / 9))
    assert rule == column.settings.get("transform", "zscore") == "zscore"


def test_a_label_that_is_likely_in_the_middle_has_pieces_or_buckets():
    values = normal()
    rule, column = chosen(values, np.where(np.abs(values - 50) < 6, 0.6, 0.2))
    assert rule == "zscore"
    assert column.settings["transform"] in ("piecewise", "quantiles")
    assert column.settings["num_buckets"] == 20
    assert f"as {column.settings['transform']}, " in column.reason
    assert column.reason.endswith("as zscore")


def test_counts_that_are_mostly_zero_have_pieces_that_tell_zero_from_one():
    rng = np.random.default_rng(3)
    values = np.where(rng.random(ROWS) < 0.6, 0, 1 + rng.lognormal(1, 1.5, ROWS).astype(int))
    rule, column = chosen(values, np.where(values == 0, 0.1, 0.45))
    assert rule == "log2"  # whose first bucket holds 0, 1 and 2
    assert column.settings["transform"] in ("piecewise", "quantiles")


def test_numbers_below_zero_are_no_obstacle():
    rng = np.random.default_rng(4)
    values = np.round(rng.normal(size=ROWS) ** 3 * 100).astype(int)
    _, column = chosen(values, sigmoid(np.sign(values) * np.log1p(np.abs(values)) / 2))
    assert column.settings["transform"] in ("log", "piecewise", "quantiles")


def test_what_is_missing_counts_where_the_transform_has_weights_for_it():
    values, missing = normal(), np.random.default_rng(5).random(ROWS) < 0.3
    _, column = chosen(values, np.where(missing, 0.7, 0.3), missing=missing)
    assert column.settings["transform"] in ("piecewise", "quantiles")


@pytest.mark.parametrize("seed", range(6))
def test_noise_changes_nothing(seed):
    values = np.random.default_rng(seed).lognormal(2, 1.5, ROWS).round(2)
    rule, column = chosen(values, np.full(ROWS, 0.3), seed=10 + seed)
    assert column.settings.get("transform", "zscore") == rule


@pytest.mark.parametrize("rows", [900, 2_000])
def test_few_rows_and_few_values_change_nothing(rows):
    values = normal()[:rows] if rows < 1_000 else np.arange(rows) % 7
    rule, column = chosen(values, (values % 3 == 0) * 0.5 + 0.2)
    assert column.settings.get("transform", "zscore") == rule


def test_designs_are_what_the_preprocessing_graph_and_the_networks_make_of_numbers():
    values = np.random.default_rng(6).lognormal(2, 1.5, 400).astype(int)
    facts = facts_of(values)
    designs, numbers = dict(_designs(facts)), facts.numbers
    quantiles = [facts.quantile(share) for share in np.linspace(0, 1, 21)]
    edges = np.unique([numbers.min(), *quantiles, numbers.max()])
    places = tf.cast(piecewise_place(tf.constant(numbers), edges.tolist()), tf.float32)
    encoded = piecewise_linear(tf.concat([places, [-1.0]], 0), len(edges) - 1)
    np.testing.assert_allclose(designs["piecewise"], encoded[:, 1:], atol=1e-5)  # bias is its own
    buckets = log2_bucket(tf.constant(numbers, tf.float32)).numpy()
    found = designs["log2"][:-1].argmax(axis=1)
    np.testing.assert_array_equal(found, buckets - buckets.min())
    rows = numbers[facts.codes]
    logs = np.log1p(rows)
    expected = (np.log1p(numbers) - logs.mean()) / logs.std()
    np.testing.assert_allclose(designs["log"][:-1, 0], expected, atol=1e-9)
    assert designs["zscore"][-1] == designs["log"][-1] == 0.0


def test_losses_of_buckets_are_those_of_their_click_rates():
    rng = np.random.default_rng(7)
    codes, labels = rng.integers(-1, 3, 40_000), (rng.random(40_000) < 0.3).astype(float)
    counts = _counts(codes, labels, 3)
    assert counts[:, 3].sum() == (codes == -1).sum()
    assert counts[1, 0] == labels[codes == 0].sum()
    rates = counts[1] / counts.sum(axis=0)
    found = _losses(np.eye(4), counts)
    np.testing.assert_allclose(found, [-np.log(1 - rates), -np.log(rates)], atol=2e-3)


def test_the_standard_error_is_that_of_the_rows_one_by_one():
    rng = np.random.default_rng(8)
    differences, counts = rng.normal(size=(2, 5)), rng.integers(0, 9, (2, 5))
    rows = np.repeat(differences.ravel(), counts.ravel())
    expected = rows.std() / np.sqrt(len(rows))
    assert _standard_error(differences, counts) == pytest.approx(expected)
