"""A comparison: what is finished is kept, what cannot be fitted is named, and all is written."""

import json
from dataclasses import replace

import numpy as np
import pytest

from features.errors import ConfigError, UserError
from features.inputs import InputSpec
from pipeline.comparison import compare as module
from pipeline.comparison.candidates import Task, check_networks, fit_candidate
from pipeline.comparison.kept_results import KeptResults, Result
from pipeline.comparison.tree_columns import tree_columns
from pipeline.comparison.tree_models import Fitted, fit_trees, missing
from pipeline.evaluation.decile_calibration import decile_calibration
from pipeline.evaluation.feature_importance import permutation_importance
from pipeline.evaluation.split_rows import SplitRows, split_rows
from tests.pipeline.export.test_export_variant import CONFIG

SPECS = [
    InputSpec("number", "numeric"),
    InputSpec("token", "categorical", "token", 5),
    InputSpec("seen", "multivalued", "token", 5, length=3),
]


@pytest.fixture(scope="module")
def bundle(make_bundle):
    return make_bundle(rows={"train": 200, "valid": 120, "test": 150})[0]


def plain_rows(count=600, seed=1):
    """Clicks depend on the number, a little on the token, and not on what was seen."""
    rng = np.random.default_rng(seed)
    number = rng.normal(size=count).astype("float32")
    token = rng.integers(1, 5, count).astype("int32")
    seen = rng.integers(0, 5, (count, 3)).astype("int32")
    chance = 1.0 / (1.0 + np.exp(-2.0 * number - 0.5 * (token > 2)))
    labels = (rng.random(count) < chance).astype("float64")
    return SplitRows({"number": number, "token": token, "seen": seen}, labels)


def test_rows_are_those_of_the_bundle(make_bundle):
    bundle, arrays = make_bundle(rows={"train": 20, "valid": 33, "test": 5})
    rows = split_rows(bundle, "valid")
    np.testing.assert_array_equal(rows.labels, arrays["valid"]["clicked"])
    assert set(rows.inputs) == {spec.name for spec in bundle.metadata.model_inputs()}
    for name, values in rows.inputs.items():
        np.testing.assert_array_equal(values, arrays["valid"][name])


def test_trees_read_a_lists_first_token_and_its_length():
    inputs = {
        "number": np.array([0.5, 1.5]),
        "token": np.array([3, 0]),
        "seen": np.array([[2, 4, 0], [0, 0, 0]]),
    }
    values, names, tokens = tree_columns(inputs, SPECS)
    assert names == ["number", "token", "seen (first)", "seen (length)"]
    np.testing.assert_array_equal(values, [[0.5, 3.0, 2.0, 2.0], [1.5, 0.0, 0.0, 0.0]])
    assert tokens == [1, 2]


@pytest.mark.parametrize("model", ["LightGBM", "CatBoost"])
def test_trees_learn_what_is_there_and_stop_at_their_time(model):
    pytest.importorskip(model.lower(), reason="an extra: pip install 'concord-ctr[compare]'")
    train, valid = plain_rows(), plain_rows(seed=2)
    probs = fit_trees(model, SPECS, train, valid, seconds=60.0).predict(valid.inputs)
    assert np.corrcoef(probs, valid.labels)[0, 1] > 0.5
    short = fit_trees(model, SPECS, train, valid, seconds=0.0)
    assert short.cut
    assert np.std(short.predict(valid.inputs)) < np.std(probs)


def test_a_package_that_is_missing_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install catboost" in missing("CatBoost")
    with pytest.raises(UserError, match="LightGBM is left out: it is not installed"):
        fit_trees("LightGBM", SPECS, plain_rows(9), plain_rows(9), 1.0)


def test_importance_is_the_rise_of_the_logloss_and_none_for_what_is_not_read():
    rows = plain_rows(2_000)

    def predict(inputs):
        return 1.0 / (1.0 + np.exp(-2.0 * inputs["number"] - 0.5 * (inputs["token"] > 2)))

    found = permutation_importance(predict, rows, SPECS)
    assert list(found)[:2] == ["number", "token"]
    assert found["number"] > 10.0 * found["token"] > 0.0
    assert found["seen"] == 0.0
    assert len(permutation_importance(predict, rows, SPECS, seconds=-1.0)) == 1


def test_the_features_of_a_history_change_places_together():
    specs = [InputSpec(name, "sequence", "token", 5, 3, history="past") for name in ("a", "b")]
    rng = np.random.default_rng(1)
    a = rng.integers(0, 5, (300, 3))
    rows = SplitRows({"a": a, "b": a.copy()}, rng.integers(0, 2, 300).astype("float64"))
    aligned = []

    def predict(inputs):
        aligned.append((inputs["a"] == inputs["b"]).all())
        return np.full(300, 0.5)

    assert list(permutation_importance(predict, rows, specs)) == ["past"]
    assert aligned == [True, True]


