import numpy as np
import pytest

from models.branches.history_pooling import cleaned, compared_histories, mean_step
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
