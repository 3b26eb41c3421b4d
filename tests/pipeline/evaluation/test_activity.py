"""gAUC by activity: each part is the gAUC of its own groups, by loops."""

import numpy as np
import pytest

from models.metrics import group_auc
from pipeline.evaluation.activity import gauc_by_activity


def rows(seed=1, users=40):
    rng = np.random.default_rng(seed)
    groups = np.repeat(rng.permutation(users) + 100, rng.integers(1, 15, users))
    groups = rng.permutation(groups)
    labels = rng.integers(0, 2, len(groups)).astype("float32")
    probs = {name: np.round(rng.random(len(groups)), 1) for name in ("fused", "deep")}
    return labels, probs, groups


@pytest.mark.parametrize("weight_by", ["impressions", "clicks", "uniform"])
def test_each_part_is_the_gauc_of_its_groups(weight_by):
    labels, probs, groups = rows()
    parts = gauc_by_activity(labels, probs, groups, weight_by, parts=4)
    count = {key: int((groups == key).sum()) for key in set(groups.tolist())}
    assert 2 <= len(parts) <= 4
    for part in parts:
        members = [key for key, n in count.items() if part["least"] <= n <= part["most"]]
        inside = np.isin(groups, members)
        assert part["groups"] == len(members)
        assert part["rows"] == inside.sum()
        both = [key for key in members if len(set(labels[groups == key])) == 2]
        assert part["mixed"] == len(both)
        for name, values in probs.items():
            expected = group_auc(labels[inside], values[inside], groups[inside], weight_by)
            assert part["gauc"][name] == pytest.approx(expected)
    assert sum(part["groups"] for part in parts) == len(count)
    assert sum(part["rows"] for part in parts) == len(labels)
    ends = [end for part in parts for end in (part["least"], part["most"])]
    assert ends == sorted(ends)


def test_parts_hold_about_equally_many_rows():
    groups = np.repeat(np.arange(1_000), np.arange(1_000) % 100 + 1)
    labels = np.arange(len(groups)) % 2
    parts = gauc_by_activity(labels, {"fused": labels / 2.0}, groups, "uniform")
    assert len(parts) == 5
    for part in parts:
        assert part["rows"] == pytest.approx(len(groups) / 5, abs=1_000)  # of one size


def test_a_part_ends_with_the_size_that_fills_it():
    groups = np.array([0, 1, 2, 3, 4, 4, 4, 4])
    parts = gauc_by_activity(groups % 2, {"fused": groups / 8.0}, groups, "uniform", parts=2)
    assert [(part["least"], part["most"], part["rows"]) for part in parts] == [(1, 1, 4), (4, 4, 4)]


def test_groups_of_one_class_have_no_gauc():
    parts = gauc_by_activity(np.ones(6), {"fused": np.ones(6) / 2.0}, np.arange(6), "impressions")
    assert [part["gauc"] for part in parts] == [{"fused": None}]
    assert parts[0]["mixed"] == 0
    assert gauc_by_activity(np.ones(0), {"fused": np.ones(0)}, np.ones(0), "uniform") == []
