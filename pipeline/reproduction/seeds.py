"""What several seeds say: mean and spread in words, and a dot for each in a picture."""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from scipy import stats


def mean_and_spread(values: Sequence[float], form: str = "{:.4f}") -> str:
    """Mean +- sample standard deviation."""
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{form.format(statistics.mean(values))} ± {spread:.4f}"


def differences_and_interval(values: Sequence[float], form: str = "{:+.4f}") -> str:
    """Each of some paired differences, their mean, and Student's 95 % interval of the mean."""
    shown = ", ".join(form.format(value) for value in values)
    if len(values) < 2:
        return shown
    mean, error = statistics.mean(values), statistics.stdev(values) / len(values) ** 0.5
    low, high = stats.t.interval(0.95, len(values) - 1, mean, error) if error else (mean, mean)
    return f"{shown}; mean {form.format(mean)} ({form.format(low)} to {form.format(high)})"


def save_figure(path: Path, size: tuple[float, float], draw: Callable[[Any], None]) -> None:
    """Draws into one pair of axes; the same content gives the same file.

    Args:
        path: Where it is saved; the suffix chooses the format.
        size: Width and height in inches.
        draw: Receives the axes.
    """
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    draw(figure.subplots())
    with matplotlib.rc_context({"svg.hashsalt": "concord"}):
        figure.savefig(path, metadata={"Date": None})


def draw_seeds(axes: Any, rows: Sequence[tuple[str, Sequence[float]]], label: str) -> None:
    """A row of dots, one a seed, with a bar at their mean, for each (title, values)."""
    for row, (_, values) in enumerate(rows):
        axes.plot(values, [row] * len(values), "o", color="#2a6fbb", alpha=0.75)
        axes.plot([statistics.mean(values)], [row], "|", color="#111", markersize=16)
    axes.set_yticks(range(len(rows)), [title for title, _ in rows])
    axes.invert_yaxis()
    axes.set_xlabel(label)
    axes.grid(axis="x", alpha=0.3)
