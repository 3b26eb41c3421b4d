import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from models.metrics import auc, auc_by_group


@pytest.mark.parametrize("ties", [False, True])
def test_equals_scikit_learn(ties):
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 5000), rng.normal(size=5000)
    scores = scores.round(1) if ties else scores
    assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-9)


def test_a_constant_score_is_one_half_and_one_class_is_nan():
    assert auc([0, 1, 1], [0.3, 0.3, 0.3]) == 0.5
    assert np.isnan(auc([1, 1], [0.1, 0.2]))
    assert np.isnan(auc([], []))


def test_every_group_equals_scikit_learn_on_its_rows():
    rng = np.random.default_rng(1)
    groups = rng.choice(["a", "b", "c", "d"], 300, p=[0.5, 0.3, 0.19, 0.01])
    labels, scores = rng.integers(0, 2, 300), rng.normal(size=300).round(1)
    labels[groups == "d"] = 1
    rows, positives, areas = auc_by_group(labels, scores, groups)
    for i, group in enumerate(np.unique(groups)):
        mine = groups == group
        assert (rows[i], positives[i]) == (mine.sum(), labels[mine].sum())
        if group == "d":
            assert np.isnan(areas[i])
        else:
            assert areas[i] == pytest.approx(roc_auc_score(labels[mine], scores[mine]), abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], [0.1], [1, 2]), "2, 1 and 2 entries"),
        (([0, 2], [0.1, 0.2], [1, 2]), r"must be 0 or 1. Received: \[0, 2\]"),
        (([0, 1], [0.1, np.nan], [1, 2]), "finite. Received: 1"),
    ],
)
def test_says_what_is_wrong_with_its_rows(arguments, message):
    with pytest.raises(ValueError, match=message):
        auc_by_group(*arguments)
