"""Draws the training benchmark's curve over batch sizes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_COLORS = ("#2a6fbb", "#7fb2e5", "#0b3d6b", "#c2571a", "#5b8c3a")


def plot_batch_curve(results: Mapping[str, Any], path: Path) -> None:
    """Examples per second by batch size: medians, with their quartiles as a band.

    Args:
        results: Results of `benchmarks.training.steps`; its `batch_curve/...` are drawn.
        path: Path of the SVG.

    Raises:
        ValueError: There is nothing to draw.
    """
    import matplotlib
    from matplotlib.figure import Figure

    curves: dict[str, dict[int, list[float]]] = {}
    for name, result in results.items():
        if name.startswith("batch_curve/"):
            for side, each in result["sides"].items():
                if each["examples_per_second"]:
                    batch = int(name.split("/")[1])
                    curves.setdefault(side, {})[batch] = each["examples_per_second"]
    if not curves:
        raise ValueError("No undisturbed round of batch_curve. Run --only batch_curve when quiet.")
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = figure.subplots()
    for color, (side, points) in zip(_COLORS * len(curves), curves.items(), strict=False):
        batches = sorted(points)
        low, median, high = zip(*(points[batch] for batch in batches), strict=True)
        axes.plot(batches, median, "o-", color=color, markersize=4, label=side.replace("_", " "))
        axes.fill_between(batches, low, high, color=color, alpha=0.2, linewidth=0)
    ticks = sorted({batch for points in curves.values() for batch in points})
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [f"{batch:,}" for batch in ticks])
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.yaxis.set_minor_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xlabel("batch size, examples")
    axes.set_ylabel("training, examples/s")
    axes.grid(alpha=0.3, which="both")
    axes.legend(frameon=False)
    with matplotlib.rc_context({"svg.hashsalt": "concord"}):
        figure.savefig(path, metadata={"Date": None})
