"""Curves by step: each window once, counted from the start, and on from an interruption."""

import numpy as np
import pytest

from pipeline.batches.position import Position
from pipeline.training.step_curves import StepCurves, read_curves

STEPS = 5
BEGIN, END = Position(0, 0), Position(2, 0)


class Windows:
    """Stands for a network: its batches since the window was last taken."""

    def __init__(self):
        self.batches = []

    def take_window(self):
        batches, self.batches = self.batches, []
        sizes = np.array([size for size, *_ in batches], float)
        if not len(sizes):
            return 0.0, {}
        names = ("loss", "logloss", "logloss_deep", "click_rate")
        columns = np.array([values for _, *values in batches], float)
        means = sizes @ columns / sizes.sum()
        return sizes.sum(), dict(zip(names, means, strict=True))


def batches(epochs=2):
    """(examples, loss, logloss, logloss_deep, click_rate) of every step; last ones are smaller."""
    rng = np.random.default_rng(0)
    return [
        (8 if step < STEPS - 1 else 3, *rng.uniform(0.2, 0.8, 4))
        for _ in range(epochs)
        for step in range(STEPS)
    ]


def run(curves, start=BEGIN, stop=END):
    network = Windows()
    curves.set_model(network)
    curves.begin_at(start)
    for epoch in range(start.epoch, stop.epoch + (stop.batch > 0)):
        curves.on_epoch_begin(epoch)
        first = start.batch if epoch == start.epoch else 0
        last = stop.batch if epoch == stop.epoch else STEPS
        for step in range(first, last):
            network.batches.append(batches()[epoch * STEPS + step])
            curves.on_train_batch_end(step)
        if last == STEPS:
            curves.on_epoch_end(epoch)


def test_lines_hold_the_means_since_the_last_and_the_entropy_of_all_so_far(tmp_path):
    path = tmp_path / "curves.jsonl"
    run(StepCurves(path, 2, STEPS))
    lines = read_curves(path)
    assert [(line["epoch"], line["step"]) for line in lines] == [
        (1, 2), (1, 4), (1, 5), (2, 7), (2, 9), (2, 10)
    ]  # fmt: skip
    seen = np.array(batches())
    since = 0
    for line in lines:
        window, so_far = seen[since : line["step"]], seen[: line["step"]]
        since = line["step"]
        assert line["examples"] == so_far[:, 0].sum()
        expected = np.average(window[:, 1:], axis=0, weights=window[:, 0])
        received = [line[name] for name in ("loss", "logloss", "logloss_deep", "click_rate")]
        np.testing.assert_allclose(received, expected, rtol=1e-5)
        _, fused, deep, rate = np.average(so_far[:, 1:], axis=0, weights=so_far[:, 0])
        entropy = -rate * np.log(rate) - (1 - rate) * np.log(1 - rate)
        assert line["normalized_entropy"] == pytest.approx(
            {"fused": fused / entropy, "deep": deep / entropy}, rel=1e-5
        )


@pytest.mark.parametrize("at", [Position(1, 2), Position(1, 0), Position(0, 4)])
def test_an_interrupted_training_leaves_the_curves_of_one_that_was_not(tmp_path, at):
    whole, parts = tmp_path / "whole.jsonl", tmp_path / "parts.jsonl"
    run(StepCurves(whole, 2, STEPS))
    run(StepCurves(parts, 2, STEPS))  # went on beyond its last checkpoint
    with parts.open("a") as file:
        file.write('{"step": 11, "ep')  # and was killed here
    run(StepCurves(parts, 2, STEPS), start=at)
    for received, expected in zip(read_curves(parts), read_curves(whole), strict=True):
        assert received.pop("normalized_entropy") == pytest.approx(
            expected.pop("normalized_entropy"), rel=1e-4
        )
        assert received == expected


def test_who_is_no_chief_takes_the_windows_and_writes_nothing(tmp_path):
    curves = StepCurves(None, 2, STEPS)
    run(curves)
    assert curves.model.take_window() == (0.0, {})
    assert read_curves(None) == []
