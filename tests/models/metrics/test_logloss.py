import numpy as np
import pytest
from sklearn.metrics import log_loss

from models.metrics import calibration, logloss

RNG = np.random.default_rng(0)
LABELS, PROBS = RNG.integers(0, 2, 3000), RNG.random(3000)


def test_equals_scikit_learn_also_at_0_and_1():
    probs = PROBS.copy()
    probs[:20] = np.tile([0.0, 1.0], 10)
    assert logloss(LABELS, probs) == pytest.approx(log_loss(LABELS, probs), abs=1e-9)


def test_calibration_is_expected_over_observed():
    assert calibration(LABELS, PROBS) == pytest.approx(PROBS.sum() / LABELS.sum())
    assert np.isnan(calibration([0, 0], [0.1, 0.2]))


def test_no_rows_are_nan():
    assert np.isnan(logloss([], []))


def test_rejects_logits_and_unequal_lengths():
    with pytest.raises(ValueError, match=r"apply the sigmoid.*-3.0 to 0.5"):
        logloss([1, 0], [-3.0, 0.5])
    with pytest.raises(ValueError, match="2 and 1 entries"):
        calibration([1, 0], [0.5])
