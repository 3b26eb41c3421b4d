import numpy as np
import pytest
import yaml

from features.config import parse
from features.errors import ConfigError
from pipeline.data.config import DataConfig, SplitConfig
from pipeline.data.histogram import AdaptiveHistogram
from pipeline.data.split import split_rows, thresholds


def test_shares_are_met_as_nearly_as_equal_times_allow():
    rng = np.random.default_rng(0)
    times = rng.integers(0, 500, 10_000)
    histogram = AdaptiveHistogram()
    histogram.add(times)
    valid_from, test_from = thresholds(histogram, SplitConfig(valid=0.2, test=0.1))
    where = split_rows(times, valid_from, test_from)
    np.testing.assert_allclose(np.bincount(where) / 10_000, [0.7, 0.2, 0.1], atol=0.002)
    assert times[where == 0].max() < times[where == 1].min()
    assert times[where == 1].max() < times[where == 2].min()


def test_a_share_of_zero_makes_an_empty_split():
    histogram = AdaptiveHistogram()
    histogram.add(np.arange(100))
    where = split_rows(np.arange(100), *thresholds(histogram, SplitConfig(valid=0.0, test=0.25)))
    assert np.bincount(where, minlength=3).tolist() == [75, 0, 25]


@pytest.mark.parametrize("moment", ["2022-05-05", "2022-05-05T08:00:00+08:00", 1651708800])
def test_moments_are_read_in_the_unit_of_the_timestamp(moment):
    split = SplitConfig(valid_from=moment, test_from="2022-05-06")
    assert split.starts("s") == (1651708800, 1651795200)
    if isinstance(moment, str):
        assert split.starts("ms") == (1651708800_000, 1651795200_000)
    assert SplitConfig().starts("s") is None


@pytest.mark.parametrize(
    "moment", ["2022-05-05", "2022-05-05T08:00:00+08:00", "'2022-05-05'", 1651708800, 1651708800.0]
)
def test_moments_may_stand_in_yaml_without_quotes(moment):
    split = yaml.safe_load(f"{{valid_from: {moment}, test_from: 2022-05-06}}")
    assert SplitConfig.model_validate(split).starts("s") == (1651708800, 1651795200)


def test_moments_that_make_no_split_are_refused():
    with pytest.raises(ConfigError, match=r"'May' is not a moment. Write an ISO date"):
        SplitConfig(valid_from="May", test_from=3).starts("s")
    with pytest.raises(ConfigError, match=r"later than split\.test_from=2.*exchange the two"):
        SplitConfig(valid_from=3, test_from=2).starts("s")


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"valid": 0.6, "test": 0.4}, "leaves none to train on"),
        ({"valid_from": 3}, "valid_from alone. Give both"),
        ({"vald": 0.1}, "split.vald is not a setting. Did you mean split.valid"),
        ({"by": "random"}, "split.by"),
        ({"valid_from": [3], "test_from": 4}, r"a.yaml: split.valid_from: must be an ISO .*\[3\]"),
        ({"valid_from": 3, "test_from": 4.5}, r"a.yaml: split.test_from: must be .*: 4.5\.$"),
        ({"valid_from": True, "test_from": 4}, "split.valid_from: must be .*Received: True"),
    ],
)
def test_wrong_settings_are_refused_with_the_remedy(split, message):
    with pytest.raises(ConfigError, match=message):
        parse(DataConfig, {"source": "x", "split": split}, "a.yaml")
