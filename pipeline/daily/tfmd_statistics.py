"""A day's statistics as tensorflow-metadata's DatasetFeatureStatisticsList, for other tools."""

from collections.abc import Mapping
from typing import Any

from tensorflow_metadata.proto.v0 import statistics_pb2

_MOST_NAMED = 20  # of `top_values`


def statistics_list(
    name: str, day: Mapping[str, Any]
) -> statistics_pb2.DatasetFeatureStatisticsList:
    """The statistics of one day.

    Numbers are those that networks see: scaled as the bundle says.

    Args:
        name: What the data set is called, such as the day.
        day: What `day_statistics` returns.
    """
    message = statistics_pb2.DatasetFeatureStatisticsList()
    dataset = message.datasets.add(name=name, num_examples=day["rows"])
    for feature, facts in day["features"].items():
        statistics = dataset.features.add()
        statistics.path.step.append(feature)
        common = (
            statistics.string_stats.common_stats
            if "tokens" in facts
            else statistics.num_stats.common_stats
        )
        common.num_missing = round(facts["missing"] * day["rows"])
        common.num_non_missing = day["rows"] - common.num_missing
        if "tokens" in facts:
            _fill_tokens(statistics, facts)
        else:
            _fill_numbers(statistics, facts["histogram"])
    return message


def _fill_tokens(statistics: Any, facts: Mapping[str, Any]) -> None:
    statistics.type = statistics_pb2.FeatureNameStatistics.STRING
    strings = statistics.string_stats
    strings.unique = facts["distinct"]
    for rank, (token, share) in enumerate(facts["tokens"].items()):
        count = share * facts["values"]
        if rank < _MOST_NAMED:
            strings.top_values.add(value=token, frequency=count)
        strings.rank_histogram.buckets.add(
            low_rank=rank, high_rank=rank, label=token, sample_count=count
        )


def _fill_numbers(statistics: Any, histogram: Mapping[str, Any]) -> None:
    statistics.type = statistics_pb2.FeatureNameStatistics.FLOAT
    numbers = statistics.num_stats
    standard = numbers.histograms.add(type=statistics_pb2.Histogram.STANDARD)
    standard.num_nan = histogram["missing"]
    edges = histogram["edges"]
    if edges:
        numbers.min, numbers.max = edges[0], edges[-1]
    for low, high, count in zip(edges, edges[1:], histogram["counts"], strict=False):
        standard.buckets.add(low_value=low, high_value=high, sample_count=count)
