import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from models.network.branch_alone import branch_alone
from models.network.cost import num_parameters
from models.spec.build_network import build_network
from pipeline.config.run_config import RunConfig
from pipeline.export.fill_model_card import auc_standard_error, model_card
from serving.variants.variant import Variant
from tests.pipeline.conftest import FEATURES

CONFIG = RunConfig.model_validate(
    {
        "data": {"source": "movielens_100k"},
        "features": {
            name: spec.model_dump(exclude={"name"}) for name, spec in FEATURES.features.items()
        },
        "groups": FEATURES.groups,
        "histories": {name: each.model_dump() for name, each in FEATURES.histories.items()},
        "model": {
            "embedding": {"embedding_dim": 4},
            "branches": {"efgc": {"units": [8], "output_units": 8}, "deep": {"units": [8]}},
            "alignment": {"type": "shared_mlp", "units": [6]},
        },
    }
)
VALUES = {"auc": 0.8, "gauc": 0.7, "logloss": 0.5, "normalized_entropy": 0.9, "calibration": 1.1}
METRICS = {
    "training": {"best_epoch": 3},
    "evaluation": {
        "test": {
            "rows": 400,
            "click_rate": 0.25,
            "metrics": {"fused": VALUES, "efgc": VALUES, "deep": VALUES},
        }
    },
}


@pytest.fixture(scope="module")
def network(random_bundle):
    return build_network(CONFIG.model, random_bundle.metadata.model_inputs(), CONFIG.groups)


def bundle_with(bundle, oov: dict[str, float], **rule):
    """The same bundle with other statistics and another split."""
    features = {name: {"oov_rate": rate} for name, rate in oov.items()}
    metadata = bundle.metadata.model_copy(update={"split_rule": rule})
    statistics = {"splits": {"test": {"features": features}}}
    return SimpleNamespace(metadata=metadata, statistics=statistics)


def test_says_what_was_measured(random_bundle, network):
    bundle = bundle_with(
        random_bundle, {"user": 0.86, "item": 0.01, "gone": 0.9}, by="time", column="time"
    )
    metrics = METRICS | {"findings": ["test rows: calibration 1.50: too many clicks"]}
    card = model_card("a", CONFIG, bundle, network, metrics, FEATURES)
    assert "Test rows: calibration 1.50: too many clicks." in card.limits
    assert card.metrics["test"]["deep"] == {
        "auc": 0.8,
        "gauc": 0.7,
        "logloss": 0.5,
        "ne": 0.9,
        "calibration": 1.1,
    }
    assert card.data.rows == random_bundle.metadata.rows
    assert card.data.label == "clicked"
    assert card.network.branches == ["efgc", "deep"]
    assert card.feature_groups == {"pair": ["user", "item"]}
    limits = " ".join(card.limits)
    assert "out of vocabulary: user 86%." in limits
    assert "split by time" in limits
    assert "epoch 3" in limits
    error = auc_standard_error(0.8, 100, 300)
    assert f"400 test rows; its standard error is about {error:.4f}" in limits


def test_says_what_is_not_known(random_bundle, network):
    card = model_card("a", CONFIG, random_bundle, network, {}, FEATURES)  # without statistics
    assert card.metrics == {}
    assert card.limits[0].startswith("The network was not evaluated")
    bundle = bundle_with(random_bundle, {}, by="hash", valid_is_test=True)
    limits = " ".join(model_card("a", CONFIG, bundle, network, METRICS, FEATURES).limits)
    assert "validation rows are the test rows" in limits
    assert "not split by time" in limits


def test_a_branch_alone_has_its_own_parameters(random_bundle, network):
    whole = model_card("a", CONFIG, random_bundle, network, METRICS, FEATURES)
    trained = sum(num_parameters(each) for each in network.trainable_weights)
    assert whole.network.parameters == trained - 6 * 6  # those of moderate differentiation
    alone = branch_alone(network, "efgc")
    variant = Variant("bfloat16", "efgc")
    card = model_card(
        "a", CONFIG, random_bundle, alone, METRICS, FEATURES, variant, "probabilities differ"
    )
    # Tables of user (8 ids) and item (14), an MLP of two tokens, FC, alignment, head.
    assert card.network.parameters == (8 + 14) * 4 + (8 + 1) * 8 + (8 + 1) * 8 + (8 + 1) * 6 + 7
    assert card.network.fusion is None
    assert "the branch efgc alone" in " ".join(card.limits)
    assert card.limits[-1] == "Its probabilities differ."


def test_the_standard_error_is_that_of_drawn_samples():
    rng = np.random.default_rng(0)
    positives, negatives = 60, 90

    def auc_of_one_draw() -> float:
        p, n = rng.exponential(4.0, positives), rng.exponential(1.0, negatives)
        return float(np.mean(p[:, None] > n))  # its expectation is 4 / 5

    draws = [auc_of_one_draw() for _ in itertools.repeat(None, 3000)]
    assert np.mean(draws) == pytest.approx(0.8, abs=0.005)
    assert auc_standard_error(0.8, positives, negatives) == pytest.approx(np.std(draws), rel=0.1)
