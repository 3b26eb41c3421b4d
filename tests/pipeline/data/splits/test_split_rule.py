"""The rule of a split: refused where it cannot be met, and the limits that it comes to."""

import json

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest

from features.errors import ConfigError
from features.specs import FeatureSet
from pipeline.data.blocks.carried_columns import SPLIT, SPLIT_HASH
from pipeline.data.settings.data_config import DataConfig, SplitConfig
from pipeline.data.sources.base import Source, TextFile
from pipeline.data.splits.split import cut_block, split_of
from pipeline.data.splits.split_rule import SplitRule, check_split, day_limits, hashes_rows

SOURCE = Source("s", "S", "h", "t", TextFile(("a.csv",)))
BENCHMARK = Source(
    "b", "B", "h", "t", TextFile(("*.csv",)), splits={"train": ("train.csv",), "test": ("t.csv",)}
)
COMPLETE = Source(
    "c", "C", "h", "t", TextFile(("*.csv",)), splits={n: (n,) for n in ("train", "valid", "test")}
)
DAY = 86_400


def features(unit="s", timed=True):
    declared = {"a": {"kind": "numeric"}, "y": {"role": "label"}}
    if timed:
        declared["t"] = {"role": "timestamp", "unit": unit}
    return FeatureSet(features=declared)


def block(times, key=0):
    return key, pa.RecordBatch.from_pydict({"t": pa.array(times, pa.int64())})


def rules_of(tmp_path, *cases):
    """The rules that one pipeline comes to, for (split, blocks, unit, source) each."""
    with beam.Pipeline(runner="BundleBasedDirectRunner") as p:
        for number, (split, blocks, unit, source) in enumerate(cases):
            rows = p | f"Rows{number}" >> beam.Create(blocks)
            rule = SplitRule(SplitConfig(**split), features(unit), source, seed=5)
            written = rows | f"Rule{number}" >> rule | f"Text{number}" >> beam.Map(json.dumps)
            written | f"Write{number}" >> beam.io.WriteToText(str(tmp_path / f"{number}-"))
    lines = [
        [line for path in tmp_path.glob(f"{number}-*") for line in path.read_text().splitlines()]
        for number in range(len(cases))
    ]
    assert [len(found) for found in lines] == [1] * len(cases)
    return [json.loads(found) for (found,) in lines]


@pytest.mark.parametrize(
    ("data", "timed", "source", "message"),
    [
        ({"split": {}}, False, SOURCE, "split.by=time needs a feature with `role: timestamp`"),
        ({"split": {"by": "day"}}, False, SOURCE, "split.by=day needs a feature with"),
        ({"split": {"by": "last", "key": "u"}}, False, SOURCE, "split.by=last needs a feature"),
        ({"split": {"by": "files"}}, True, SOURCE, "'s' does not say which .* data.split.files"),
        ({"split": {"by": "files"}, "log": ("x",)}, True, BENCHMARK, "data.log=x does not say"),
    ],
)
def test_a_rule_that_cannot_be_met_is_refused(data, timed, source, message):
    with pytest.raises(ConfigError, match=message):
        check_split(DataConfig(source="s", **data), features(timed=timed), source)


def test_files_may_be_named_in_the_configuration():
    files = {"train": ("x",), "test": ("y",)}
    data = DataConfig(source="s", split={"by": "files", "files": files})
    check_split(data, features(timed=False), SOURCE)
    assert hashes_rows(data.split, SOURCE)
    assert not hashes_rows(data.split.model_copy(update={"validation": "published"}), SOURCE)


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ({}, (8 * DAY, 9 * DAY)),
        ({"valid_days": 3, "test_days": 2}, (5 * DAY, 8 * DAY)),
        ({"valid_days": 0}, (9 * DAY, 9 * DAY)),
        ({"utc_offset_hours": 2}, (8 * DAY - 7200, 9 * DAY - 7200)),
        ({"validation": "published", "test_days": 2}, (8 * DAY, 8 * DAY)),
    ],
)
def test_days_are_counted_back_from_the_last_one(split, expected):
    assert day_limits(9, SplitConfig(by="day", **split), "s") == expected
    in_ms = tuple(1000 * time for time in expected)
    assert day_limits(9, SplitConfig(by="day", **split), "ms") == in_ms


