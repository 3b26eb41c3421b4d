import numpy as np
import pytest
import tensorflow as tf

from models.branches import GroupedCross
from models.branches.grouped_cross import _stretches

GROUPS = [[0, 2], [3], [2, 1, 0]]


def tokens(fields: int = 4) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(5, fields, 3)).astype("float32")


def dense(mlp, x, layer):
    kernel, bias = (each.astype("float64") for each in mlp.linears[layer].get_weights())
    return np.maximum(x @ kernel + bias, 0.0)


def test_matches_oracle():
    layer, x = GroupedCross(GROUPS, units=[7, 4], output_units=6), tokens()
    received = layer(x)
    for b in range(5):
        crossed = []
        for group, mlp in zip(GROUPS, layer.group_mlps, strict=True):
            e = np.concatenate([x[b, field].astype("float64") for field in group])
            crossed.append(dense(mlp, dense(mlp, e, 0), 1))
        expected = dense(layer.reduction, np.concatenate(crossed), 0)
        np.testing.assert_allclose(received[b], expected, rtol=1e-4, atol=1e-6)


def test_a_field_in_no_group_changes_nothing():
    layer, x = GroupedCross([[0, 2]], units=[4], output_units=3), tokens()
    before = layer(x).numpy()
    x[:, [1, 3]] += 1.0
    np.testing.assert_array_equal(layer(x), before)
    x[:, 2] += 1.0
    assert (layer(x).numpy() != before).any()


def test_without_output_units_it_leaves_the_groups_side_by_side():
    layer = GroupedCross(GROUPS, units=[4], output_units=None)
    assert layer(tokens()).shape == (5, 3 * 4)


def test_defaults_are_the_papers_sizes():
    layer = GroupedCross([[0]])
    layer(tokens())
    shapes = [tuple(v.shape) for v in layer.weights if v.shape.rank == 2]
    assert shapes == [(3, 1024), (1024, 128), (128, 512)]
    assert GroupedCross.takes == "field_embeddings"


@pytest.mark.parametrize("groups", [[], [[0], []], [[-1]]])
def test_rejects_impossible_groups(groups):
    with pytest.raises(ValueError, match="lists of field positions"):
        GroupedCross(groups)


def test_rejects_inputs_that_lack_a_field_or_are_flat():
    layer = GroupedCross([[0, 4]])
    with pytest.raises(ValueError, match=r"groups=\[\[0, 4\]\].*Received: \(5, 4, 3\)"):
        layer(tokens())
    with pytest.raises(ValueError, match=r"expected field embeddings"):
        GroupedCross([[0]])(tf.zeros((2, 8)))


@pytest.mark.parametrize(
    "groups",
    [[[0, 1, 2], [3, 4]], [[0, 1], [1, 2], [4]], [[4, 3, 0]], [[2, 3], [3, 2], [0, 1, 2, 3, 4]]],
)
def test_groups_are_put_together_from_stretches_of_neighbours(groups):
    stretches = _stretches(groups, 5)
    assert [field for each in stretches for field in each] == list(range(5))
    starts = {each[0]: list(each) for each in stretches}
    for group in groups:
        assert [i for field in group if field in starts for i in starts[field]] == group


def test_groups_of_neighbours_are_single_stretches():
    assert _stretches([[0, 1, 2], [3, 4]], 6) == [range(3), range(3, 5), range(5, 6)]
