"""Presets and the rows of the papers' tables, on one input of each kind."""

import pytest

from pipeline.config.shipped_files import preset_names
from serving.export_format import names
from tests.memory import release_memory_if_large
from tests.pipeline.config.preset_trials import (
    IN_GRAPHS,
    export_and_reload,
    exported_as,
    prepared_slice,
    train_and_evaluate,
)
from tests.pipeline.small_movielens import write_small_movielens

ROWS = [name for name in preset_names() if name not in IN_GRAPHS]
SIGNATURES_TRIED_ELSEWHERE = (names.RANK, names.CLASSIFY, names.REGRESS)
# Of all that are exported alike, one is.
EXPORTED = {exported_as(name): name for name in reversed(ROWS)}
INPUTS = """
data:
  source: movielens_100k
  path: {folder}
  history_partitions: 2
  split: {{by: time, valid: 0.1, test: 0.1}}
histories:
  ratings: {{key: user_id}}
features:
  liked: {{role: label, column: rating, at_least: 4}}
  time: {{role: timestamp, column: timestamp, unit: s}}
  user: {{role: group_key, column: user_id}}
  user_id: {{kind: categorical}}
  age: {{kind: numeric, transform: zscore}}
  item_id: {{kind: categorical}}
  genres: {{kind: multivalued, separator: " ", max_length: 3}}
  rated: {{kind: sequence, history: ratings, column: item_id, vocabulary: item_id, max_length: 4}}
groups:
  user_x_item: [user_id, age, item_id]
  history_x_item: [rated, item_id, genres]
train:
  batch_size: 64
"""

# What reads the rows is a graph all the same.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Even though the `tf.config.experimental_run_functions_eagerly"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = write_small_movielens(tmp_path_factory.mktemp("slice"))
    dataset = folder / "dataset.yaml"
    dataset.write_text(INPUTS.format(folder=folder))
    return prepared_slice(dataset, [], tmp_path_factory.mktemp("bundle") / "movielens")


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_row_trains_evaluates_exports_and_reloads(name, data, tmp_path):
    network, scores = train_and_evaluate(name, data, eagerly=True)
    if EXPORTED[exported_as(name)] == name:
        export_and_reload(network, scores, data, tmp_path, SIGNATURES_TRIED_ELSEWHERE)
    del network  # and what it traced
    release_memory_if_large()
