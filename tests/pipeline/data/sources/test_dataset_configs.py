from pathlib import Path

import pytest

from pipeline.config.config_files import load_config
from pipeline.data.sources import SOURCES

FILES = sorted((Path(__file__).parents[4] / "configs").glob("*/dataset.yaml"))
LEAKS = {  # outcomes of an exposure, known only after it
    "amazonelectronics_x1": {"label"},
    "avazu": {"click", "id"},
    "avazu_x1": {"label"},
    "avazu_x4": {"click", "id"},
    "criteo": {"label"},
    "criteo_x1": {"label"},
    "criteo_x4": {"Label"},
    "kuaivideo": {"is_click", "is_like", "is_follow", "playing_time"},
    "kuaivideo_x1": {"is_click", "is_like", "is_follow"},
    "amazon_electronics": {"rating"},
    "kuairand_pure": {
        *("is_click", "is_like", "is_follow", "is_comment", "is_forward", "is_hate", "long_view"),
        *("play_time_ms", "profile_stay_time", "comment_stay_time", "is_profile_enter"),
    },
    "movielens_100k": {"rating"},
    "movielens_1m": {"rating"},
    "movielens_1m_pairs": {"rating_ge_4"},
    "synthetic:image2product": {"click"},
    "taobao_ad": {"clk", "nonclk"},
    "taobaoad_x1": {"clk"},
}
WITHOUT_USERS = {"avazu", "avazu_x1", "avazu_x4", "criteo", "criteo_x1", "criteo_x4"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_a_data_set_declares_what_the_job_needs_and_leaks_nothing(file):
    config = load_config(file, check=False)
    data, features = config.data, config.feature_set
    assert data.source in SOURCES
    assert all((features.label, features.groups))
    assert (features.group_key is None) == (data.source in WITHOUT_USERS)
    assert features.timestamp or data.split.by in ("hash", "files")
    read_now = {spec.column for spec in features.inputs if not spec.history}
    assert not read_now & LEAKS[data.source]
