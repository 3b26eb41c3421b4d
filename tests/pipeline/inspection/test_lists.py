"""Columns of several values, of which some have weights."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.inspection.facts import facts_of
from pipeline.inspection.kinds import propose_kind

ROWS = 200


def proposed(values):
    facts = facts_of({"tags": pa.array(values, pa.string())})
    return propose_kind(facts["tags"], facts).settings


def rows_of(write, separator):
    rng = np.random.default_rng(2)
    return [
        separator.join(write(tag, rng.random()) for tag in rng.permutation(9)[: 1 + row % 4])
        for row in range(ROWS)
    ]


@pytest.mark.parametrize("separator", ["|", ",", " ", ";"])
def test_weights_behind_tags_are_dropped_by_a_setting_that_says_so(separator):
    settings = proposed(rows_of(lambda tag, weight: f"t{tag}:{weight:.2f}", separator))
    expected = {"kind": "multivalued", "separator": separator, "drop_weights": ":"}
    assert settings == {**expected, "max_length": 4}


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda tag, weight: f"t{tag}", id="no weights"),
        pytest.param(lambda tag, weight: f"t{tag}:{int(9 * weight)}", id="whole numbers"),
        pytest.param(lambda tag, weight: f"{tag}:{tag}:{weight:.1f}", id="two numbers"),
    ],
)
def test_what_may_be_an_id_is_none_with_a_weight(write):
    assert "drop_weights" not in proposed(rows_of(write, "|"))
