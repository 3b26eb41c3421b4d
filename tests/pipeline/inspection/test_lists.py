"""Columns of several values, of which some have weights."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.inspection.facts import facts_of
from pipeline.inspection.kinds import propose_kind

ROWS = 200


def column_of(values):
    kind = pa.string() if isinstance(values[0], str) else pa.list_(pa.string())
    facts = facts_of({"tags": pa.array(values, kind)})
    return propose_kind(facts["tags"], facts)


def proposed(values):
    return column_of(values).settings


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


@pytest.mark.parametrize(
    ("write", "is_padded"),
    [
        pytest.param(lambda tags: ["0"] * (4 - len(tags)) + tags, True, id="in front"),
        pytest.param(lambda tags: tags + ["0"] * (4 - len(tags)), True, id="behind"),
        pytest.param(lambda tags: ["7", "0", *tags, "7", "7"][:4], False, id="inside"),
        pytest.param(lambda tags: tags, False, id="none"),
    ],
)
def test_padding_that_somebody_put_there_is_told(write, is_padded):
    rows = [[str(1 + (row + place) % 9) for place in range(row % 4 + 1)] for row in range(ROWS)]
    assert ("0 for padding" in column_of([write(row) for row in rows]).reason) == is_padded


@pytest.mark.parametrize(("size", "transform"), [(1.0, None), (900.0, "zscore"), (0.01, "zscore")])
def test_vectors_of_large_or_small_numbers_are_scaled(size, transform):
    rng = np.random.default_rng(1)
    rows = [" ".join(f"{size * x:.5f}" for x in row) for row in rng.normal(size=(50, 3))]
    facts = facts_of({"vector": pa.array(rows)})["vector"]
    column = propose_kind(facts, {"vector": facts})
    assert column.kind == " ".join(filter(None, ["embedding", transform]))
