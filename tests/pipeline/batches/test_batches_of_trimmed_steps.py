"""Batches whose histories are cut: the same rows, and nothing cut that an example has."""

import numpy as np
import pytest

from pipeline.batches.dataset import examples
from pipeline.batches.hidden_tokens import Hidden
from pipeline.batches.position import Position
from pipeline.batches.trimmed_steps import trim_steps

HIDDEN = {"seen": Hidden(0.5, 1)}


def batches(bundle, **arguments):
    settings = {"batch_size": 4, "epochs": 2, "seed": 5, "shuffle_rows": 32, **arguments}
    return list(examples(bundle, "train", **settings).as_numpy_iterator())


def cut_by_hand(batch):
    """The batch with its one sequence cut: row by row, step by step."""
    inputs, *others = batch
    longest = max(
        (step + 1 for row in inputs["seen"] for step, token in enumerate(row) if token), default=0
    )
    return ({**inputs, "seen": inputs["seen"][:, : longest + 1]}, *others)


def assert_equal_batches(received, expected):
    assert len(received) == len(expected)
    for (inputs, *others), (expected_inputs, *expected_others) in zip(
        received, expected, strict=True
    ):
        for name, values in expected_inputs.items():
            np.testing.assert_array_equal(inputs[name], values)
        np.testing.assert_array_equal(others, expected_others)


@pytest.mark.parametrize("arguments", [{}, {"epochs": None}, {"hidden": HIDDEN}])
def test_every_batch_is_cut_behind_its_longest_history(random_bundle, arguments):
    whole, trimmed = (
        batches(random_bundle, trimmed=trimmed, **arguments) for trimmed in (False, True)
    )
    assert_equal_batches(trimmed, [cut_by_hand(batch) for batch in whole])
    assert len({inputs["seen"].shape[1] for inputs, *_ in trimmed}) > 1


def test_a_training_that_goes_on_is_given_the_same_cuts(random_bundle):
    whole = batches(random_bundle, trimmed=True, hidden=HIDDEN)
    rest = batches(random_bundle, trimmed=True, hidden=HIDDEN, start=Position(1, 3))
    assert_equal_batches(rest, whole[26 + 3 :])


def test_a_worker_cuts_its_own_part(random_bundle):
    whole = batches(random_bundle)
    part = batches(random_bundle, trimmed=True, shard=(1, 2))
    halves = [
        ({name: x[len(x) // 2 :][: len(x) // 2] for name, x in inputs.items()}, label[2:])
        for inputs, label in whole
        if len(label) == 4
    ]
    assert_equal_batches([b for b in part if len(b[1]) == 2], [cut_by_hand(b) for b in halves])


def test_sequences_of_a_history_are_cut_together():
    features = {
        "clicked": np.array([[3, 0, 0, 0, 0], [0, 0, 0, 0, 0]]),
        "rating": np.array([[0, 0, 2, 0, 0], [1, 0, 0, 0, 0]]),
        "bought": np.array([[1, 1, 1], [0, 0, 0]]),
        "passed": np.zeros((2, 4), int),
        "user": np.array([1, 2]),
    }
    histories = [("clicked", "rating"), ("bought",), ("passed",)]
    trimmed = trim_steps(features, histories)
    shapes = {name: tuple(x.shape) for name, x in trimmed.items()}
    assert shapes == {
        "clicked": (2, 4),
        "rating": (2, 4),
        "bought": (2, 3),  # nothing was padding in its first row
        "passed": (2, 1),
        "user": (2,),
    }
    for name, x in trimmed.items():
        np.testing.assert_array_equal(
            x, features[name][:, : x.shape[1]] if x.ndim > 1 else features[name]
        )


def test_no_rows_keep_one_step():
    trimmed = trim_steps({"bought": np.zeros((0, 3), int)}, [("bought",)])
    assert trimmed["bought"].shape == (0, 1)
