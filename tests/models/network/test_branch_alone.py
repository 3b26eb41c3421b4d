import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from features.errors import ExportError
from models.alignment import Alignment, as_alignment
from models.network.branch_alone import branch_alone
from models.network.outputs import NetworkOutputs
from tests.models import small

BRANCHES = small.SETTINGS["branches"]
NETWORKS = {
    "one embedding set": {},
    "an embedding set each": {"tables": "per_branch"},
    "an alignment each": {"alignment": {"type": "mlp_per_branch", "units": [6]}},
    "no alignment": {"alignment": {"type": "none"}},
    "an MLP in front of every head": {"projection": {"units": [5]}},
    "embedding sets of unequal lengths": {
        "tables": "per_branch",
        "embedding": {
            "embedding_dim": 4,
            "stddev": 0.5,
            "numeric": "mlp",
            "set_dims": {"cross": 3, "wide": 2},
        },
        "branches": {**BRANCHES, "wide": {"type": "wide_and_deep", "units": [8]}},
        "alignment": {"type": "mlp_per_branch", "units": [6]},
    },
    "vectors that are given": {
        "tables": "per_branch",
        "embedding": {
            "embedding_dim": 4,
            "stddev": 0.5,
            "given": {"item": {"path": "vectors.h5", "dimension": 3}},
        },
    },
    "unequal widths": {
        "branches": {"deep": {"units": [5]}, "cross": {"type": "cross_v2", "output_units": 8}},
        "alignment": {"type": "none"},
        "fusion": {"type": "concat"},
        "cooperation": {},
    },
    "one token of all numbers": {
        "tables": "per_branch",
        "embedding": {"embedding_dim": 4, "stddev": 0.5, "numeric": "mlp", "numeric_units": [5]},
        "branches": {**BRANCHES, "wide": {"type": "wide_and_deep", "units": [8]}},
        "alignment": {"type": "mlp_per_branch", "units": [6]},
    },
    "sines and cosines of numbers": {
        "tables": "per_branch",
        "embedding": {"embedding_dim": 4, "stddev": 0.5, "numeric": "periodic"},
        "branches": {**BRANCHES, "wide": {"type": "wide_and_deep", "units": [8]}},
        "alignment": {"type": "mlp_per_branch", "units": [6]},
    },
    "other dimensions and shared rows": {
        "tables": "per_branch",
        "embedding": {
            "embedding_dim": 4,
            "stddev": 0.5,
            "embedding_dims": {"item": 2, "genres": 3},
            "compressed": {
                "user": {"type": "hashed", "rows": 5},
                "item": {"type": "quotient_remainder", "rows": 4},
            },
        },
    },
    "first order weights and extra embedding sets": {
        "tables": "per_branch",
        "branches": {
            **{name: BRANCHES[name] for name in ("cross", "deep")},
            "wide": {"type": "wide_and_deep", "units": [8]},
            "mlps": {"type": "finalmlp", "context_1": ["user"], "context_2": ["item"]},
            "din": {"type": "din", "units": [8]},
        },
        "alignment": {"type": "mlp_per_branch", "units": [6]},
    },
}


@pytest.fixture(scope="module", params=NETWORKS.values(), ids=NETWORKS)
def network(request):
    made = small.network(**request.param)
    for weight in made.weights:  # biases and first-order weights start from 0: nothing to notice
        if weight.dtype == tf.float32 and "moving_variance" not in weight.name:
            noise = np.random.default_rng(len(weight.name)).normal(scale=0.3, size=weight.shape)
            weight.assign_add(noise.astype("float32"))
    return made


def test_each_has_the_logit_that_its_head_has_in_the_network(network):
    x = small.features(np.random.default_rng(1), 40)
    expected = network(x, training=False).branch_logits.numpy()
    assert np.ptp(expected, axis=0).min() > 0.01  # rows that are all alike would prove nothing
    for i, name in enumerate(network.branch_names):
        alone = branch_alone(network, name)
        read = {each.name: x[each.name] for each in alone.embeddings.layout.inputs}
        outputs = alone(read, training=False)
        assert outputs == NetworkOutputs(logit=outputs.logit)
        np.testing.assert_allclose(outputs.logit, expected[:, i : i + 1], atol=1e-6)
        assert alone(
            {key: value[:0] for key, value in read.items()}, training=False
        ).logit.shape == (
            0,
            1,
        )


def test_tables_keep_the_columns_of_the_branch_and_inputs_that_it_reads():
    network = small.network(tables="per_branch")
    (whole,) = network.embeddings.tables
    assert whole.table.shape == (45, 3 * 4)
    (cut,) = branch_alone(network, "deep").embeddings.tables
    assert cut.table.shape == (45, 4)
    alone = branch_alone(network, "efgc")
    # Its groups name user, item, genres and clicked; `rating` is aligned with `clicked`.
    names = [each.name for each in alone.embeddings.layout.inputs]
    assert names == ["user", "item", "genres", "clicked", "rating"]
    assert set(alone.embeddings.projections) == set()


def test_other_branches_weights_are_not_part_of_it():
    network = small.network()
    alone = branch_alone(network, "cross")
    mine = {id(each) for each in alone.branch.weights + alone.head.weights}
    assert mine <= {id(each) for each in alone.weights}
    others = network.branches["deep"].weights + network.head_layers["fused"].weights
    assert not {id(each) for each in others} & {id(each) for each in alone.weights}


class Mixing(tf_keras.layers.Layer):
    """Stands for an alignment of one's own that looks at all branches."""


class MixingAlignment(Alignment):
    """One that derives from the base."""


def test_says_why_a_branch_cannot_be_exported():
    network = small.network()
    with pytest.raises(ExportError, match=r"no branch 'depe'. Did you mean deep\?"):
        branch_alone(network, "depe")
    for alignment, name in ((Mixing(), "Mixing"), (MixingAlignment(), "MixingAlignment")):
        network.alignment = as_alignment(alignment)
        with pytest.raises(
            ExportError, match=f": {name} aligns branches with each other.*whole network"
        ):
            branch_alone(network, "deep")
    fused = small.network(heads="fused", cooperation={})
    with pytest.raises(ExportError, match=r"'deep' has no logit of its own.*train with heads: all"):
        branch_alone(fused, "deep")
