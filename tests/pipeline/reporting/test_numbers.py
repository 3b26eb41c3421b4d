"""The numbers behind a report's pictures: those of the rows, whatever way they are computed."""

import json
from dataclasses import replace

import numpy as np
import pytest

from models.metrics import auc, logloss
from models.network.logit_map import FUSED, LogitMap
from pipeline.batches.dataset import column_arrays
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.sample_outputs import SampleReader
from pipeline.evaluation.scores import sigmoid
from pipeline.reporting.numbers import Asked, report_numbers
from tests.pipeline.evaluation.row_network import RowNetwork

ROWS = {"train": 5, "valid": 300, "test": 240}


@pytest.fixture(scope="module")
def made(make_bundle):
    return make_bundle(rows=ROWS)


@pytest.fixture(scope="module")
def asked(made):
    network = RowNetwork()
    evaluation = evaluate(network, made[0], 64, "impressions")
    return Asked(
        network=network,
        bundle=made[0],
        scores=evaluation.scores,
        before={},
        maps={},
        weight_by="impressions",
        sample_rows=200,
        seconds=600.0,
    )


@pytest.fixture(scope="module")
def numbers(asked):
    return report_numbers(asked)


def test_json_holds_them_and_they_are_the_same_every_time(asked, numbers):
    text = json.dumps(numbers, allow_nan=False)
    assert json.loads(text) == numbers
    assert json.dumps(report_numbers(asked), allow_nan=False) == text


def test_they_say_what_they_were_measured_on(numbers):
    assert (numbers["split"], numbers["rows"], numbers["sampled"]) == ("test", 240, 200)
    assert numbers["notes"] == []
    assert set(numbers["intervals"]) == {"valid", "test"}
    assert set(numbers["intervals"]["test"]) == {FUSED, "up", "down", "bend"}


def test_slices_are_of_the_sampled_rows(made, asked, numbers):
    at = np.linspace(0, 239, 200).astype(int)
    users = made[1]["test"]["user"][at]
    labels, probs = made[1]["test"]["clicked"][at], asked.scores["test"].probs[FUSED][at]
    slices = numbers["slices"]["user"]
    assert slices
    for name, found in slices.items():
        inside = users == int(name.removeprefix("u")) + 2
        assert found["rows"] == inside.sum() >= 30
        assert found["auc"] == pytest.approx(auc(labels[inside], probs[inside]), rel=1e-5)


def test_activity_adds_up_to_all_rows(numbers):
    assert sum(part["rows"] for part in numbers["activity"]) == 240
    assert sum(part["groups"] for part in numbers["activity"]) == 6


def test_importance_is_what_the_network_loses(made, asked, numbers):
    """The network reads nothing but the number of the row."""
    rises = numbers["importance"]["features"]
    assert set(rises) == {"row", "user", "item", "all"}
    assert [name for name, rise in rises.items() if rise != 0.0] == ["row"]
    at = np.linspace(0, 239, 200).astype(int)
    row, labels = made[1]["test"]["row"][at], made[1]["test"]["clicked"][at]
    order = np.random.default_rng(0).permutation(200)
    expected = logloss(labels, sigmoid(row[order] / 8.0)) - logloss(labels, sigmoid(row / 8.0))
    assert rises["row"] == pytest.approx(expected, rel=1e-4)
    assert numbers["importance"]["groups"] == {"pair": 0.0}


def test_best_learned_categories_are_counted_by_branch(made, asked, numbers):
    at = np.linspace(0, 239, 200).astype(int)
    labels, users = made[1]["test"]["clicked"][at], made[1]["test"]["user"][at]
    shares = numbers["categories"]["features"]["user"]
    assert numbers["categories"]["examples"] == 20
    right = {
        name: np.where(labels == 1, probs[at], 1.0 - probs[at])
        for name, probs in asked.scores["test"].probs.items()
    }
    for name in ("up", "down", "bend"):
        best = sorted(range(200), key=lambda row: -right[name][row])[:20]
        for user, share in shares.items():
            count = sum(users[row] == int(user.removeprefix("u")) + 2 for row in best)
            assert share["branches"][name] == pytest.approx(count / 20)


