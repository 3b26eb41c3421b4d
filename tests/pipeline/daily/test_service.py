"""Versions in service, and the way back."""

import pytest

from features.errors import ConfigError
from pipeline.config.daily_config import PublishConfig
from pipeline.daily import service
from pipeline.daily.service import promote, put_in_service, read_service, rollback
from pipeline.daily.state_folder import StateFolder
from serving.server.lifecycle.models_config import read_config

SETTINGS = PublishConfig()


@pytest.fixture
def state(tmp_path):
    return StateFolder(tmp_path / "state")


def export(folder, content):
    """A folder that stands for a version."""
    (folder / "variables").mkdir(parents=True, exist_ok=True)
    (folder / "saved_model.pb").write_text(content)
    (folder / "variables" / "variables.index").write_text("weights")
    return folder


def put(state, tmp_path, day, settings=SETTINGS):
    return put_in_service(state, day, export(tmp_path / day, day), settings)[1]


def served(state):
    """What a server reads: the versions and the labels."""
    (model,) = read_config(state.models_config)
    return sorted(model.policy.specific), dict(model.labels)


def test_the_newest_version_is_stable_and_others_stay(state, tmp_path):
    assert [put(state, tmp_path, day).number for day in ("a", "b")] == [1, 2]
    assert served(state) == ([2], {"stable": 2, "canary": 2})
    assert (state.serving / "1" / "saved_model.pb").read_text() == "a"
    assert (state.serving / "2" / "variables" / "variables.index").exists()
    (model,) = read_config(state.models_config)
    assert model.base_path == state.serving.resolve()


def test_servers_may_see_the_base_path_elsewhere(state, tmp_path):
    put(state, tmp_path, "a", PublishConfig(base_path="/models/ctr", name="ctr"))
    (model,) = read_config(state.models_config)
    assert (model.name, str(model.base_path)) == ("ctr", "/models/ctr")


def test_a_canary_is_stable_when_it_is_promoted(state, tmp_path):
    careful = PublishConfig(canary_first=True)
    put(state, tmp_path, "a", careful)
    assert served(state) == ([1], {"canary": 1})
    promote(state)
    put(state, tmp_path, "b", careful)
    assert served(state) == ([1, 2], {"stable": 1, "canary": 2})
    assert read_service(state).before("c").day == "a"
    promote(state)
    assert served(state) == ([2], {"stable": 2, "canary": 2})
    with pytest.raises(ConfigError, match="no canary that is not stable already"):
        promote(state)


def test_a_rollback_puts_the_former_version_back_and_days_go_on_from_it(state, tmp_path):
    for day in ("a", "b", "c"):
        put(state, tmp_path, day)
    assert read_service(state).before("d").day == "c"
    bad, back = rollback(state)
    assert (bad.number, back.number) == (3, 2)
    assert served(state) == ([2], {"stable": 2, "canary": 2})
    assert read_service(state).before("d").day == "b"
    assert put(state, tmp_path, "d").number == 4
    bad, back = rollback(state)
    assert (bad.number, back.number) == (4, 2)
    rollback(state)
    assert served(state) == ([1], {"stable": 1, "canary": 1})
    with pytest.raises(ConfigError, match="version 1 of a is the first one"):
        rollback(state)


def test_a_rollback_of_nothing_or_to_nothing_is_refused_and_changes_nothing(state, tmp_path):
    with pytest.raises(ConfigError, match="no version in service"):
        rollback(state)
    for day in ("a", "b"):
        put(state, tmp_path, day)
    (state.serving / "1").rename(tmp_path / "moved")
    with pytest.raises(ConfigError, match="is gone, and was version 1 of a"):
        rollback(state)
    assert served(state) == ([2], {"stable": 2, "canary": 2})


def test_the_last_versions_are_kept_and_those_with_a_label(state, tmp_path):
    careful = PublishConfig(keep=2, canary_first=True)
    put(state, tmp_path, "a", PublishConfig(keep=2))
    for day in ("b", "c", "d"):
        put(state, tmp_path, day, careful)
    assert sorted(folder.name for folder in state.serving.iterdir()) == ["1", "3", "4"]


@pytest.mark.parametrize("dies_in", ["_copy", "write_json", "write_models_config"])
@pytest.mark.parametrize("after", [False, True])
def test_a_crash_anywhere_ends_in_one_version(state, tmp_path, monkeypatch, dies_in, after):
    put(state, tmp_path, "a")
    original = getattr(service, dies_in)

    def dies(*arguments):
        if after:
            original(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(service, dies_in, dies)
        with pytest.raises(KeyboardInterrupt):
            put(state, tmp_path, "b")
    assert put(state, tmp_path, "b").number == 2
    assert served(state) == ([2], {"stable": 2, "canary": 2})
    assert sorted(folder.name for folder in state.serving.iterdir()) == ["1", "2"]
    assert [each.day for each in read_service(state).versions] == ["a", "b"]


def test_a_copy_that_servers_may_have_loaded_is_not_touched(state, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(service, "write_json", None)  # the process dies behind the copy
        with pytest.raises(TypeError):
            put(state, tmp_path, "a")
    copied = (state.serving / "1").stat().st_ino
    assert put(state, tmp_path, "a").number == 1
    assert (state.serving / "1").stat().st_ino == copied


def test_what_a_dead_process_left_of_another_model_is_replaced(state, tmp_path):
    export(state.serving / "1", "half of another day")
    export(state.serving / ".exporting-1", "half")
    assert put(state, tmp_path, "a").number == 1
    assert (state.serving / "1" / "saved_model.pb").read_text() == "a"
    assert [folder.name for folder in state.serving.iterdir()] == ["1"]
