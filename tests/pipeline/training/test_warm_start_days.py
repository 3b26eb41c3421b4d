"""A network trained on from yesterday's weights, over bundles that keep yesterday's ids."""

import numpy as np
import pytest

from features.bundle import open_bundle
from pipeline.data.job.data_job import build_bundle
from pipeline.evaluation.scores import score_split
from pipeline.runs.run_dir import RunDir
from pipeline.stages.start import Start
from pipeline.stages.train_stage import train_stage
from pipeline.training.train import new_network
from pipeline.training.warm_start import WarmStart
from tests.pipeline.movielens_days import features, lines, settings, write_day
from tests.pipeline.training.test_checkpoints import configured


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """Monday's bundle, and Tuesday's with its ids: frozen and extended."""
    folder = tmp_path_factory.mktemp("days")
    for day in range(2):
        write_day(folder / str(day), day)
    found = {"monday": build_bundle(features(), settings(folder / "0"), str(folder / "monday"))}
    for mode in ("frozen", "extended"):
        data = settings(folder / "1", folder / "monday", mode)
        found[mode] = build_bundle(features(), data, str(folder / mode))
    return found


@pytest.fixture(scope="module")
def monday(bundles, tmp_path_factory):
    """Monday's run."""
    run = RunDir(tmp_path_factory.mktemp("runs") / "monday")
    train_stage(configured(bundles["monday"], epochs=1), bundles["monday"], run)
    return run


def started(run, bundle):
    network = new_network(configured(bundle, epochs=1), bundle)
    network.optimizer.build(network.trainable_variables)
    warm = WarmStart(run, bundle)
    warm.apply(network)
    return network, warm


def test_no_id_moves_and_no_token_is_lost(bundles, monday):
    for mode in ("frozen", "extended"):
        maps = WarmStart(monday, bundles[mode]).maps
        assert set(maps) == {"user_id", "age_bucket", "item_id", "genres"}
        for name, ids in maps.items():
            old = len(ids.source) - ids.counts["new"]
            np.testing.assert_array_equal(ids.source[:old], np.arange(old), err_msg=name)
            assert ids.counts["dropped"] == 0
            assert ids.is_unchanged == (not ids.counts["new"])
            if name != "age_bucket":
                assert ids.counts["kept"] == len(lines(bundles["monday"], name))
            changes = bundles[mode].statistics["vocabularies"]
            assert ids.counts["new"] == (changes[name]["added"] if name in changes else 0)
    assert WarmStart(monday, bundles["extended"]).counts["item_id"]["new"] > 0


def test_both_score_a_day_as_the_earlier_network_does(bundles, monday):
    """Its new tokens were out of vocabulary, as they are in the frozen bundle."""
    probs = {}
    for mode in ("frozen", "extended"):
        network, _ = started(monday, bundles[mode])
        probs[mode] = score_split(network, bundles[mode], "valid", 64).probs
    for name, expected in probs["frozen"].items():
        np.testing.assert_array_equal(probs["extended"][name], expected, err_msg=name)


@pytest.mark.parametrize("mode", ["frozen", "extended"])
def test_training_goes_on(bundles, monday, tmp_path, mode):
    run = RunDir(tmp_path / "tuesday")
    bundle = open_bundle(bundles[mode].path, verify=True)
    train_stage(configured(bundle, epochs=1), bundle, run, Start(warm_start=monday))
    assert run.best_checkpoint
