"""Limits of a day's data, each broken alone."""

import copy

import pytest
from tensorflow_metadata.proto.v0 import statistics_pb2

from pipeline.config.daily_config import CheckConfig
from pipeline.daily.check import breaches, drift
from pipeline.daily.tfmd_statistics import statistics_list

LIMITS = CheckConfig()
DAY = {
    "rows": 10_000,
    "label_rate": 0.1,
    "declared": {"item": {"kind": "categorical"}, "price": {"kind": "numeric"}},
    "text_format": None,
    "vocabulary_sizes": {"item": 100},
    "features": {
        "item": {
            "missing": 0.01,
            "unknown": 0.02,
            "grows": False,
            "label_auc": 0.6,
            "tokens": {"a": 0.6, "b": 0.4},
            "values": 9_900,
            "distinct": 2,
            "by_date": False,
        },
        "price": {
            "missing": 0.0,
            "unknown": None,
            "grows": False,
            "label_auc": 0.55,
            "scale": "raw",
            "histogram": {"edges": [0.0, 1.0, 2.0], "counts": [50.0, 50.0], "missing": 0},
        },
    },
}


def changed(**settings):
    """The day with other content, such as `features__item__missing=0.5`."""
    day = copy.deepcopy(DAY)
    for place, value in settings.items():
        *folders, name = place.split("__")
        inner = day
        for folder in folders:
            inner = inner[folder]
        inner[name] = value
    return day


def test_a_day_like_the_last_ones_breaks_nothing():
    assert breaches(DAY, [DAY, DAY], {"item": 100}, LIMITS) == []
    assert breaches(DAY, [], {}, LIMITS) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rows": 999}, "999 rows, fewer than min_rows: 1,000"),
        ({"rows": 20_000}, "20,000 rows, 2.00 times the median of the last 2 days, 10,000"),
        ({"rows": 4_000}, "rows_ratio allows 0.5 to 1.8"),
        ({"label_rate": 0.2}, "a label rate of 0.2000, 2.00 times the mean of the last 2 days"),
        ({"label_rate": 0.0}, "all labels are 0"),
        ({"features__item__missing": 0.2}, "item: missing in 20.0 % of the rows"),
        ({"features__item__unknown": 0.2}, "item: 20.0 % of the tokens are unknown"),
        ({"features__item__tokens": {"a": 0.4, "b": 0.6}}, "item: a L-infinity distance of 0.200"),
        (
            {
                "features__price__histogram": {
                    "edges": [0.0, 1.0, 2.0],
                    "counts": [1, 99],
                    "missing": 0,
                }
            },
            "price: a Jensen-Shannon distance of 0.279",
        ),
        ({"features__price__label_auc": 0.99}, "price: alone it predicts the label"),
        ({"declared": {"item": {"kind": "categorical"}}}, "price: the last day has this feature"),
        (
            {"declared": {**DAY["declared"], "item": {"kind": "sequence"}}},
            "item: kind differ from the last day's",
        ),
        ({"text_format": {"delimiter": ";"}}, "the text files have the form"),
        ({"vocabulary_sizes": {"item": 201}}, "vocabulary item: 101 new tokens beside 100"),
    ],
)
def test_a_limit_that_is_broken_is_said(change, sentence):
    found = breaches(changed(**change), [DAY, DAY], {"item": 100}, LIMITS)
    assert any(sentence in each for each in found), found


def test_each_limit_can_be_left_out():
    names = ("rows_ratio", "label_rate_ratio", "missing", "unknown", "l_infinity")
    names += ("jensen_shannon", "vocabulary_growth", "leak_auc")
    none = CheckConfig(**dict.fromkeys(names), same_schema=False)
    worst = changed(
        rows=1_000,
        label_rate=0.9,
        declared={},
        vocabulary_sizes={"item": 1_000},
        features__item__missing=0.9,
        features__item__unknown=0.9,
        features__item__tokens={"z": 1.0},
        features__item__label_auc=1.0,
        features__price__histogram={"edges": [7.0, 8.0], "counts": [9], "missing": 0},
    )
    assert len(breaches(worst, [DAY], {"item": 100}, LIMITS)) == 10
    assert breaches(worst, [DAY], {"item": 100}, none) == []


def test_a_feature_may_have_a_limit_of_its_own():
    day = changed(features__item__tokens={"a": 0.4, "b": 0.6})
    assert breaches(day, [DAY], {}, CheckConfig(distances={"item": 0.3})) == []
    assert breaches(day, [DAY], {}, CheckConfig(distances={"item": None})) == []
    assert breaches(day, [DAY], {}, CheckConfig(distances={"price": 0.0})) != []


def test_the_nearest_day_counts_since_weeks_have_a_rhythm():
    monday, sunday = DAY, changed(features__item__tokens={"z": 1.0})
    assert drift(DAY, [monday, sunday])["item"]["distance"] == 0.0
    assert drift(DAY, [sunday])["item"]["distance"] == 1.0


def test_numbers_in_another_unit_and_what_the_date_decides_have_no_distance():
    day = changed(features__price__scale="zscore 1.0 2.0", features__item__by_date=True)
    assert drift(day, [DAY]) == {}


def test_a_history_may_be_missing_less_often():
    earlier = changed(features__item__missing=0.9)
    assert any("missing in 1.0 %" in each for each in breaches(DAY, [earlier], {}, LIMITS))
    assert breaches(changed(features__item__grows=True), [earlier], {}, LIMITS) == []


def test_the_tools_of_tensorflow_metadata_read_the_statistics():
    written = statistics_list("2026-11-28", DAY).SerializeToString()
    (dataset,) = statistics_pb2.DatasetFeatureStatisticsList.FromString(written).datasets
    item, price = dataset.features
    assert (dataset.name, dataset.num_examples) == ("2026-11-28", 10_000)
    assert list(item.path.step) == ["item"]
    assert item.string_stats.common_stats.num_missing == 100
    buckets = item.string_stats.rank_histogram.buckets
    assert {bucket.label: bucket.sample_count for bucket in buckets} == {"a": 5940, "b": 3960}
    assert (price.num_stats.min, price.num_stats.max) == (0.0, 2.0)
    assert [b.sample_count for b in price.num_stats.histograms[0].buckets] == [50.0, 50.0]
