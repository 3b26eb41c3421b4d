from pathlib import Path

import pytest
import yaml

from features.config import parse
from features.specs import FeatureSet
from pipeline.data.config import DataConfig
from pipeline.data.sources import SOURCES

FILES = sorted((Path(__file__).parents[3] / "configs").glob("*/dataset.yaml"))
LEAKS = {  # outcomes of an exposure, known only after it
    "kuairand_pure": {
        *("is_click", "is_like", "is_follow", "is_comment", "is_forward", "is_hate", "long_view"),
        *("play_time_ms", "profile_stay_time", "comment_stay_time", "is_profile_enter"),
    },
    "movielens_100k": {"rating"},
}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_a_data_set_declares_what_the_job_needs_and_leaks_nothing(file):
    content = yaml.safe_load(file.read_text())
    data = parse(DataConfig, content.pop("data"), str(file))
    features = parse(FeatureSet, content, str(file))
    assert data.source in SOURCES
    assert all((features.label, features.timestamp, features.group_key, features.groups))
    read_now = {spec.column for spec in features.inputs if not spec.history}
    assert not read_now & LEAKS[data.source]
