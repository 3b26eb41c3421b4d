"""What shows that a network lives, computed by hand on a few rows."""

import json

import numpy as np
import pytest

from pipeline.evaluation.branch_life import branch_life, constant_predictions

NAMES = ("efgc", "deep")


def outputs(rows: int = 30):
    rng = np.random.default_rng(0)
    z = np.maximum(rng.normal(size=(rows, 2, 4)), 0.0).astype("f")
    z[:, 1, :3] = 0.0
    logits = rng.normal(size=(rows, 2)).astype("f")
    return {
        "logit": logits.mean(axis=1),
        "branch_logits": logits,
        # As two batches of a dataset leave it.
        "unit_low": np.stack([z[:9].min(axis=0), z[9:].min(axis=0)]),
        "unit_high": np.stack([z[:9].max(axis=0), z[9:].max(axis=0)]),
    }


def test_matches_what_the_rows_say():
    given = outputs()
    life = branch_life(NAMES, given)
    logits = given["branch_logits"].astype("float64")
    assert life.spread == pytest.approx(
        {
            "fused": np.ptp(given["logit"]),
            "efgc": np.ptp(logits[:, 0]),
            "deep": np.ptp(logits[:, 1]),
        }
    )
    assert life.correlation == pytest.approx([np.corrcoef(logits.T)[0, 1]])
    assert life.logs() == pytest.approx(
        {
            "val_spread": life.spread["fused"],
            "val_spread_efgc": life.spread["efgc"],
            "val_spread_deep": life.spread["deep"],
            "val_dead_units_efgc": 0.0,
            "val_dead_units_deep": 3.0,
            "val_saturated_units_efgc": 0.0,
            "val_saturated_units_deep": 0.0,
            "val_correlation_efgc_deep": life.correlation[0],
        }
    )
    report = life.report()
    assert report["units"] == 4
    assert report["dead_units"] == {"efgc": 0, "deep": 3}
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_a_constant_branch_correlates_with_nothing():
    given = outputs()
    given["branch_logits"][:, 1] = 0.3
    life = branch_life(NAMES, given)
    assert constant_predictions(life.spread) == ["deep"]
    assert life.correlations() == [None]
    assert life.logs()["val_correlation_efgc_deep"] == 0.0


def test_a_network_without_heads_shows_its_fused_prediction_and_units():
    given = outputs()
    del given["branch_logits"]
    logs = branch_life(NAMES, given).logs()
    assert {name for name in logs if "spread" in name or "correlation" in name} == {"val_spread"}
    assert logs["val_dead_units_deep"] == 3.0
