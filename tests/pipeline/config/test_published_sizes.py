"""Networks of the open benchmark's runs have as many weights as the logs of these runs say."""

import pytest

from features.inputs import placeholder_inputs
from models.network.cost import parameters_by_part
from models.spec.build_network import build_network
from pipeline.config.config_files import load_config

# Rows of all tables of a run, and their width.
AMAZON = (63_003 + 803) * 64
TAOBAO = 1_295_075 * 32 + 32  # and the vector of `price`
KUAI = (10_002 + 632_406) * 64  # those of the pictures are given, and not counted
# Of its weights, those that are not here because another one does the same: biases in front of
# batch normalisation and of a softmax, and the second ones of the gates of DIEN's second GRU.
NORMALISED, SOFTMAX = 1024 + 512 + 256, 1


def dense_weights(run: str) -> int:
    """Weights of a run's network beside the rows of its tables."""
    config = load_config(run)
    network = build_network(config.model, placeholder_inputs(config.feature_set), config.groups)
    layout = network.embeddings.layout
    rows = sum(table.num_rows for table in layout.tables)
    in_rows = rows * (config.model.field_dim + len(layout.first_order))
    return sum(parameters_by_part(network).values()) - in_rows


@pytest.mark.parametrize(
    ("run", "published", "tables", "redundant"),
    [
        ("amazonelectronics_x1/din", 5_403_522, AMAZON, NORMALISED + SOFTMAX),
        ("amazonelectronics_x1/dien", 5_369_602, AMAZON, NORMALISED + SOFTMAX + 2 * 128),
        ("amazonelectronics_x1/dcnv2", 5_138_561, AMAZON, NORMALISED),
        ("taobaoad_x1/din", 42_263_682, TAOBAO, 0),
        ("taobaoad_x1/dien", 42_376_194, TAOBAO, SOFTMAX + 2 * 96),
        ("taobaoad_x1/dcnv2", 43_576_577, TAOBAO, 0),
        ("kuaivideo_x1/din", 43_032_835, KUAI, 0),
        ("kuaivideo_x1/dien", 43_034_627, KUAI, 2 * (SOFTMAX + 2 * 128)),
        ("kuaivideo_x1/dcnv2", 42_648_897, KUAI, NORMALISED),
    ],
)
def test_dense_weights_are_those_of_the_published_run(run, published, tables, redundant):
    dense = dense_weights(run)
    if "taobao" in run:
        dense -= 32  # of `price`, which `tables` has
    assert dense + redundant == published - tables


def test_the_published_xdeepfm_has_first_order_weights_of_histories_of_their_own():
    """A weight for every id that an item, a category or one of a history may be.

    Here histories share those of their vocabulary. Without a bias there is one weight less: the
    linear part's.
    """
    dense = dense_weights("amazonelectronics_x1/xdeepfm")
    assert dense - 1 + NORMALISED + 2 * (63_003 + 803) == 5_664_254 - AMAZON


@pytest.mark.parametrize("dataset", ["amazonelectronics_x1", "taobaoad_x1", "kuaivideo_x1"])
def test_components_of_cetnet_are_those_of_the_published_runs_with_rows_of_32(dataset):
    pair = load_config(f"{dataset}/cetnet_din_dien")
    assert (pair.model.field_dim, pair.train.seed) == (32, 42)
    for name in ("din", "dien"):
        alone = load_config(f"{dataset}/{name}", check=False)
        assert pair.model.branches[name] == alone.model.branches[name]
        assert alone.model.embedding.l2 > 0.0
        assert alone.train.tables.optimizer == "adam"
