"""Every preset trains a few steps, evaluates, exports and reloads, on a small slice."""

from pathlib import Path

import numpy as np
import pytest
import tf_keras

from features.bundle import open_bundle
from features.errors import ConfigError
from models.build import build_network
from pipeline.config_files import load_config, load_preset
from pipeline.data.job import build_bundle
from pipeline.dataset import examples
from pipeline.evaluation.evaluate import evaluation_report
from pipeline.presets import preset_file, preset_names, preset_title
from pipeline.training.train import new_network
from serving.export import expected_scores
from serving.rows import read_rows
from serving.scorer import Scorer
from serving.signatures import ScoringModule
from tests.pipeline.small_movielens import write_small_movielens

DATASET = Path(__file__).parents[2] / "configs/movielens_100k/dataset.yaml"
SPLITS = {"valid": 0.1, "test": 0.1}


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = write_small_movielens(tmp_path_factory.mktemp("slice"))
    return [f"data.path={folder}", "data.history_partitions=2", "train.batch_size=64"]


@pytest.fixture(scope="module")
def bundle(settings, tmp_path_factory):
    config = load_config(DATASET, [*settings, "model.preset=dnn"], check=False)
    path = str(tmp_path_factory.mktemp("bundle") / "movielens")
    build_bundle(config.feature_set, config.data, path)
    return open_bundle(path)


@pytest.fixture(scope="module")
def sample(bundle):
    rows = next(read_rows(bundle.sample_rows, bundle.metadata.features))
    return rows.slice(0, 5).select(bundle.metadata.features.raw_schema(("input",)).names)


@pytest.fixture(scope="module")
def teachers(bundle):
    metadata = bundle.metadata
    return [
        build_network(load_preset(name), metadata.model_inputs(), metadata.features.groups)
        for name in ("efgc", "crossnet_v2")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", preset_names())
def test_preset_trains_evaluates_exports_and_reloads(
    name, settings, bundle, sample, teachers, tmp_path
):
    needs_teachers = name == "enkd"
    more = ["train.teachers=[a_run]"] if needs_teachers else []
    config = load_config(DATASET, [*settings, *more, f"model.preset={name}"], check=False)
    network = new_network(config, bundle, teachers if needs_teachers else [])
    # The variants of a paper differ in what is computed, not in how: their steps are not compiled.
    network.run_eagerly = "/" in name
    before = [weight.numpy() for weight in network.trainable_weights]
    data = examples(bundle, "train", config.train.batch_size, epochs=1, seed=1, shuffle_rows=512)
    logs = network.fit(data.take(2), verbose=0).history

    assert np.isfinite([logs[term] for term in ("loss", *network.term_names)]).all()
    assert network.divergence() is None
    for weight, old in zip(network.trainable_weights, before, strict=True):
        assert not np.array_equal(weight, old), f"{weight.name} was not trained"

    network.forget_teachers()
    report = evaluation_report(network, bundle, 512, "impressions")
    for split in ("valid", "test"):
        metrics = report[split]["metrics"]
        heads = network.branch_names if network.heads == "all" else ()
        assert list(metrics) == ["fused", *heads]
        assert all(0.0 <= each["auc"] <= 1.0 for each in metrics.values())
        assert ("cooperation" in report[split]) == (len(network.branch_names) > 1)

    module = ScoringModule(
        network, bundle.metadata, bundle.vocabulary_dir, f"{bundle.path}/metadata.json"
    )
    module.save(str(tmp_path / "saved"))
    received = Scorer(tmp_path / "saved").score(sample)["prob"]
    expected = expected_scores(network, bundle, sample)["prob"]
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-6)
    tf_keras.backend.clear_session()


def test_every_preset_says_what_it_is_in_a_line():
    for name in preset_names():
        assert preset_file(name).read_text("utf-8").startswith("# ")
        assert 10 < len(preset_title(name)) <= 100, name


def test_the_models_of_the_papers_are_there():
    named = "dnn wide_and_deep deepfm xdeepfm dcn dcnv2 dcnv2_stacked crossnet_v2 nfm ipnn finalmlp"
    named += " dhen interformer wukong din dien mmoe_plus efgc enkd kdef mbcnet cetnet dmoe"
    assert set(named.split()) <= set(preset_names())


def test_a_preset_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"'cetnt' is not a preset. Did you mean cetnet\?"):
        load_config(DATASET, ["model.preset=cetnt"])
