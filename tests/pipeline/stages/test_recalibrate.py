"""A recalibration is fitted by the evaluation, held in the run, and part of what is exported."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from features.bundle import METADATA
from features.errors import ConfigError
from features.raw import coerce
from models.network.logit_map import FUSED, LogitMap, with_maps
from models.spec.build_network import build_network
from pipeline.batches.dataset import examples
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.scores import score_split
from pipeline.runs.run_dir import RunDir
from pipeline.stages.recalibrate import held_maps, recalibrate
from serving.exporting.export import expected_scores, export
from serving.exporting.signatures import probabilities
from serving.variants.openvino_ir import IrModel, ir_inputs, write_ir
from tests.pipeline.conftest import FEATURES
from tests.pipeline.evaluation.row_network import PredictingNetwork
from tests.pipeline.export.test_export_variant import CONFIG, ROWS

KEPT = 0.2


def config(method):
    return CONFIG.model_copy(
        update={"train": CONFIG.train.model_copy(update={"recalibration": method})}
    )


@pytest.fixture(scope="module")
def thinned(make_bundle):
    """A bundle, as if four of five negatives had been left out of its log."""
    bundle, _ = make_bundle(rows={"train": 20, "valid": 300, "test": 200})
    return replace(bundle, metadata=bundle.metadata.model_copy(update={"negatives_kept": KEPT}))


@pytest.fixture
def begun(tmp_path, thinned):
    """A run that was just begun, by its method."""

    def begin(method):
        run = RunDir(tmp_path / "run")
        run.begin(config(method), thinned)
        # The bundle's file does not say what its object does.
        (run.bundle_copy / METADATA).write_text(thinned.metadata.model_dump_json())
        return run

    return begin


def network_of_rows():
    network = PredictingNetwork()
    network.compile()
    return network


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_is_held_and_makes_the_whole_logs_clicks_add_up(method, thinned, begun):
    run, network = begun(method), network_of_rows()
    with pytest.raises(ConfigError, match="Evaluate it first: python -m pipeline evaluate"):
        held_maps(run, network.branch_names)
    maps = recalibrate(config(method), thinned, run, network)
    assert held_maps(run, network.branch_names) == maps
    whole = run.recalibration_file.read_text()
    run.recalibration_file.write_text(whole[:20])
    with pytest.raises(ConfigError, match=r"recalibration\.json is damaged: "):
        held_maps(run, network.branch_names)
    run.recalibration_file.write_text(whole)
    assert set(maps) == {FUSED, *network.branch_names}
    report = evaluate(network, thinned, 16, "clicks", maps, {}).report["valid"]
    labels = score_split(network, thinned, "valid", 16).labels
    positives, negatives = labels.sum(), (1.0 - labels).sum()
    assert report["click_rate"] == pytest.approx(positives / (positives + negatives / KEPT))
    for scores in report["metrics"].values():
        assert scores["calibration"] == pytest.approx(1.0, abs=1e-4)
        assert scores["normalized_entropy"] < 1.01  # of logits that say nothing of the labels
    before = report["before_recalibration"]
    assert before[FUSED]["logloss"] > report["metrics"][FUSED]["logloss"]
    assert before[FUSED]["auc"] == pytest.approx(report["metrics"][FUSED]["auc"], abs=1e-3)
    run.begin(config(method), thinned)
    assert not run.recalibration_file.exists()


def test_without_one_probabilities_are_corrected_and_metrics_are_those_of_the_whole_log(
    thinned, begun
):
    run, network = begun(None), network_of_rows()
    maps = recalibrate(config(None), thinned, run, network)
    assert held_maps(run, network.branch_names) == maps
    assert not run.recalibration_file.exists()
    plain = score_split(network, thinned, "test", 16)
    p = plain.probs[FUSED]
    corrected = p / (p + (1.0 - p) / KEPT)  # He et al. 2014, section 6.3
    scores = score_split(network, thinned, "test", 16, maps=maps)
    np.testing.assert_allclose(scores.probs[FUSED], corrected, rtol=1e-5)
    found = scores.metrics("impressions")[FUSED]
    # Each negative stands for 1 / KEPT of them: as if it were written so often.
    times = np.where(plain.labels > 0.5, 1, round(1 / KEPT))
    labels, probs = np.repeat(plain.labels, times), np.repeat(corrected, times)
    losses = -np.log(np.where(labels > 0.5, probs, 1.0 - probs))
    rate = labels.mean()
    entropy = -rate * np.log(rate) - (1.0 - rate) * np.log(1.0 - rate)
    assert found["logloss"] == pytest.approx(losses.mean(), rel=1e-5)
    assert found["normalized_entropy"] == pytest.approx(losses.mean() / entropy, rel=1e-5)
    assert found["calibration"] == pytest.approx(probs.sum() / labels.sum(), rel=1e-5)
    assert found["auc"] == plain.metrics("impressions")[FUSED]["auc"]


def test_one_class_is_told_and_leaves_the_correction(thinned, begun, caplog, monkeypatch):
    monkeypatch.setattr("pipeline.stages.recalibrate.fit_maps", lambda *args: {})
    run, network = begun("platt"), network_of_rows()
    maps = recalibrate(config("platt"), thinned, run, network)
    assert maps[FUSED].y == (pytest.approx(np.log(KEPT)),)
    assert held_maps(run, network.branch_names) == maps
    assert "validation rows are all of one class" in caplog.text
    assert json.loads(run.recalibration_file.read_text())["maps"] == {}


def test_a_damaged_file_is_a_sentence(thinned, begun):
    run = begun("platt")
    run.recalibration_file.write_text('{"method": "platt", "rows": 3, "maps": {"fused": {}}}')
    with pytest.raises(ConfigError, match=r"recalibration.json: maps.fused.x is required"):
        held_maps(run, ())


def test_every_signature_of_an_export_answers_with_mapped_probabilities(random_bundle, tmp_path):
    """The fresh process compares all of them with the mapped network."""
    network = build_network(CONFIG.model, random_bundle.metadata.model_inputs(), CONFIG.groups)
    batch = pa.RecordBatch.from_pylist(ROWS, schema=FEATURES.raw_schema(("input",)))
    sample = coerce(batch, FEATURES, roles=("input",))[0]
    plain = expected_scores(network, random_bundle, sample)
    logits = {name: np.log(p / (1.0 - p)) for name, p in plain.items() if name.startswith("prob")}
    maps = {
        FUSED: LogitMap(x=(-0.1, 0.0, 0.2), y=(-3.0, -2.9, 1.0)),
        "deep": LogitMap(x=(0.0,), y=(-1.0,), outer=2.0),
    }
    version = export(with_maps(network, maps), random_bundle, tmp_path, sample, candidates=["item"])
    loaded = tf.saved_model.load(str(version))
    inputs = {
        "row": tf.constant([3.0, -1.0, np.nan]),
        "user": tf.constant(["u1", "u5", ""]),
        "item": tf.constant(["i4", "unknown", ""]),
        "seen": tf.constant([["i1", "i9"], ["", ""], ["", ""]]),
    }
    received = loaded.signatures["raw_tensors"](**inputs)["prob"].numpy()
    expected = tf.sigmoid(maps[FUSED](logits["prob"])).numpy()
    np.testing.assert_allclose(received, expected, atol=1e-5)
    assert np.abs(received - plain["prob"]).max() > 0.1
    branches = expected_scores(with_maps(network, maps), random_bundle, sample)
    deep = tf.sigmoid(2.0 * logits["prob_deep"] - 1.0)
    np.testing.assert_allclose(branches["prob_deep"], deep, atol=1e-5)
    np.testing.assert_allclose(branches["prob_efgc"], plain["prob_efgc"], atol=1e-6)


def test_openvino_has_the_operations_of_a_map(random_bundle, tmp_path):
    pytest.importorskip("openvino", reason="exports of that format are optional")
    inputs = random_bundle.metadata.model_inputs()
    network = build_network(CONFIG.model, inputs, CONFIG.groups)
    maps = {FUSED: LogitMap(x=(-0.1, 0.0, 0.2), y=(-3.0, -2.9, 1.0), outer=0.5)}
    mapped = with_maps(network, maps)
    write_ir(mapped, inputs, random_bundle, tmp_path)
    features = next(iter(examples(random_bundle, "valid", 50)))[0]
    received = IrModel(tmp_path).score(ir_inputs(features))
    np.testing.assert_allclose(received, probabilities(mapped, features)["prob"], atol=1e-5)