def test_branches_are_seen_in_their_fusion_weights_units_and_plane(numbers):
    row = np.linspace(0, 239, 200).astype(int).astype("float32")
    each = np.stack([row, -2.0 * row, np.sin(row)], axis=1).astype("float64")
    weights = np.exp(each - each.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    for place, name in enumerate(("up", "down", "bend")):
        expected = np.percentile(weights[:, place], [5, 25, 50, 75, 95])
        np.testing.assert_allclose(numbers["fusion_weights"][name], expected, atol=1e-5)
        assert sum(numbers["units"][name]) == pytest.approx(1.0, abs=1e-4)
    assert len(numbers["unit_correlations"]["matrix"]) == 6
    assert numbers["unit_correlations"]["live_units"] == {"up": 2, "down": 2, "bend": 2}
    assert {len(points) for points in numbers["plane"]["points"].values()} == {200}


def test_calibration_stands_beside_an_isotonic_one_or_the_one_before(asked, numbers):
    assert set(numbers["calibration"]) == {"as evaluated", "with isotonic recalibration"}
    probs = asked.scores["test"].probs[FUSED]
    means = [tenth["predicted"] for tenth in numbers["calibration"]["as evaluated"]]
    assert means == pytest.approx([part.mean() for part in np.array_split(np.sort(probs), 10)])
    before = replace(asked, before=asked.scores, seconds=0.0)
    assert set(report_numbers(before)["calibration"]) == {"as evaluated", "before recalibration"}


def test_isotonic_recalibration_says_what_the_rows_say(asked, numbers):
    def error(name):
        tenths = numbers["calibration"][name]
        return sum(abs(tenth["predicted"] - tenth["clicked"]) for tenth in tenths)

    assert error("with isotonic recalibration") < 0.5 * error("as evaluated")


def test_what_there_was_no_time_for_is_named(asked):
    numbers = report_numbers(replace(asked, seconds=0.0))
    assert len(numbers["importance"]["features"]) == 1
    assert "plane" not in numbers
    for said in ("3 of 4 features", "not drawn in two dimensions"):
        assert any(said in note for note in numbers["notes"])


def test_one_branch_and_no_test_rows_have_numbers_too(make_bundle):
    bundle, _ = make_bundle(rows={"train": 5, "valid": 80, "test": 0})
    network = RowNetwork(("up",), has_weights=False)
    evaluation = evaluate(network, make_bundle(rows=ROWS)[0], 64, "impressions")
    scores = {"valid": evaluation.scores["valid"], "test": _none(evaluation.scores["test"])}
    scores["valid"] = replace(scores["valid"], **_first(scores["valid"], 80))
    asked = Asked(network, bundle, scores, {}, {}, "impressions", 50, 600.0)
    numbers = report_numbers(asked)
    assert (numbers["split"], numbers["sampled"]) == ("valid", 50)
    assert set(numbers["calibration"]) == {"as evaluated"}
    assert not {"categories", "units", "plane", "fusion_weights"} & set(numbers)


def test_probabilities_go_through_the_maps(made):
    rows = {"row": np.arange(5.0, dtype="float32")}
    maps = {FUSED: LogitMap(x=(0.0,), y=(1.0,), outer=2.0)}
    found = SampleReader(RowNetwork(), maps).probs(rows)
    np.testing.assert_allclose(found, sigmoid(1.0 + 2.0 * rows["row"] / 8.0), rtol=1e-6)


@pytest.mark.parametrize("layout", ["block", "row"])
def test_some_rows_of_columns_are_those_of_all(make_bundle, layout):
    bundle, arrays = make_bundle(layout, rows={"train": 3, "valid": 101, "test": 2})
    at = np.array([0, 15, 16, 50, 51, 100])
    found = column_arrays(bundle, "valid", ["row", "seen"], at)
    for name in ("row", "seen"):
        np.testing.assert_array_equal(found[name], arrays["valid"][name][at])


def _first(scores, count):
    return {
        "labels": scores.labels[:count],
        "probs": {name: probs[:count] for name, probs in scores.probs.items()},
        "groups": scores.groups[:count],
    }


def _none(scores):
    return replace(scores, **_first(scores, 0))
