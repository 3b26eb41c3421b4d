"""One preset of each wiring, on all inputs of MovieLens, in graphs."""

from pathlib import Path

import pytest

from tests.memory import release_memory_if_large
from tests.pipeline.config.preset_trials import (
    IN_GRAPHS,
    export_and_reload,
    prepared_slice,
    train_and_evaluate,
)
from tests.pipeline.small_movielens import write_small_movielens

DATASET = Path(__file__).parents[3] / "configs/movielens_100k/dataset.yaml"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = write_small_movielens(tmp_path_factory.mktemp("slice"))
    short = [f"features.{name}.max_length=8" for name in ("rated_items", "rated_stars")]
    settings = [f"data.path={folder}", "data.history_partitions=2", "train.batch_size=64", *short]
    return prepared_slice(DATASET, settings, tmp_path_factory.mktemp("bundle") / "movielens")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(IN_GRAPHS))
def test_preset_trains_evaluates_exports_and_reloads(name, data, tmp_path):
    network, scores = train_and_evaluate(name, data, eagerly=False)
    export_and_reload(network, scores, data, tmp_path)
    del network  # and what it traced
    release_memory_if_large()
