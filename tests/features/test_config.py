from typing import Annotated

import pydantic
import pytest

from features.config import StrictModel, parse
from features.errors import ConfigError


class Rate(StrictModel):
    start: float = 0.1
    decay: float = 1.0


class Schedule(StrictModel):
    rate: Rate | None = None
    steps: int = pydantic.Field(default=1, ge=1)


class Run(StrictModel):
    name: str
    schedule: Schedule | None = Schedule()
    by_split: dict[str, Schedule] = {}
    listed: Annotated[tuple[Schedule, ...], pydantic.Field(max_length=3)] = ()

    @pydantic.model_validator(mode="after")
    def _check(self) -> "Run":
        if self.name == "bad":
            raise ValueError("`name` is bad. Choose another.")
        return self


def refusal(where="run.yaml", **settings) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(Run, settings, where)
    return str(caught.value)


def test_reads_nested_mappings_as_yaml_gives_them():
    run = parse(
        Run,
        {"name": "a", "by_split": {"test": {"rate": {"start": 1}}}, "listed": [{"steps": 2}]},
        "run.yaml",
    )
    assert run.by_split["test"].rate == Rate(start=1.0)
    assert run.listed == (Schedule(steps=2),)


def test_content_cannot_be_changed():
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        parse(Run, {"name": "a"}, "run.yaml").name = "b"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"nam": "a"}, "run.yaml: nam is not a setting. Did you mean name?"),
        (
            {"schedule": {"step": 1}},
            "run.yaml: schedule.step is not a setting. Did you mean schedule.steps?",
        ),
        (
            {"schedule": {"rate": {"decya": 1}}},
            "run.yaml: schedule.rate.decya is not a setting. Did you mean schedule.rate.decay?",
        ),
        (
            {"by_split": {"test": {"rate": {"strat": 1}}}},
            "run.yaml: by_split.test.rate.strat is not a setting. "
            "Did you mean by_split.test.rate.start?",
        ),
        (
            {"by_split": {"test": {"zzz": 1}}},
            "run.yaml: by_split.test.zzz is not a setting. "
            "Known: by_split.test.rate, by_split.test.steps.",
        ),
        (
            {"listed": [{}, {"rate": {"decya": 1}}]},
            "run.yaml: listed.1.rate.decya is not a setting. Did you mean listed.1.rate.decay?",
        ),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_name_of_its_place(settings, sentence):
    assert refusal(**{"name": "a", **settings} if "nam" not in settings else settings) == sentence


def test_a_misspelt_required_key_is_reported_as_misspelt():
    assert "Did you mean name?" in refusal(nmae="a")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "run.yaml: name is required. Add it."),
        ({"name": "bad"}, "run.yaml: `name` is bad. Choose another."),
        (
            {"name": "a", "schedule": {"steps": 0}},
            "run.yaml: schedule.steps: Input should be greater than or equal to 1. Received: 0.",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_place(settings, sentence):
    assert refusal(**settings) == sentence


@pytest.mark.parametrize("content", [None, [], "name: a"])
def test_content_that_is_no_mapping_is_quoted(content):
    with pytest.raises(ConfigError, match=r"run\.yaml must hold a mapping .* Received: ") as caught:
        parse(Run, content, "run.yaml")
    assert repr(content) in str(caught.value)


def test_the_file_of_a_setting_may_depend_on_the_setting():
    where = lambda location: f"{location[0] if location else 'top'}.yaml"
    assert refusal(where, name="a", schedule={"steps": 0}).startswith("schedule.yaml: schedule.")
    with pytest.raises(ConfigError, match=r"^top\.yaml must hold"):
        parse(Run, 3, where)
