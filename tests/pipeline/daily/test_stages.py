"""What each stage depends on: other settings of one leave the others as they are."""

import pytest

from features.errors import ConfigError
from pipeline.daily.day_job import day_job
from pipeline.daily.service import Service, Version, write_service
from pipeline.daily.stages import STAGES_OF_A_DAY
from pipeline.daily.state_folder import Marker, StateFolder, digest
from tests.pipeline.daily.small_days import write_config


@pytest.fixture
def state(tmp_path):
    return StateFolder(tmp_path / "state")


def keys(state, tmp_path, *settings):
    job = day_job(write_config(tmp_path), settings, state, "2026-11-28")
    return {name: digest(stage.decides(job)) for name, stage in STAGES_OF_A_DAY.items()}


@pytest.mark.parametrize(
    ("setting", "stage"),
    [
        ("data.seed=3", "build"),
        ("features.price.transform=log", "build"),
        ("daily.check.min_rows=7", "check"),
        ("train.epochs=1", "train"),
        ("model.branches.dnn.units=[3]", "train"),
        ("daily.bless.auc=-0.5", "bless"),
        ("export.candidates=[item]", "publish"),
        ("daily.publish.keep=9", None),
    ],
)
def test_a_setting_concerns_its_stage_alone(state, tmp_path, setting, stage):
    before, after = keys(state, tmp_path), keys(state, tmp_path, setting)
    assert {name for name in before if before[name] != after[name]} == ({stage} - {None})


def in_service(state, *days):
    """Days that were published, with all that a later day looks for."""
    for day in days:
        folder = state.day(day)
        folder.bundle.mkdir(parents=True)
        folder.run.path.mkdir()
        for stage in STAGES_OF_A_DAY:
            folder.finish(Marker(stage, "key", f"{stage} of {day}"))
    versions = [Version(number, day, "") for number, day in enumerate(days, start=1)]
    write_service(state, Service("model", None, versions, len(days), len(days)))


def test_a_day_goes_on_from_the_one_in_service(state, tmp_path):
    first = keys(state, tmp_path)
    in_service(state, "2026-11-26", "2026-11-27")
    job = day_job(write_config(tmp_path), (), state, "2026-11-28")
    assert job.base.day == "2026-11-27"
    assert job.config.data.vocabularies.bundle == str(state.day("2026-11-27").bundle.resolve())
    assert job.config.data.vocabularies.mode == "extended"
    assert job.config.data.path == "logs/2026-11-28.csv"
    changed = {name for name, key in keys(state, tmp_path).items() if key != first[name]}
    assert changed == {"build", "check", "train"}


def test_a_folder_that_was_moved_is_not_done_again(state, tmp_path):
    in_service(state, "2026-11-27")
    before = keys(state, tmp_path)
    moved = StateFolder(tmp_path / "moved")
    state.path.rename(moved.path)
    assert keys(moved, tmp_path) == before


def test_the_first_day_has_no_model_to_validate_progressively(state, tmp_path):
    words = ("train.progressive_validation=true",)
    first = day_job(write_config(tmp_path), words, state, "2026-11-28")
    assert first.base is None
    assert not first.config.train.progressive_validation
    in_service(state, "2026-11-27")
    second = day_job(write_config(tmp_path), words, state, "2026-11-28")
    assert second.config.train.progressive_validation


def test_a_day_in_service_whose_run_is_gone_is_told(state, tmp_path):
    in_service(state, "2026-11-27")
    state.day("2026-11-27").run.path.rmdir()
    with pytest.raises(ConfigError, match="lacks its bundle or its run"):
        day_job(write_config(tmp_path), (), state, "2026-11-28")
