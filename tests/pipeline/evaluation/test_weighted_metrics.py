import numpy as np
import pytest

from models.metrics import calibration, logloss, normalized_entropy
from pipeline.evaluation.scores import FUSED, Scores
from pipeline.evaluation.weighted_metrics import weighted_metrics

RNG = np.random.default_rng(7)
LABELS = RNG.integers(0, 2, 50).astype(float)
PROBS = RNG.random(50)
WEIGHTS = RNG.integers(0, 4, 50)


def test_a_row_counts_as_if_it_stood_there_as_often_as_its_weight_says():
    labels, probs = np.repeat(LABELS, WEIGHTS), np.repeat(PROBS, WEIGHTS)
    assert weighted_metrics(LABELS, PROBS, WEIGHTS) == pytest.approx(
        {
            "weighted_logloss": logloss(labels, probs),
            "weighted_normalized_entropy": normalized_entropy(labels, probs),
            "weighted_calibration": calibration(labels, probs),
        },
        abs=1e-12,
    )


@pytest.mark.parametrize("labels", [[0.0, 0.0], [1.0, 1.0], []])
def test_what_the_rows_do_not_define_is_nan(labels):
    found = weighted_metrics(np.array(labels), np.full(len(labels), 0.5), np.ones(len(labels)))
    assert np.isnan(found["weighted_normalized_entropy"])


def test_they_stand_beside_the_others_where_rows_have_weights():
    with_weights = Scores(LABELS, {FUSED: PROBS}, None, WEIGHTS).metrics("uniform")[FUSED]
    without = Scores(LABELS, {FUSED: PROBS}, None).metrics("uniform")[FUSED]
    assert with_weights == without | weighted_metrics(LABELS, PROBS, WEIGHTS)
