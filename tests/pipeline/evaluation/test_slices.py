"""Slices: every row is where its raw value belongs, and a slice's metrics are its rows' own."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from features.analysis import Analysis, NumericSummary
from features.inputs import InputSpec, model_inputs
from features.specs import FeatureSet
from models.metrics import auc, calibration, logloss, normalized_entropy
from pipeline.evaluation.slices import feature_slices, slice_metrics, token_members
from pipeline.evaluation.value_names import id_names, raw_numbers

FEATURES = FeatureSet(
    features={
        "clicked": {"kind": "numeric", "role": "label"},
        "city": {"kind": "categorical", "num_oov_buckets": 2},
        "tags": {"kind": "multivalued", "vocabulary": "tag", "max_length": 3, "separator": "|"},
        "past": {"kind": "sequence", "vocabulary": "tag", "max_length": 4, "separator": "|"},
        "price": {"kind": "numeric"},
        "income": {"kind": "numeric", "transform": "log"},
        "rank": {"kind": "numeric", "transform": "piecewise", "num_buckets": 3},
        "age": {"kind": "numeric", "transform": "quantiles", "num_buckets": 3},
        "day": {"kind": "categorical", "transform": "weekday", "unit": "s", "column": "time"},
        "vector": {"kind": "embedding", "dimension": 2, "separator": ","},
    }
)
NUMERIC = {
    "price": NumericSummary(count=9, mean=10.0, variance=4.0),
    "income": NumericSummary(count=9, mean=1.0, variance=0.25),
    "rank": NumericSummary(count=9, minimum=0.0, maximum=8.0, boundaries=(2.0, 4.0)),
    "age": NumericSummary(count=9, boundaries=(20.0, 40.0)),
}
ANALYSIS = Analysis(vocabulary_sizes={"city": 12, "tag": 3}, numeric=NUMERIC)
SPECS = {spec.name: spec for spec in model_inputs(FEATURES, ANALYSIS)}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vocabularies")
    (folder / "city.txt").write_text("".join(f"town {k}\n" for k in range(12)))
    (folder / "tag.txt").write_text("red\ngreen\n<b>\n")
    metadata = SimpleNamespace(features=FEATURES, analysis=ANALYSIS)
    return SimpleNamespace(metadata=metadata, vocabulary_dir=str(folder))


def test_ids_have_the_names_of_their_tokens_and_buckets(bundle):
    cities = id_names(bundle, SPECS["city"], [14, 3, 2, 0, 1])
    assert [*cities.items()] == [
        (0, "missing"),
        (1, "unknown"),
        (2, "unknown"),
        (3, "town 0"),
        (14, "town 11"),
    ]
    assert SPECS["city"].vocabulary_size == 15
    ages = id_names(bundle, SPECS["age"], range(SPECS["age"].vocabulary_size))
    assert [*ages.values()] == ["missing", "below 20", "20 to 40", "40 and more"]
    assert id_names(bundle, SPECS["day"], [1, 2]) == {1: "Monday", 2: "Tuesday"}


def test_numbers_are_as_before_their_transform(bundle):
    seen = np.array([-1.0, 0.0, 2.0], "float32")
    np.testing.assert_allclose(raw_numbers(bundle, SPECS["price"], seen), [8.0, 10.0, 14.0])
    logs = np.array([0.5, 1.0, 2.0])
    expected = np.exp(logs) - 1.0
    np.testing.assert_allclose(raw_numbers(bundle, SPECS["income"], seen), expected, rtol=1e-6)
    places = np.array([-1.0, 0.0, 0.5, 1.0], "float32")
    edges = NUMERIC["rank"].edges
    middle = np.interp(0.5, np.linspace(0.0, 1.0, len(edges)), edges)
    found = raw_numbers(bundle, SPECS["rank"], places)
    np.testing.assert_allclose(found, [np.nan, edges[0], middle, edges[-1]])


def test_the_most_frequent_tokens_stand_alone_and_no_row_is_lost(bundle):
    ids = np.random.default_rng(1).choice(15, 400, p=np.arange(1, 16) / 120.0).astype("int32")
    slices = feature_slices(bundle, SPECS["city"], ids, most=4)
    alone = [name for name in slices if name.startswith("town")]
    counts = {f"town {k}": int((ids == k + 3).sum()) for k in range(12)}
    assert sorted(alone) == sorted(sorted(counts, key=lambda name: -counts[name])[:4])
    for name in alone:
        np.testing.assert_array_equal(slices[name], ids == int(name.split()[1]) + 3)
    assert slices["unknown"].sum() == ((ids == 1) | (ids == 2)).sum()
    assert slices["missing"].sum() == (ids == 0).sum()
    assert "all others (8)" in slices
    np.testing.assert_array_equal(np.sum([*slices.values()], axis=0), np.ones(400))


def test_a_row_of_several_tokens_is_in_several_slices(bundle):
    ids = np.array([[2, 3, 0], [0, 0, 0], [3, 0, 0], [1, 4, 2]])
    slices = feature_slices(bundle, SPECS["tags"], ids)
    found = {name: np.flatnonzero(inside).tolist() for name, inside in slices.items()}
    assert found == {"red": [0, 3], "green": [0, 2], "<b>": [3], "unknown": [3], "missing": [1]}
    members = token_members(bundle, SPECS["tags"], ids)
    assert {name: np.flatnonzero(rows).tolist() for name, rows in members.items()} == found


def test_buckets_stay_in_their_order(bundle):
    ids = np.array([3, 3, 3, 1, 2, 2])
    assert [*feature_slices(bundle, SPECS["age"], ids)] == ["below 20", "20 to 40", "40 and more"]


def test_numbers_are_cut_into_fifths_and_histories_by_length(bundle):
    values = ((np.arange(100.0) - 10.0) / 2.0).astype("float32")  # prices of 0 to 99
    slices = feature_slices(bundle, SPECS["price"], values)
    assert [*slices] == ["0 to 20", "21 to 40", "41 to 60", "61 to 80", "81 to 99"]
    assert [int(inside.sum()) for inside in slices.values()] == [21, 20, 20, 20, 19]
    past = np.array([[0, 0, 0, 0], *[[2, 0, 0, 0]] * 9, *[[2, 3, 0, 0]] * 9, *[[2, 3, 4, 2]] * 9])
    slices = feature_slices(bundle, SPECS["past"], past)
    assert set(slices) == {"length 1", "length 2", "length 4", "empty"}
    assert np.flatnonzero(slices["empty"]).tolist() == [0]
    assert np.flatnonzero(slices["length 2"]).tolist() == [*range(10, 19)]
    places = np.array([-1.0, 0.25, 0.5], "float32")
    assert "missing" in feature_slices(bundle, SPECS["rank"], places)
    assert feature_slices(bundle, InputSpec("vector", "dense", dimension=2), np.ones((3, 2))) == {}


def test_metrics_of_a_slice_are_those_of_its_rows():
    rng = np.random.default_rng(1)
    labels, probs = rng.integers(0, 2, 60).astype("float64"), rng.random(60)
    inside = rng.random(60) < 0.4
    found = slice_metrics(labels, probs, np.ones(60), inside)
    own = labels[inside], probs[inside]
    assert found == pytest.approx(
        {
            "rows": int(inside.sum()),
            "click_rate": own[0].mean(),
            "auc": auc(*own),
            "logloss": logloss(*own),
            "normalized_entropy": normalized_entropy(*own),
            "calibration": calibration(*own),
        }
    )
    clicks = slice_metrics(np.ones(3), np.full(3, 0.5), np.ones(3), np.ones(3, bool))
    assert clicks["auc"] is None
    json.dumps(clicks, allow_nan=False)
