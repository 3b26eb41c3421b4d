import pytest
import tensorflow as tf
import tf_keras

from models import cooperation
from models.cooperation import CooperationLoss

LOSSES = [
    each
    for each in vars(cooperation).values()
    if isinstance(each, type) and issubclass(each, tf_keras.layers.Layer)
]


def test_every_loss_derives_from_the_base():
    assert len(LOSSES) > 7
    assert all(issubclass(loss, CooperationLoss) for loss in LOSSES)


def test_computes_in_float32_unless_told_otherwise():
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        assert CooperationLoss().compute_dtype == "float32"
        assert CooperationLoss(dtype="float64").compute_dtype == "float64"
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")


def test_compares_branches_and_needs_no_teachers_unless_it_says_so():
    assert (CooperationLoss.pairwise, CooperationLoss.needs_teachers) == (True, False)
    pairwise = {loss.__name__ for loss in LOSSES if not loss.pairwise}
    taught = {loss.__name__ for loss in LOSSES if loss.needs_teachers}
    assert pairwise == taught == {"EnsembleDistillation"}


@pytest.mark.parametrize("takes", [("logit", "labels"), ("labels", "logit")])
def test_is_called_on_what_it_takes_the_first_by_position(takes):
    class Own(CooperationLoss):
        def call(self, first, **others):
            given = {name: x for name, x in others.items() if name in ("logit", "labels")}
            return first - tf.add_n(list(given.values()))

    loss = Own()
    loss.takes = takes
    tensors = {"logit": tf.constant(3.0), "labels": tf.constant(1.0), "inputs": tf.constant(9.0)}
    assert loss.loss_of(tensors) == tensors[takes[0]] - tensors[takes[1]]