def test_deciles_add_up_to_all_rows():
    rng = np.random.default_rng(1)
    probs = rng.random(1_003)
    labels = (rng.random(1_003) < 0.5 * probs).astype("float64")
    deciles = decile_calibration(labels, probs, np.ones(1_003))
    assert [each["predicted"] for each in deciles] == sorted(each["predicted"] for each in deciles)
    ratios = [each["predicted"] / each["clicked"] for each in deciles[3:]]
    assert np.mean(ratios) == pytest.approx(2.0, rel=0.1)
    assert len(decile_calibration(labels[:4], probs[:4], np.ones(4))) == 4


def test_a_result_of_other_settings_is_none(tmp_path):
    kept = KeptResults(tmp_path)
    kept.save(Result("a/b c", 1.5, {"x": 0.1}, True, np.ones(3)), "key")
    found = kept.load("a/b c", "key")
    assert (found.model, found.seconds, found.cut) == ("a/b c", 1.5, True)
    assert found.importance == {"x": 0.1}
    np.testing.assert_array_equal(found.test, np.ones(3))
    assert kept.load("a/b c", "other") is None
    assert kept.load("other", "key") is None


@pytest.mark.parametrize("ending", [".json", ".npz"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"PK\x03\x04", b"\x93NUMPY"])
def test_a_result_that_is_damaged_is_none(tmp_path, ending, content):
    kept = KeptResults(tmp_path)
    kept.save(Result("a", 1.5, {}, False, np.ones(3)), "key")
    (tmp_path / f"a{ending}").write_bytes(content)
    assert kept.load("a", "key") is None


def test_is_written_kept_and_continued(bundle, tmp_path, monkeypatch):
    labels = split_rows(bundle, "test").labels
    rng = np.random.default_rng(4)
    fitted, broken = [], ["dcnv2"]

    def fit(name, task, seconds, again):
        fitted.append((name, seconds, again))
        if name in broken:
            raise KeyboardInterrupt
        if name == "mbcnet":
            raise UserError("it does not fit.")
        noise = 0.2 if name == "logistic regression" else 0.01

        def predict(inputs):
            known = (
                labels if len(inputs["row"]) == len(labels) else np.full(len(inputs["row"]), 0.5)
            )
            return np.clip(0.2 + 0.5 * known + rng.normal(0, noise, len(known)), 0.01, 0.99)

        return Fitted(predict, cut=name == "dcnv2")

    monkeypatch.setattr(module, "fit_candidate", fit)
    monkeypatch.setattr(module, "missing", lambda name: f"{name} is left out: not here")

    def compare(seconds=60.0):
        presets = ("dcnv2", "mbcnet")
        return module.compare(lambda preset: CONFIG, bundle, tmp_path, seconds, presets)

    with pytest.raises(KeyboardInterrupt):
        compare()
    assert not (tmp_path / "compare.json").exists()
    broken.clear()
    report = compare()
    assert [name for name, *_ in fitted] == ["logistic regression", "dcnv2", "dcnv2", "mbcnet"]
    assert fitted[0][1] == pytest.approx(0.8 * 60.0 / 3, rel=0.1)  # of its third, what fitting gets
    assert fitted[2][1] == pytest.approx(0.8 * 60.0 / 2, rel=0.1)  # the first was kept
    assert report == json.loads((tmp_path / "compare.json").read_text(), object_hook=tuples)
    assert (report["use"], report["best"]) == ("dcnv2", "dcnv2")
    assert report["to_best"]["logistic regression"]["auc_less_logloss"][2] < 0.0
    assert report["notes"][2] == "mbcnet is left out: it does not fit"
    assert report["notes"][3].startswith("dcnv2 was ended by the clock after 0 s and may be better")
    page = (tmp_path / "compare.html").read_text()
    assert "Use dcnv2: AUC" in page
    assert "mbcnet is left out: it does not fit." in page.replace("Mbcnet", "mbcnet")
    assert "http" not in page
    fitted.clear()
    compare()  # what was cut, with time for more; mbcnet never fits
    assert [(name, again) for name, _, again in fitted] == [("dcnv2", True), ("mbcnet", False)]
    fitted.clear()
    compare(seconds=0.0)
    assert [name for name, *_ in fitted] == ["mbcnet"]


def tuples(mapping):
    """JSON has lists where Python has the tuples of intervals."""
    return {
        key: tuple(x)
        if isinstance(x, list) and key in ("auc", "logloss", "auc_less_logloss")
        else x
        for key, x in mapping.items()
    }


def test_logistic_regression_is_corrected_for_dropped_negatives(bundle):
    thinned = replace(bundle, metadata=bundle.metadata.model_copy(update={"negatives_kept": 0.1}))
    rows = split_rows(bundle, "valid")
    plain, corrected = (
        fit_candidate("logistic regression", Task(each, rows, rows, None, None), 1.0).predict(
            rows.inputs
        )
        for each in (bundle, thinned)
    )
    np.testing.assert_allclose(corrected, plain / (plain + (1.0 - plain) / 0.1), rtol=1e-9)


@pytest.mark.parametrize("networks", [[], ["LightGBM"]])
def test_refuses_networks_that_are_none(networks):
    with pytest.raises(ConfigError, match="--networks takes presets"):
        check_networks(networks)
