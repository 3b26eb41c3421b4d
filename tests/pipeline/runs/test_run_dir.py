"""The folder of a run: what is finished, and what must not be lost."""

import datetime
import json
import math

import pytest

from features.analysis import NumericSummary
from features.bundle import Bundle
from features.errors import ConfigError
from features.specs import FeatureSet
from pipeline.config.run_config import EvaluateConfig, RunConfig
from pipeline.runs.run_dir import RunDir, run_fingerprint


def config(**train) -> RunConfig:
    return RunConfig.model_validate(
        {
            "data": {"source": "movielens_100k"},
            "features": {"user": {"kind": "categorical"}, "clicked": {"role": "label"}},
            "groups": {"all": ["user"]},
            "train": train,
        }
    )


@pytest.fixture
def run(tmp_path):
    return RunDir(tmp_path / "runs" / "a")


def test_a_stage_is_finished_for_its_configuration_and_data_alone(run, random_bundle, make_bundle):
    run.begin(config(), random_bundle)
    assert not run.has_finished("train", config(), random_bundle)
    run.finish("train")
    assert not run.has_finished("train", config(), random_bundle)  # where is the checkpoint?
    run.best_checkpoint.parent.mkdir()
    run.best_checkpoint.with_suffix(".index").touch()
    assert run.has_finished("train", config(), random_bundle)
    assert not run.has_finished("evaluate", config(), random_bundle)
    assert not run.has_finished("train", config(epochs=3), random_bundle)
    assert run.config() == config()


def test_what_a_report_shows_is_no_part_of_the_fingerprint(random_bundle):
    def fingerprint(**evaluate):
        settings = EvaluateConfig.model_validate(evaluate)
        changed = config().model_copy(update={"evaluate": settings})
        return run_fingerprint(changed, random_bundle)

    assert fingerprint(report={"sample_rows": 0, "seconds": 1.0}) == fingerprint()
    assert fingerprint(gauc_weight_by="uniform") != fingerprint()


def test_notes_what_the_user_chose(run, random_bundle):
    chosen = [{"train": {"epochs": 3}}, {"train": {"epochs": 5, "seed": 1}, "model": {}}]
    run.begin(config().with_given(chosen), random_bundle)
    assert run.state()["given"] == {"model": {}, "train": {"epochs": 3, "seed": 1}}
    run.begin(config().with_given([{"data": {"seed": 1}, "train": {"seed": 1}}]), random_bundle)
    assert [*run.state()["given"]] == ["train", "data"]
    run.begin(config(), random_bundle)
    assert "given" not in run.state()


def test_json_holds_whatever_yaml_has(run, random_bundle):
    day = datetime.date(2017, 5, 12)
    chosen = [{"data": {"split": {1: day, "x": [day, math.inf, None, True, 2.5]}}}]
    run.begin(config().with_given(chosen), random_bundle)
    text = "2017-05-12"
    assert run.state()["given"] == {
        "data": {"split": {"1": text, "x": [text, "inf", None, True, 2.5]}}
    }


def test_a_training_that_the_clock_ended_is_not_finished_where_it_may_take_longer(
    run, random_bundle
):
    run.begin(config(max_seconds=5.0), random_bundle)
    run.best_checkpoint.with_suffix(".index").parent.mkdir(parents=True)
    run.best_checkpoint.with_suffix(".index").touch()
    run.finish("train", cut_after=5.0)
    run.finish("evaluate")
    for seconds in (5.0, 2.0):
        assert run.has_finished("train", config(max_seconds=seconds), random_bundle)
    for seconds in (6.0, None):
        assert not run.has_finished("train", config(max_seconds=seconds), random_bundle)
    run.begin(config(), random_bundle)
    run.finish("train")
    assert run.has_finished("train", config(), random_bundle)


def test_an_export_whose_versions_were_removed_is_not_finished(run, random_bundle):
    run.begin(config(), random_bundle)
    run.finish("export")
    (run.export / "1").mkdir(parents=True)
    assert run.has_finished("export", config(), random_bundle)
    (run.export / "1").rmdir()
    assert not run.has_finished("export", config(), random_bundle)


def test_a_finished_run_is_not_replaced_unasked(run, random_bundle):
    run.begin(config(), random_bundle)
    run.begin(config(epochs=3), random_bundle)  # nothing was finished: nothing is lost
    run.finish("train")
    with pytest.raises(ConfigError, match=r"holds a finished run of another.*--out.*--overwrite"):
        run.begin(config(epochs=4), random_bundle)
    assert run.config().train.epochs == 3
    run.begin(config(epochs=4), random_bundle, overwrite=True)
    assert not run.has_finished("train", config(epochs=4), random_bundle)


def test_refuses_a_folder_that_cannot_be_made(tmp_path, random_bundle):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"file/a cannot be written: .*another folder with --out"):
        RunDir(tmp_path / "file" / "a").begin(config(), random_bundle)


@pytest.mark.parametrize("content", ['{"finished": ["tr', "", "[]", "\x00"])
def test_a_damaged_file_is_named_and_never_taken_for_no_run(run, random_bundle, content):
    run.begin(config(), random_bundle)
    run.finish("train")
    run.state_file.write_text(content)
    for ask in (
        run.state,
        run.check_trained,
        lambda: run.can_continue(config(), random_bundle),
        lambda: run.begin(config(epochs=3), random_bundle, overwrite=True),
    ):
        with pytest.raises(ConfigError, match=r"run\.json is damaged: .* remove its folder"):
            ask()
    assert run.config_file.exists()
    run.metrics_file.write_text(content)
    with pytest.raises(ConfigError, match=r"metrics\.json is damaged: "):
        run.update_metrics(training={})


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"fingerprint": "a", "bundle": "b"},
        {"finished": "train"},
        {"finished": ["train"]},
        {"finished": ["train"], "fingerprint": 1, "bundle": "b"},
        {"finished": [["train"]], "fingerprint": "a", "bundle": "b"},
    ],
)
def test_a_state_that_does_not_say_what_is_finished_is_damaged(run, random_bundle, content):
    run.begin(config(), random_bundle)
    run.state_file.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=r"run\.json is damaged: it does not say which stages"):
        run.state()


