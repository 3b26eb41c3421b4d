"""A search: trials that are ended, fail, or are interrupted; and one as a user types it."""

import json
import sys

import pytest

from features.errors import ConfigError, UserError
from pipeline.config.config_files import load_config
from pipeline.tuning import tune as module
from pipeline.tuning.search_space import SearchSpace
from pipeline.tuning.tune import Study, tune
from tests.pipeline.small_movielens import write_small_movielens

optuna = pytest.importorskip("optuna")
SPACE = {"train.learning_rate": {"low": 0.001, "high": 0.1, "log": True}}


def load(settings):
    return load_config("movielens_100k/deep", settings, check=False)


def study(folder, trials=12, space=None):
    return Study(load, SearchSpace(space or SPACE, "test"), folder, trials, seed=1)


class Trainings:
    """Stands for training: a peak at a rate of 0.01; two epochs; notes what was trained."""

    def __init__(self):
        self.rates = []
        self.interrupt_at = None
        self.fails = lambda rate: False

    def train(self, search, folder, settings, ends):
        rate = float(settings[0].partition("=")[2])
        if len(self.rates) == self.interrupt_at:
            self.interrupt_at = None
            raise KeyboardInterrupt
        self.rates.append(rate)
        if self.fails(rate):
            raise ConfigError(f"a rate of {rate} is too high.")
        folder.mkdir(parents=True)
        value = 0.8 - abs(rate - 0.01)
        return ends(0, value - 0.1) or ends(1, value) or ends(2, value - 0.05)


@pytest.fixture
def trainings(monkeypatch):
    made = Trainings()
    monkeypatch.setattr(module, "_trained", made.train)
    monkeypatch.setattr(module, "_conclude", lambda search, kept: kept)
    return made


def facts(kept):
    return [
        (trial.params["train.learning_rate"], trial.state.name, trial.value)
        for trial in kept.trials
        if trial.state.name in ("COMPLETE", "PRUNED")
    ]


def test_the_best_epoch_is_a_trials_value_and_the_best_run_is_kept(trainings, tmp_path):
    kept = tune(study(tmp_path))
    assert len(kept.trials) == 12
    best = max(0.8 - abs(rate - 0.01) for rate in trainings.rates)
    assert kept.best_value == pytest.approx(best)
    folders = [path.name for path in (tmp_path / "trials").iterdir()]
    assert folders == [f"{kept.best_trial.number:04d}"]
    assert "PRUNED" in {state for _, state, _ in facts(kept)}  # the later ones below the median


def test_an_interrupted_search_ends_as_one_that_was_not(trainings, tmp_path):
    whole = facts(tune(study(tmp_path / "whole")))
    for stop in (0, 3, 9):
        trainings.rates.clear()
        trainings.interrupt_at = stop
        folder = tmp_path / f"stopped_{stop}"
        with pytest.raises(KeyboardInterrupt):
            tune(study(folder))
        assert facts(tune(study(folder))) == whole
    more = facts(tune(study(tmp_path / "whole", trials=14)))
    assert more[:12] == whole
    assert len(more) == 14


def test_a_trial_that_cannot_be_is_noted_and_the_others_go_on(trainings, tmp_path):
    trainings.fails = lambda rate: rate > 0.02
    kept = tune(study(tmp_path))
    failed = [trial for trial in kept.trials if trial.state.name == "FAIL"]
    assert 0 < len(failed) < 12
    assert all("is too high" in trial.user_attrs["reason"] for trial in failed)
    trainings.fails = lambda rate: True
    with pytest.raises(UserError, match="no trial could be trained: a rate of"):
        tune(study(tmp_path / "all", trials=2))


def test_another_search_in_the_folder_is_refused(trainings, tmp_path):
    tune(study(tmp_path, trials=1))
    other = {"train.learning_rate": {"low": 0.001, "high": 0.2, "log": True}}
    with pytest.raises(UserError, match="holds a search over other settings"):
        tune(study(tmp_path, trials=1, space=other))


@pytest.mark.slow
def test_searches_trains_and_looks_at_test_rows_once(concord, tmp_path):
    write_small_movielens(tmp_path / "data")
    command = ["tune", "movielens_100k/deep", "--trials", "2", "--out", "found"]
    command += ["--search", "model.branches.deep.units=[[8], [4, 4]]"]
    for setting in (f"data.path={tmp_path / 'data'}", "data.history_partitions=4"):
        command += ["--set", setting]
    done = concord(*command, "--set", "train.epochs=1")
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "found/tune.json").read_text())
    assert [trial["state"] for trial in report["trials"]] == ["complete"] * 2
    best = load_config(tmp_path / "found/best.yaml")
    (setting,) = report["best"]["settings"]
    assert setting == f"model.branches.deep.units={best.model.branches['deep'].options['units']}"
    run = tmp_path / f"found/trials/{report['best']['trial']:04d}"
    metrics = json.loads((run / "metrics.json").read_text())
    assert report["test"] == metrics["evaluation"]["test"]["metrics"]
    assert metrics["training"]["history"]["val_monitored"] == [report["best"]["value"]]
    for name in ("history", "curves", "slices"):
        assert "<svg" in (tmp_path / f"found/{name}.svg").read_text()


def test_says_what_is_missing(concord, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    done = concord("tune", "movielens_100k/deep", "--search", "train.epochs=[1, 2]")
    assert done.returncode == 2
    assert "error: tune needs Optuna, which is not installed" in done.stderr
