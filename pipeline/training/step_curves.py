"""Curves by step: a line of JSON every few steps, kept in the run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.metrics import entropy_of
from pipeline.batches.position import Position
from pipeline.training.private_api import TensorLogsCallback

_LOGLOSS = "logloss"


class StepCurves(TensorLogsCallback):
    """Writes what the training rows were like before the network was trained on them.

    A line holds `step`, `epoch` (from 1) and `examples`, counted from the start of the training;
    the means since the line before of everything that a step logs, and of `click_rate`; and
    `normalized_entropy`, by prediction the logloss of all examples so far over the entropy of
    their click rate. Every batch is scored before its update, so in the first epoch this is
    progressive validation at no cost; later epochs have seen their rows.

    Args:
        path: File of the lines; None reads the means and writes nothing, as beside a chief.
        every_steps: Steps between two lines; an epoch's end has one of its own.
        steps_per_epoch: Steps of an epoch.
    """

    def __init__(self, path: Path | None, every_steps: int, steps_per_epoch: int) -> None:
        super().__init__()
        self._path, self._every_steps = path, every_steps
        self._steps_per_epoch = steps_per_epoch
        self._epoch = self._done = 0
        self._examples = 0.0
        self._totals: dict[str, float] = {}

    def begin_at(self, position: Position) -> None:
        """Keeps the lines of what is behind a position, and counts on from them."""
        self._done = position.batch
        step = position.epoch * self._steps_per_epoch + position.batch
        kept = [line for line in read_curves(self._path) if line["step"] <= step]
        before = 0.0
        for line in kept:
            self._count(line["examples"] - before, line)
            before = line["examples"]
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text("".join(f"{json.dumps(line)}\n" for line in kept))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        before, self._done = self._done, batch + 1
        if before // self._every_steps != self._done // self._every_steps:
            self._write()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._write()
        self._done = 0

    def _write(self) -> None:
        examples, means = self.model.take_window()
        if not examples:
            return
        self._count(examples, means)
        rate = self._totals["click_rate"] / self._examples
        entropy = entropy_of(rate) if 0 < rate < 1 else None
        line = {
            "step": self._epoch * self._steps_per_epoch + self._done,
            "epoch": self._epoch + 1,
            "examples": round(self._examples, 3),
            **{name: float(f"{value:.6g}") for name, value in means.items()},
            "normalized_entropy": entropy
            and {
                "fused" if name == _LOGLOSS else name.removeprefix(f"{_LOGLOSS}_"): round(
                    total / self._examples / entropy, 6
                )
                for name, total in self._totals.items()
                if name == _LOGLOSS or name.startswith(f"{_LOGLOSS}_")
            },
        }
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(f"{json.dumps(line)}\n")

    def _count(self, examples: float, means: Mapping[str, Any]) -> None:
        self._examples += examples
        for name, value in means.items():
            if name == "click_rate" or name.startswith(_LOGLOSS):
                self._totals[name] = self._totals.get(name, 0.0) + examples * value


def read_curves(path: Path | None) -> list[dict[str, Any]]:
    """The lines of a run, the first first; none where there is no file.

    A line that a killed process left unfinished is left out.
    """
    if path is None or not path.exists():
        return []
    lines = []
    for text in path.read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return lines