def test_the_limits_do_not_depend_on_blocks(tmp_path):
    times = [3 * DAY, 10 * DAY - 1, 4 * DAY + 5, 7 * DAY]
    whole = [block(times)]
    parts = [block(times[2:], 7), block([], 3), block(times[:2], 5)]
    digits = [block([14110200, 14102300])]
    moments = {"valid_from": "2014-10-29", "test_from": "2014-10-30T02:00:00+02:00"}
    by_days = {"by": "day", "valid_days": 2, "test_days": 3}
    quarter = {"by": "time", "test": 0.25, "validation": "published"}
    rules = rules_of(
        tmp_path,
        ({"by": "day"}, whole, "s", SOURCE),
        ({"by": "day"}, parts, "s", SOURCE),
        ({"by": "day"}, [block([])], "s", SOURCE),
        (by_days, digits, "yymmddhh", SOURCE),
        (quarter, parts, "s", SOURCE),
        ({"by": "time"}, [block([])], "s", SOURCE),
        (moments, digits, "yymmddhh", SOURCE),
        ({"validation": "published", "test_from": "2014-10-30"}, digits, "yymmddhh", SOURCE),
        ({"by": "hash"}, whole, "s", SOURCE),
        ({"by": "files"}, parts, "s", BENCHMARK),
    )
    limits = [(rule.get("valid_from"), rule.get("test_from")) for rule in rules]
    assert limits == [
        *[(8 * DAY, 9 * DAY)] * 2,
        (0, 0),
        (14102900, 14103100),
        (10 * DAY - 1, 10 * DAY - 1),  # the latest quarter, and nothing held back for validation
        (0, 0),
        (14102900, 14103000),
        (14103000, 14103000),
        *[(None, None)] * 2,
    ]
    assert rules[0] == {
        **{"by": "day", "validation": "clean", "valid_is_test": False, "column": "t", "unit": "s"},
        **{"valid_days": 1, "test_days": 1, "utc_offset_hours": 0.0},
        **{"valid_from": 8 * DAY, "test_from": 9 * DAY},
    }
    assert "valid" not in rules[4]
    assert rules[4]["valid_is_test"]


@pytest.mark.parametrize(
    ("split", "source", "expected"),
    [
        ({"by": "hash", "key": "u"}, SOURCE, {"key": "u", "valid": 0.1, "test": 0.1, "seed": 5}),
        (
            {"by": "hash", "validation": "published"},
            SOURCE,
            {"key": None, "test": 0.1, "seed": 5, "valid_is_test": True},
        ),
        ({"by": "files"}, BENCHMARK, {"key": None, "valid": 0.1, "seed": 5}),
        ({"by": "files", "valid": 0.0}, BENCHMARK, {"valid": 0.0}),
        ({"by": "files", "validation": "published"}, BENCHMARK, {"valid_is_test": True}),
        ({"by": "files", "validation": "published"}, COMPLETE, {}),
        ({"by": "last", "key": "u"}, SOURCE, {"key": "u"}),
    ],
)
def test_the_rule_names_its_protocol_and_nothing_that_it_does_not_use(split, source, expected):
    rule = SplitRule(SplitConfig(**split), features(), source, seed=5).known
    named = {"by": split["by"], "validation": split.get("validation", "clean")}
    assert rule == {**named, "valid_is_test": False, **expected}


def cut(rule, rows):
    """Split -> its values of `n`, and all keys of blocks."""
    parts = list(cut_block((3, pa.RecordBatch.from_pydict(rows)), rule))
    for _, _, part in parts:
        assert part.schema.names == [name for name in rows if "/" not in name]
    keys = [key for key, _, _ in parts]
    assert len(set(keys)) == len(keys)
    return {split: part["n"].to_pylist() for _, split, part in parts}


def test_test_rows_stand_in_valid_too_where_the_publisher_has_it_so():
    rows = {"n": [0, 1, 2, 3], SPLIT: pa.array([0, 2, 0, 2], pa.int8())}
    rule = {"by": "files", "valid_is_test": True}
    assert cut(rule, rows) == {"train": [0, 2], "valid": [1, 3], "test": [1, 3]}
    rule["valid_is_test"] = False
    assert cut(rule, rows) == {"train": [0, 2], "test": [1, 3]}


def test_only_training_rows_are_taken_for_a_clean_validation():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, 4000, np.uint64)
    given = rng.integers(0, 2, 4000, np.int8) * np.int8(2)
    rows = {"n": np.arange(4000), SPLIT: pa.array(given), SPLIT_HASH: pa.array(hashes)}
    found = cut({"by": "files", "valid": 0.25}, rows)
    assert sorted(found["test"]) == np.flatnonzero(given == 2).tolist()
    assert sorted(found["train"] + found["valid"]) == np.flatnonzero(given == 0).tolist()
    assert len(found["valid"]) / (given == 0).sum() == pytest.approx(0.25, abs=0.03)
    highest = np.full(1, 2**64 - 1, np.uint64)  # the edge of all hashes is valid, never test
    edge = pa.RecordBatch.from_pydict(
        {SPLIT: pa.array([0], pa.int8()), SPLIT_HASH: pa.array(highest)}
    )
    assert split_of(edge, {"by": "files", "valid": 0.25}).tolist() == [1]


def test_published_rows_of_a_hash_are_those_of_the_clean_test():
    hashes = np.random.default_rng(1).integers(0, 2**64, 500, np.uint64)
    rows = {"n": np.arange(500), SPLIT_HASH: pa.array(hashes)}
    clean = cut({"by": "hash", "valid": 0.2, "test": 0.3}, rows)
    published = cut({"by": "hash", "test": 0.3, "valid_is_test": True}, rows)
    assert published["valid"] == published["test"] == clean["test"]
    assert sorted(published["train"]) == sorted(clean["train"] + clean["valid"])
