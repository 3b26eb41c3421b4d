import numpy as np
import pytest

from models.branches.history_pooling import (
    cleaned,
    compared_histories,
    joined_by_recency,
    mean_step,
)
from models.embeddings.embedded import History

TARGETS = {"views": 0, "skips": 4, "clicks": 4}


def test_every_history_with_a_target_is_compared_unless_some_are_chosen():
    assert compared_histories("din", TARGETS, None) == ("clicks", "skips")
    assert compared_histories("din", TARGETS, ["skips"]) == ("skips",)


@pytest.mark.parametrize(
    ("targets", "chosen", "message"),
    [
        (TARGETS, ["click"], "names 'click', which is not a history. Did you mean clicks?"),
        (TARGETS, ["views"], "'views' has no target.*With a target: clicks, skips"),
        (TARGETS, [], "`histories` is empty"),
        ({"views": 0}, None, r"expected a history with a target.*without: \['views'\]"),
        ({}, None, r"expected a history with a target.*without: \[\]"),
    ],
)
def test_says_which_history_cannot_be_compared(targets, chosen, message):
    with pytest.raises(ValueError, match=message):
        compared_histories("din", targets, chosen)


def test_the_mean_step_counts_events_only():
    steps = np.random.default_rng(0).normal(size=(3, 4, 2)).astype("float32")
    mask = np.array([[True, True, False, False], [False] * 4, [True] * 4])
    steps[0, 2] = np.nan
    history = cleaned(History(steps, mask, steps[:, 0, :0]))
    assert not history.events.numpy()[~mask].any()
    expected = [steps[0, :2].mean(axis=0), [0.0, 0.0], steps[2].mean(axis=0)]
    np.testing.assert_allclose(mean_step(history), expected, 1e-5)


def test_histories_are_joined_from_their_last_events():
    masks = np.array([[True, False], [True, True]]), np.array([[True, True, True], [False] * 3])
    buys = History(np.array([[[1.0], [0]], [[2], [3]]], "float32"), masks[0], np.zeros((2, 0)))
    views = History(np.array([[[4.0], [5], [6]], [[0]] * 3], "float32"), masks[1], buys.target)
    joined = joined_by_recency({"views": views, "buys": buys})
    expected = [[[0, 4], [0, 5], [1, 6]], [[2, 0], [3, 0], [0, 0]]]
    np.testing.assert_array_equal(joined.events, expected)
    np.testing.assert_array_equal(joined.mask, [[True] * 3, [True, True, False]])
    assert joined.target.shape == (2, 0)
    assert joined_by_recency({"buys": buys}) is buys
