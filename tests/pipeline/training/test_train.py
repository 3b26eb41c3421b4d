"""The training job: the best epoch, one result for one seed, and what divergence leaves."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from features.bundle import open_bundle
from features.errors import ConfigError, TrainingError
from models.spec.network_config import NetworkConfig
from pipeline.batches.dataset import column_arrays
from pipeline.config.run_config import RunConfig
from pipeline.evaluation.scores import predict_split, score_split
from pipeline.runs.run_dir import RunDir
from pipeline.stages.teachers import check_teacher_runs, load_teachers
from pipeline.training.monitor import Patience
from pipeline.training.step_curves import read_curves
from pipeline.training.train import load_network, train


def configured(bundle, **settings) -> RunConfig:
    """A small MBCnet for the random bundle."""
    features = bundle.metadata.features
    return RunConfig.model_validate(
        {
            "data": {"source": "movielens_100k"},
            "features": {
                name: spec.model_dump(exclude_defaults=True)
                for name, spec in features.features.items()
                if name != "row"  # a column that tells rows apart is no input
            },
            "groups": features.groups,
            "histories": {"all": {"key": "user"}},
            "model": {
                "embedding": {"embedding_dim": 4, "stddev": 0.1},
                "branches": {
                    "efgc": {"units": [8], "output_units": 8},
                    "deep": {"units": [8]},
                },
                "alignment": {"type": "shared_mlp", "units": [8]},
            },
            "train": {"batch_size": 64, "epochs": 4, "learning_rate": 0.02, **settings},
        }
    )


@pytest.fixture(scope="module")
def bundle(make_bundle):
    return make_bundle(rows={"train": 1000, "valid": 300, "test": 0}, block_rows=128)[0]


@pytest.fixture
def run(tmp_path):
    return RunDir(tmp_path / "run")


@pytest.fixture(scope="module")
def trained(bundle, tmp_path_factory):
    run = RunDir(tmp_path_factory.mktemp("runs") / "first")
    config = configured(bundle)
    run.begin(config, bundle)
    return config, run, train(config, bundle, run)


def test_two_runs_of_one_seed_are_equal(bundle, trained, run):
    config, _, first = trained
    run.begin(config, bundle)
    second = train(config, bundle, run)
    assert second.history == first.history
    for a, b in zip(first.network.weights, second.network.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.name)


def test_another_seed_gives_another_result(bundle, trained, run):
    config = configured(bundle, seed=1, epochs=1)
    run.begin(config, bundle)
    assert train(config, bundle, run).history["loss"][0] != trained[2].history["loss"][0]


def test_the_weights_are_those_of_the_best_epoch(bundle, trained):
    config, run, first = trained
    aucs, loglosses = (first.history[f"val_{name}"] for name in ("auc", "logloss"))
    monitored = np.subtract(aucs, loglosses)
    assert monitored[first.best_epoch - 1] == monitored.max()
    metrics = score_split(first.network, bundle, "valid", 64).training_metrics()
    assert metrics["auc"] - metrics["logloss"] == pytest.approx(monitored.max(), abs=1e-12)
    restored = score_split(load_network(config, bundle, run), bundle, "valid", 64)
    assert restored.training_metrics() == metrics


def test_training_ends_when_its_time_is_over_with_what_it_has(bundle, run):
    config = configured(bundle, epochs=5, max_seconds=1e-3)
    run.begin(config, bundle)
    result = train(config, bundle, run)
    assert len(result.history["loss"]) == result.best_epoch == 1
    assert result.cut_after == 1e-3
    metrics = score_split(load_network(config, bundle, run), bundle, "valid", 64).training_metrics()
    assert metrics["auc"] == result.history["val_auc"][0]
    with pytest.raises(ValueError, match=r"train.max_seconds is for train.strategy=mirrored"):
        configured(bundle, max_seconds=1.0, strategy="multi_worker")


def test_training_stops_when_validation_stops_rising(bundle, run, monkeypatch):
    values = iter([0.6, 0.7, 0.65, 0.69, 0.8, 0.9])
    monkeypatch.setattr(
        "pipeline.evaluation.scores.Scores.training_metrics",
        lambda self: {"auc": next(values), "logloss": 0.5},
    )
    config = configured(bundle, epochs=6, patience=2)
    run.begin(config, bundle)
    result = train(config, bundle, run)
    assert result.history["val_auc"] == [0.6, 0.7, 0.65, 0.69]
    assert result.best_epoch == 2


def test_a_little_auc_does_not_buy_much_logloss(bundle, run, monkeypatch):
    values = iter([(0.7, 0.5), (0.7009, 0.52), (0.69, 0.52)] * 2)
    monkeypatch.setattr(
        "pipeline.evaluation.scores.Scores.training_metrics",
        lambda self: dict(zip(("auc", "logloss"), next(values), strict=True)),
    )
    best = {}
    for monitor in ({"auc": 1.0, "logloss": 1.0}, "auc"):
        config = configured(bundle, epochs=3, monitor=monitor)
        run.begin(config, bundle, overwrite=True)
        best[str(monitor)] = train(config, bundle, run).best_epoch
    assert list(best.values()) == [1, 2]


def test_gauc_is_monitored_where_it_is_asked_for(bundle, run):
    config = configured(bundle, epochs=1, monitor="gauc")
    run.begin(config, bundle)
    result = train(config, bundle, run)
    gauc = score_split(result.network, bundle, "valid", 64).metrics("impressions")["fused"]["gauc"]
    assert result.history["val_monitored"] == [pytest.approx(gauc, abs=1e-12)]


def test_divergence_is_refused_and_the_last_good_checkpoint_kept(bundle, run, monkeypatch):
    """A weight breaks when the checkpoints of the first epoch are written."""

    def break_a_weight(callback, epoch, logs=None):
        kernel = callback.model.trainable_variables[-1]
        kernel.assign(tf.fill(kernel.shape, float("nan")))

    monkeypatch.setattr(Patience, "on_epoch_end", break_a_weight)
    config = configured(bundle)
    run.begin(config, bundle)
    with pytest.raises(
        TrainingError, match=r"became nan or infinite at step 17 .*Last good checkpoint: .*last"
    ):
        train(config, bundle, run)
    network = load_network(config, bundle, run)
    assert all(np.isfinite(weight.numpy()).all() for weight in network.weights)


def test_a_network_that_learns_nothing_is_named_and_not_kept(bundle, run, monkeypatch):
    def dead(*arguments):
        return {name: 0.0 * values for name, values in predict_split(*arguments).items()}

    monkeypatch.setattr("pipeline.training.callbacks.predict_split", dead)
    config = configured(bundle)
    run.begin(config, bundle)
    with pytest.raises(
        TrainingError, match=r"same of every validation row after epoch 1: .* efgc 8, deep 8\)"
    ) as raised:
        train(config, bundle, run)
    assert not Path(f"{run.best_checkpoint}.index").exists()
    run.note_failure(str(raised.value))
    with pytest.raises(ConfigError, match=r"did not end: the network says the same .*Train it aga"):
        run.check_trained()


def test_curves_by_step_hold_every_example_once(bundle, trained):
    _, run, result = trained
    lines = read_curves(run.curves_file)
    epochs = len(result.history["loss"])
    assert [line["step"] for line in lines] == [16 * epoch for epoch in range(1, epochs + 1)]
    assert lines[-1]["examples"] == epochs * 1000
    labels = column_arrays(bundle, "train", ["clicked"])["clicked"]
    for line in lines:
        assert line["click_rate"] == pytest.approx(labels.mean(), rel=1e-5)
    # The first window is the whole first epoch, each batch before its update.
    mean_over_steps = result.history["logloss"][0]  # the last batch of 40 rows counts as the others
    assert lines[0]["logloss"] == pytest.approx(mean_over_steps, rel=0.1)


def test_history_shows_whether_the_branches_live_and_agree(trained):
    history = trained[2].history
    for name in ("val_dead_units_efgc", "val_saturated_units_deep", "co_teaching_share"):
        assert len(history[name]) == len(history["loss"])
    assert min(history["val_correlation_efgc_deep"]) >= -1.0
    assert max(history["val_correlation_efgc_deep"]) <= 1.0
    assert history["moderate_differentiation_from_start_efgc_deep"][-1] > 0.0
    summary = trained[2].summary()
    assert "co_teaching_gap" in summary["beside_terms"]
    assert "co_teaching" not in summary["beside_terms"]


def test_the_click_rate_of_the_training_rows_is_what_prior_thresholds_take(bundle, run):
    config = configured(bundle, epochs=1, gradient_norms=True)
    content = config.model.model_dump(mode="json")
    content["cooperation"]["co_teaching"]["threshold"] = "prior"
    model = NetworkConfig.model_validate(content)
    config = config.model_copy(update={"model": model})
    statistics = Path(bundle.path) / "statistics.json"
    statistics.write_text('{"splits": {"train": {"label_rate": 0.34}}}')
    try:
        run.begin(config, bundle)
        result = train(config, bundle, run)
        assert result.network.base_rate == 0.34
        assert result.history["co_teaching_share"][0] > 0.0
        assert result.history["gradient_norm_main"][0] > 0.0
        assert "gradient_norm_moderate_differentiation" in result.summary()["beside_terms"]
        vars(bundle).pop("statistics")
        statistics.write_text('{"splits": {"train": {"label_rate": 1.0}}}')
        with pytest.raises(ConfigError, match=r"cooperation.co_teaching.*between 0 and 1.*: 1 in"):
            train(config, bundle, run)
    finally:
        statistics.unlink()
        vars(bundle).pop("statistics", None)


def test_refuses_to_load_what_was_never_trained(bundle, run):
    config = configured(bundle)
    run.begin(config, bundle)
    with pytest.raises(ConfigError, match=r"has no checkpoint at .*it has no index.*--restart"):
        load_network(config, bundle, run)


def test_bfloat16_trains_and_keeps_weights_in_float32(bundle, run):
    config = configured(bundle, precision="bfloat16", epochs=2)
    run.begin(config, bundle)
    try:
        result = train(config, bundle, run)
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")
    assert all(weight.dtype == tf.float32 for weight in result.network.trainable_weights)
    assert np.isfinite(result.history["loss"]).all()
    assert Path(f"{run.best_checkpoint}.index").exists()


STUDENT = {
    "branches": {"deep": {"units": [8]}},
    "heads": "fused",
    "alignment": "none",
    "cooperation": {"ensemble_distillation": {"weight": 1.0}},
}


def student_of(teacher: Path, config: RunConfig) -> RunConfig:
    content = config.model_dump(mode="json", exclude={"features"})
    content["features"] = {
        name: spec.model_dump(mode="json", exclude_defaults=True)
        for name, spec in config.features.items()
    }
    content["model"] = {"embedding": content["model"]["embedding"], **STUDENT}
    content["train"] = {**content["train"], "teachers": [str(teacher)], "epochs": 1}
    return RunConfig.model_validate(content)


def test_a_network_learns_from_a_finished_run(bundle, trained, run):
    config, teacher, _ = trained
    teacher.finish("train")
    config = student_of(teacher.path, config)
    run.begin(config, bundle)
    student = train(config, bundle, run, load_teachers(config, bundle))
    assert student.history["ensemble_distillation"][0] > 0.0
    loaded = load_network(config, bundle, run)  # needs no teacher
    for received, expected in zip(
        score_split(loaded, bundle, "valid", 64).probs.values(),
        score_split(student.network, bundle, "valid", 64).probs.values(),
        strict=True,
    ):
        np.testing.assert_array_equal(received, expected)


def test_a_teacher_of_another_bundle_is_refused(trained, make_bundle):
    config, teacher, _ = trained
    teacher.finish("train")
    other = make_bundle(rows={"train": 100, "valid": 30, "test": 0})[0]
    Path(other.path, "MANIFEST.json").write_text(
        Path(other.path, "MANIFEST.json").read_text().replace('"random"', '"another"')
    )
    with pytest.raises(ConfigError, match=r"is not the bundle that .* was trained on"):
        load_teachers(student_of(teacher.path, config), open_bundle(other.path))


def test_distillation_without_teachers_is_refused(trained):
    config, *_ = trained
    with pytest.raises(ValueError, match=r"distils trained networks, and train.teachers"):
        config.model_validate(
            {**student_of(Path("a"), config).model_dump(), "train": {"teachers": []}}
        )


def test_what_is_no_finished_run_teaches_nobody(trained, tmp_path):
    config, *_ = trained
    with pytest.raises(ConfigError, match=r"train.teachers: .*nowhere is not the folder of a run"):
        check_teacher_runs(student_of(tmp_path / "nowhere", config))
