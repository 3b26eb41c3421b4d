"""What `make quality` refuses: means outside of their tolerance, in either direction."""

import math

import pytest
import yaml

from benchmarks.quality.deviations import deviations
from benchmarks.quality.thresholds import FILE
from pipeline.config.shipped_files import config_names

EXPECTED = {"auc": {"mean": 0.75, "tolerance": 0.005}}


@pytest.mark.parametrize(
    ("values", "right"),
    [([0.745, 0.755], True), ([0.7551], False), ([0.74], False), ([math.nan], False)],
)
def test_means_inside_of_their_tolerance_are_right(values, right):
    found = deviations("a/b", EXPECTED, {"auc": values})
    assert (found == []) == right
    if not right:
        assert "a/b: auc" in str(found[0])
        assert "from 0.7500, more than 0.0050" in str(found[0])


def test_every_threshold_is_of_a_configuration_and_was_measured():
    for name, expected in yaml.safe_load(FILE.read_text()).items():
        assert name in config_names()
        assert expected["seeds"] > 1
        for threshold in expected["metrics"].values():
            assert threshold["mean"] > threshold["tolerance"] > 0.0
