"""A day's stages in order, each done once, whatever happens between them."""

from types import SimpleNamespace

import pytest

from features.errors import ConfigError
from pipeline.daily import daily
from pipeline.daily.daily import do_day, forget_day
from pipeline.daily.day_job import DayJob, day_settings
from pipeline.daily.history_page import line_of
from pipeline.daily.service import Service
from pipeline.daily.stages import Outcome, Stage
from pipeline.daily.state_folder import STAGES, StateFolder, check_day


class Made:
    """Stages that note that they were done; what they depend on, and come to, can be changed."""

    def __init__(self, monkeypatch):
        self.done = []
        self.decides = dict.fromkeys(STAGES, "settings")
        self.reasons = dict.fromkeys(STAGES, ())
        self.dies_in = None
        stages = {name: Stage(*self._functions(name)) for name in STAGES}
        monkeypatch.setattr(daily, "STAGES_OF_A_DAY", stages)
        monkeypatch.setattr(daily, "existing_bundle", self._bundle)

    def _functions(self, name):
        def do(job):
            if self.dies_in == name:
                raise KeyboardInterrupt
            self.done.append(name)
            return Outcome(f"{name} of {self.decides[name]}", {}, list(self.reasons[name]))

        return (lambda job: self.decides[name]), do

    def _bundle(self, features, data, path):
        """The bundle that the files which lie there now would make."""
        fingerprint = f"build of {self.decides['build']}"
        return SimpleNamespace(manifest=SimpleNamespace(fingerprint=fingerprint))


@pytest.fixture
def made(monkeypatch):
    return Made(monkeypatch)


@pytest.fixture
def state(tmp_path):
    return StateFolder(tmp_path)


def job(state, day="2026-11-28"):
    return DayJob(state, state.day(day), SimpleNamespace(feature_set=None, data=None), None)


def test_all_stages_are_done_once(made, state):
    assert do_day(job(state)).reasons == []
    assert do_day(job(state)).stage == "publish"
    assert made.done == list(STAGES)


@pytest.mark.parametrize("dies_in", STAGES)
def test_after_a_crash_the_same_command_goes_on_where_it_stopped(made, state, dies_in):
    made.dies_in = dies_in
    with pytest.raises(KeyboardInterrupt):
        do_day(job(state))
    place = STAGES.index(dies_in)
    assert made.done == list(STAGES[:place])
    assert [marker.stage for marker in state.day("2026-11-28").markers()] == made.done
    made.dies_in = None
    do_day(job(state))
    assert made.done == list(STAGES)


@pytest.mark.parametrize("changes", STAGES)
def test_what_depends_on_a_changed_setting_is_done_again_and_nothing_before(made, state, changes):
    do_day(job(state))
    made.decides[changes] = "other settings"
    made.done.clear()
    do_day(job(state))
    assert made.done == list(STAGES[STAGES.index(changes) :])


def test_files_that_changed_make_another_bundle(made, state, monkeypatch):
    do_day(job(state))
    made.done.clear()
    monkeypatch.setattr(daily, "existing_bundle", lambda *arguments: None)
    do_day(job(state))
    assert made.done == list(STAGES)


def test_another_result_of_a_stage_is_not_what_the_next_one_depended_on(made, state):
    do_day(job(state))
    made.done.clear()
    file = state.day("2026-11-28").path / "check.json"
    file.write_text(file.read_text().replace("check of settings", "copied from elsewhere"))
    do_day(job(state))
    assert made.done == ["train", "bless", "publish"]


@pytest.mark.parametrize("refuses", STAGES)
def test_a_day_that_is_refused_stops_there_and_is_not_asked_again(made, state, refuses):
    made.reasons[refuses] = ("too few rows",)
    decision = do_day(job(state))
    assert decision.stage == refuses
    assert decision.reasons == ["too few rows"]
    done = list(made.done)
    assert done[-1] == refuses
    assert do_day(job(state)).reasons == ["too few rows"]
    # Files that no bundle could be made of may have been mended since.
    assert made.done == done + (["build"] if refuses == "build" else [])
    line = line_of(state.day("2026-11-28"), Service())
    assert line["decision"] in ("refused", "not blessed")
    assert line["reasons"] == ["too few rows"]
    assert state.history.read_text().count("too few rows") == 1
    assert "too few rows" in state.page.read_text()


def test_a_stage_alone_needs_those_before_it(made, state):
    with pytest.raises(ConfigError, match="stage build of 2026-11-28 is not finished"):
        do_day(job(state), "check")
    for stage in STAGES:
        assert do_day(job(state), stage).stage == stage
    assert made.done == list(STAGES)


def test_a_stage_alone_is_not_done_behind_a_refusal(made, state):
    made.reasons["check"] = ("a label rate of 1",)
    do_day(job(state))
    decision = do_day(job(state), "train")
    assert (decision.stage, decision.reasons) == ("check", ["a label rate of 1"])
    assert made.done == ["build", "check"]


def test_days_out_of_order_are_refused(made, state):
    do_day(job(state, "2026-11-28"))
    with pytest.raises(ConfigError, match="2026-11-27 comes before 2026-11-28"):
        state.check_order("2026-11-27")
    state.check_order("2026-11-28")
    state.check_order("2026-11-29")


def test_only_days_whose_data_were_accepted_are_compared_with(made, state):
    do_day(job(state, "2026-11-26"))
    made.reasons["check"] = ("bad",)
    do_day(job(state, "2026-11-27"))
    assert [each.day for each in state.accepted_before("2026-11-28")] == ["2026-11-26"]
    assert state.accepted_before("2026-11-26") == []


def test_a_day_that_is_forgotten_is_done_again_and_only_the_last_one_may_be(made, state):
    do_day(job(state, "2026-11-27"))
    do_day(job(state, "2026-11-28"))
    forget_day(state, "2026-11-28")
    assert [each.day for each in state.days()] == ["2026-11-27"]
    do_day(job(state, "2026-11-28"))
    assert made.done == [*STAGES] * 3
    with pytest.raises(ConfigError, match="days are done in their order"):
        forget_day(state, "2026-11-27")


@pytest.mark.parametrize("day", ["2026-11-31", "20261128", "today", "../x", "2026-11-28\n"])
def test_what_is_no_day_is_refused(day):
    with pytest.raises(ConfigError, match=r"is no day\. Write it as 2026-11-28"):
        check_day(day)


def test_the_day_is_put_into_the_settings_of_the_data():
    data = {"source": "csv", "path": "logs/{day}", "log": ["a-{day}.csv"], "split": {"by": "time"}}
    settings = day_settings(data, "2026-11-28", "my.yaml")
    assert settings == ['data.path="logs/2026-11-28"', 'data.log=["a-2026-11-28.csv"]']
    with pytest.raises(ConfigError, match=r"my.yaml: no setting of `data` names the day"):
        day_settings({"path": "logs"}, "2026-11-28", "my.yaml")
