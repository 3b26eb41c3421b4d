"""When a share of missing values or unknown tokens is far from that of training."""

import numpy as np
import pytest

from features.input_shares import (
    InputCounts,
    InputShares,
    TrainingShares,
    counts_of_split,
    differences,
    in_words,
)


def found(counts, missing=0.1, unknown=0.02):
    training = TrainingShares(
        rows=1000, inputs={"x": InputShares(missing=missing, unknown=unknown)}
    )
    return differences({"x": counts}, training)


def test_many_unknown_tokens_are_named_with_what_training_had():
    (far,) = found(InputCounts(rows=1000, missing=100, tokens=900, unknown=450))
    assert far.in_words() == (
        "x: 50.0 % of 900 tokens are unknown to the model, 2.0 % in training. Check that they are "
        "written as in training, or train again."
    )


@pytest.mark.parametrize("missing", [0, 990])
def test_missing_more_or_less_often_is_told(missing):
    (far,) = found(InputCounts(rows=1000, missing=missing), missing=0.5)
    assert (far.kind, far.share, far.trained) == ("missing", missing / 1000, 0.5)
    assert "missing in" in far.in_words()


@pytest.mark.parametrize(("missing", "is_far"), [(0, False), (990, True)])
def test_a_history_may_be_missing_less_often_than_in_training(missing, is_far):
    training = TrainingShares(rows=1000, inputs={"x": InputShares(missing=0.5, grows=True)})
    far = differences({"x": InputCounts(rows=1000, missing=missing)}, training)
    assert bool(far) == is_far


def test_fewer_unknown_tokens_than_in_training_are_none():
    assert not found(InputCounts(rows=1000, missing=100, tokens=900, unknown=0), unknown=0.5)


def test_an_input_without_a_vocabulary_has_no_unknown_tokens():
    assert not found(InputCounts(rows=1000, missing=100, tokens=900, unknown=900), unknown=None)


@pytest.mark.parametrize(
    ("rows", "missing", "is_far"),
    [
        (299, 299, False),  # too few to say
        (300, 300, True),
        (100_000, 14_900, False),  # certain, and small: 0.049
        (100_000, 15_100, True),
        (300, 48, False),  # 0.06, within five deviations of 0.0212
        (3_000, 510, True),
    ],
)
def test_a_share_is_far_if_it_is_certain_and_large(rows, missing, is_far):
    assert bool(found(InputCounts(rows=rows, missing=missing))) == is_far


def test_random_rows_of_training_itself_are_never_far():
    rng = np.random.default_rng(5)
    for share in (0.0, 0.001, 0.1, 0.5, 1.0):
        for rows in (300, 1_000, 5_000):
            for missing in rng.binomial(rows, share, 2_000):
                assert not found(InputCounts(rows=rows, missing=int(missing)), missing=share)


def test_the_worst_come_first_and_the_others_are_counted():
    inputs = {f"x{n}": InputShares(missing=0.0) for n in range(8)}
    counts = {f"x{n}": InputCounts(rows=1000, missing=100 * (n + 1)) for n in range(8)}
    lines = in_words(differences(counts, TrainingShares(rows=9, inputs=inputs)))
    assert [line.split(":")[0] for line in lines[:-1]] == ["x7", "x6", "x5", "x4", "x3"]
    assert lines[-1] == "3 more shares are as far from training's."


def test_statistics_of_a_split_are_read_back_as_counts():
    features = {
        "x": {"missing_rate": 0.25, "oov_rate": 1 / 3},
        "tags": {"missing_rate": 0.5, "oov_rate": 0.5, "mean_length": 1.5},
        "price": {"missing_rate": 0.125},
    }
    statistics = {"splits": {"test": {"rows": 8, "features": features}}}
    assert counts_of_split(statistics, "test") == {
        "x": InputCounts(8, 2, 6, 2),
        "tags": InputCounts(8, 4, 12, 6),
        "price": InputCounts(8, 1, 7, 0),
    }
