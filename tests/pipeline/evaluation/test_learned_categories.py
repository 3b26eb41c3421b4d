"""What branches learn best: counted row by row."""

import math

import numpy as np

from pipeline.evaluation.learned_categories import best_learned, category_shares


def test_best_learned_rows_have_the_lowest_loglosses():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 50).astype("float32")
    probs = {"cross": rng.random(50), "deep": rng.random(50)}
    found = best_learned(labels, probs, 7)
    for name, values in probs.items():
        losses = [-math.log(p if y else 1.0 - p) for y, p in zip(labels, values, strict=True)]
        assert found[name].tolist() == sorted(range(50), key=losses.__getitem__)[:7]


def test_of_equals_the_earlier_one_is_better():
    probs = {"deep": np.array([0.5, 0.75, 0.5, 0.75])}
    assert best_learned(np.ones(4), probs, 3)["deep"].tolist() == [1, 3, 0]


def test_shares_are_counted_among_each_branchs_rows():
    genres = [{"a"}, {"a", "b"}, {"b"}, set(), {"c"}]
    members = {name: np.array([name in each for each in genres]) for name in "abc"}
    best = {"cross": np.array([0, 1]), "deep": np.array([1, 2, 3])}
    found = category_shares(best, members)
    for name in "abc":
        assert found[name]["of_all"] == sum(name in each for each in genres) / 5
        for branch, places in best.items():
            share = sum(name in genres[place] for place in places) / len(places)
            assert found[name]["branches"][branch] == share
