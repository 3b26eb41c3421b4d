import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import roc_auc_score

from models.metrics import GroupAUC, group_auc
from tests.replicas import per_replica


def oracle(labels, scores, groups, weight_by):
    areas, weights = [], []
    for group in set(groups.tolist()):
        mine = groups == group
        if 0 < labels[mine].sum() < mine.sum():
            areas.append(roc_auc_score(labels[mine], scores[mine]))
            weights.append(
                {"impressions": mine.sum(), "clicks": labels[mine].sum()}.get(weight_by, 1)
            )
    return np.average(areas, weights=weights)


def rows(count: int = 2000):
    rng = np.random.default_rng(0)
    labels = (rng.random(count) < 0.3).astype("int64")
    return labels, rng.normal(size=count).round(1), rng.integers(0, 300, count)


@pytest.mark.parametrize("weight_by", ["impressions", "clicks", "uniform"])
def test_matches_oracle(weight_by):
    assert group_auc(*rows(), weight_by=weight_by) == pytest.approx(
        oracle(*rows(), weight_by), abs=1e-9
    )


def test_weights_by_impressions_unless_told():
    assert group_auc(*rows()) == group_auc(*rows(), weight_by="impressions")


def test_one_group_is_the_auc_and_no_mixed_group_is_nan():
    labels, scores, groups = rows()
    assert group_auc(labels, scores, 0 * groups) == pytest.approx(roc_auc_score(labels, scores))
    assert np.isnan(group_auc([1, 0], [0.1, 0.2], ["a", "b"]))
    assert np.isnan(group_auc([], [], []))


def test_rejects_an_unknown_weighting():
    with pytest.raises(ValueError, match=r"impressions, clicks, uniform.*'rows'"):
        group_auc([1, 0], [0.1, 0.2], [1, 1], weight_by="rows")


def test_the_metric_is_exact_over_batches_in_a_graph_and_resets():
    metric = GroupAUC("clicks")
    assert np.isnan(metric.result())

    @tf.function
    def update(*columns):
        metric.update_state(*columns)

    columns = rows()
    for start in range(0, 2000, 700):
        update(*(tf.constant(each[start : start + 700]) for each in columns))
    assert metric.result().numpy() == pytest.approx(oracle(*columns, "clicks"), abs=1e-9)
    metric.reset_state()
    assert np.isnan(metric.result())
    assert GroupAUC.from_config(metric.get_config()).weight_by == "clicks"


def test_the_metric_sees_the_rows_of_all_replicas(two_replicas):
    with two_replicas.scope():
        metric = GroupAUC()
    columns = rows(100)

    def update(*columns):
        metric.update_state(*columns)
        return tf.constant(0)

    per_replica(two_replicas, update, *columns, at=30)
    assert metric.result().numpy() == pytest.approx(oracle(*columns, "impressions"), abs=1e-9)
