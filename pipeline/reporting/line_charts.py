"""Pictures of lines: curves of training, calibration, spectra."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.reporting.svg import MARKS, drawn

Line = tuple[Sequence[float], Sequence[float]]
_FEW = 30  # points of a line that are marked


def line_chart(
    lines: Mapping[str, Line],
    x_label: str,
    whole_x: bool = False,
    log_y: bool = False,
    diagonal: bool = False,
    y_label: str = "",
) -> str:
    """Lines over a common axis, as SVG.

    Args:
        lines: Name -> x and y of its points.
        x_label: What x is.
        whole_x: Whether x counts, such as epochs.
        log_y: Whether y has a logarithmic scale.
        diagonal: Whether to draw where y is x.
        y_label: What y is.
    """

    def draw(figure: Any, axes: Any) -> None:
        for place, (name, (x, y)) in enumerate(lines.items()):
            few = len(x) <= _FEW
            mark = MARKS[place % len(MARKS)] if few else None
            axes.plot(x, y, label=name, marker=mark, markersize=3.5)
        if diagonal:
            most = max(max((*x, *y), default=0.0) for x, y in lines.values())
            axes.plot((0.0, most), (0.0, most), color="0.6", linewidth=0.8, linestyle="-", zorder=1)
        if log_y:
            axes.set_yscale("log")
        axes.set(xlabel=x_label, ylabel=y_label)
        if whole_x:
            axes.xaxis.get_major_locator().set_params(integer=True)
            longest = max(max(x) for x, _ in lines.values())
            if longest == 1:  # a single epoch
                axes.set_xlim(0.5, 1.5)
        if len(lines) > 1 or "" not in lines:
            axes.legend()

    return drawn(draw)
