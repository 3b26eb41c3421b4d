"""The real network through the whole of an export; its own tests are in tests/models."""

import numpy as np
import pytest
import tf_keras

from models.spec.build_network import build_network
from models.spec.network_config import NetworkConfig
from serving.exporting.export import expected_scores, export
from serving.scoring.scorer import Scorer

CONFIG = {
    "embedding": {"embedding_dim": 4, "stddev": 0.5},
    "branches": {
        "efgc": {"type": "efgc", "units": [16, 8], "output_units": 8},
        "cross": {"type": "low_rank_cross_mixture", "rank": 4, "output_units": 8},
        "deep": {"units": [64, 32, 8]},
    },
    "alignment": {"type": "shared_mlp", "units": [16, 8]},
}


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_a_cooperative_network_is_exported_and_verified(policy, bundle, rows, tmp_path):
    tf_keras.utils.set_random_seed(3)
    tf_keras.mixed_precision.set_global_policy(policy)
    try:
        network = build_network(
            NetworkConfig.model_validate(CONFIG),
            bundle.metadata.model_inputs(),
            bundle.metadata.features.groups,
        )
        version = export(network, bundle, tmp_path, rows)  # verifies
        expected = expected_scores(network, bundle, rows)
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")
    received = Scorer(version).score(rows, branches=True)
    assert list(received) == ["prob", "prob_cross", "prob_deep", "prob_efgc"]
    for name, value in received.items():
        assert value.dtype == np.float32
        np.testing.assert_allclose(value, expected[name], atol=1e-6, err_msg=name)