@pytest.mark.parametrize("name", ["bundle/notes.txt", "checkpoints/mine", "config.yaml"])
def test_what_a_run_would_replace_in_a_folder_that_is_none_is_left_alone(run, random_bundle, name):
    file = run.path / name
    file.parent.mkdir(parents=True)
    file.write_text("years of work")
    with pytest.raises(ConfigError, match=r"is not the folder of a run: .*--out, or remove them"):
        run.begin(config(), random_bundle, overwrite=True)
    assert file.read_text() == "years of work"
    assert [path.name for path in run.path.iterdir()] == [name.split("/")[0]]


def test_a_run_may_begin_beside_files_of_the_users_and_after_it_died_at_its_begin(
    run, random_bundle, monkeypatch
):
    run.path.mkdir(parents=True)
    (run.path / "notes.txt").write_text("years of work")
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.runs.run_dir.dump_config", None)  # dies there
        with pytest.raises(TypeError):
            run.begin(config(), random_bundle)
    run.begin(config(), random_bundle)
    assert (run.path / "notes.txt").read_text() == "years of work"


def test_refuses_a_folder_that_is_no_run(run):
    with pytest.raises(ConfigError, match=r"is not the folder of a run: it has no config\.yaml"):
        run.config()


def test_refuses_a_run_that_ended_while_it_began(run, random_bundle):
    run.begin(config(), random_bundle)
    run.state_file.unlink()
    with pytest.raises(ConfigError, match=r"is not the folder of a run: it has no run\.json"):
        run.config()


def test_refuses_a_run_whose_training_did_not_end(run, random_bundle):
    run.begin(config(), random_bundle)
    with pytest.raises(ConfigError, match=r"training of .* did not end. Train it again"):
        run.check_trained()
    run.finish("train")
    run.check_trained()


def test_replacing_a_run_removes_the_exports_of_the_replaced_network(run, random_bundle):
    run.begin(config(), random_bundle)
    run.finish("train")
    (run.export / "1").mkdir(parents=True)
    (run.export / "1" / "saved_model.pb").touch()
    run.begin(config(), random_bundle, overwrite=True)
    assert (run.export / "1").exists()  # the same configuration gives the same network
    run.begin(config(epochs=3), random_bundle, overwrite=True)
    assert not run.export.exists()


def test_refuses_a_bundle_that_the_run_was_not_trained_on(run, random_bundle):
    run.begin(config(), random_bundle)
    run.check_bundle(config(), random_bundle)
    other = random_bundle.manifest.model_copy(update={"fingerprint": "other"})
    moved = type(random_bundle)(random_bundle.path, random_bundle.metadata, other)
    with pytest.raises(ConfigError, match=r"is not the bundle that .* was trained on"):
        run.check_bundle(config(), moved)


def test_another_bundle_may_be_scored_where_its_ids_are_those_of_the_runs(
    run, random_bundle, make_bundle
):
    run.begin(config(), random_bundle)
    same, _ = make_bundle(rows={"train": 9, "valid": 0, "test": 5})
    run.check_ids(same)
    metadata = same.metadata
    numeric = metadata.analysis.model_copy(update={"numeric": {"row": NumericSummary(count=3)}})
    features = FeatureSet(
        features=metadata.features.features, histories=metadata.features.histories
    )
    others = {
        "means or quantiles": {"analysis": numeric},
        "features, groups or histories": {"features": features},
    }
    for different, change in others.items():
        bundle = Bundle(same.path, metadata.model_copy(update=change), same.manifest)
        with pytest.raises(ConfigError, match=f"has other {different} than .*mode: frozen"):
            run.check_ids(bundle)


def test_metrics_are_kept_by_section(run, random_bundle):
    run.begin(config(), random_bundle)
    run.update_metrics(training={"epochs": 1})
    run.update_metrics(evaluation={"test": 2})
    assert json.loads(run.metrics_file.read_text()) == {
        "training": {"epochs": 1},
        "evaluation": {"test": 2},
    }


def test_overwriting_removes_the_exports_of_the_replaced_network(run, random_bundle):
    run.begin(config(), random_bundle)
    run.finish("train")
    for folder in (run.export, run.export_of("deep+bfloat16")):
        (folder / "1").mkdir(parents=True)
        (folder / "1" / "saved_model.pb").touch()
    run.begin(config(), random_bundle, overwrite=True)  # the same one: they stay
    assert (run.export_of("deep+bfloat16") / "1").exists()
    run.finish("train")
    run.begin(config(epochs=7), random_bundle, overwrite=True)
    assert not run.export.exists()
    assert not run.export_of("deep+bfloat16").exists()


def test_overwriting_leaves_what_no_export_wrote(run, random_bundle):
    run.begin(config(), random_bundle)
    run.finish("train")
    own = run.path / "export-for-the-board" / "2024" / "figures.csv"
    own.parent.mkdir(parents=True)
    own.touch()
    (run.export / "2").mkdir(parents=True)
    (run.export / "2" / "saved_model.pb").touch()
    (run.export / "notes.txt").touch()
    run.begin(config(epochs=7), random_bundle, overwrite=True)
    assert own.exists()
    assert [path.name for path in run.export.iterdir()] == ["notes.txt"]
