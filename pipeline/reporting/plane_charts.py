"""Pictures that fill a plane: matrices of numbers, and points."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.reporting.svg import COLOURS, GREYS, MARKS, SIZE, drawn, legend_columns

_ROOMY = 4  # names up to which there is room for a digit more
_WRITTEN = 8  # names up to which the numbers stand in their fields


def heat_map(
    names: Sequence[str],
    matrix: Sequence[Sequence[float | None]],
    low: float = 0.0,
    high: float = 1.0,
) -> str:
    """A square matrix by names, as SVG; fields of None stay white.

    Args:
        names: Names of its rows and columns.
        matrix: Its numbers.
        low: Number of the lightest colour.
        high: That of the darkest.
    """
    values = np.array([[np.nan if x is None else x for x in row] for row in matrix], np.float64)

    def draw(figure: Any, axes: Any) -> None:
        shown = axes.pcolormesh(
            np.ma.masked_invalid(values), cmap=GREYS, vmin=low, vmax=high, edgecolor="white"
        )
        digits, size = (3, 9) if len(names) <= _ROOMY else (2, 7)
        if len(names) <= _WRITTEN:
            for (row, column), value in np.ndenumerate(values):
                if not np.isnan(value):
                    dark = (value - low) > 0.6 * (high - low)
                    colour, text = "white" if dark else "black", _written(value, digits)
                    centre = column + 0.5, row + 0.5
                    axes.text(*centre, text, ha="center", va="center", color=colour, fontsize=size)
        places = np.arange(len(names)) + 0.5
        short = [name if len(name) <= 14 else f"{name[:13]}…" for name in names]
        turned = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks(places, short, **(turned if len(names) > 3 else {}))
        axes.set_yticks(places, short)
        axes.invert_yaxis()
        axes.set_aspect("equal")
        axes.grid(visible=False)
        figure.colorbar(shown, ax=axes, shrink=0.8)

    return drawn(draw)


def block_map(names: Sequence[str], sizes: Sequence[int], matrix: Sequence[Sequence[float]]) -> str:
    """A square matrix of |numbers| up to 1 in blocks by names, without its fields' numbers, as SVG.

    Args:
        names: Names of the blocks.
        sizes: Rows of each block.
        matrix: Its numbers.
    """
    limits = np.cumsum([0, *sizes])

    def draw(figure: Any, axes: Any) -> None:
        shown = axes.imshow(np.array(matrix), cmap=GREYS, vmin=0.0, vmax=1.0, aspect="equal")
        for limit in limits[1:-1]:
            axes.axhline(limit - 0.5, color="black", linewidth=0.7, linestyle="-")
            axes.axvline(limit - 0.5, color="black", linewidth=0.7, linestyle="-")
        centres = (limits[1:] + limits[:-1] - 1) / 2.0
        axes.set_xticks(centres, names)
        axes.set_yticks(centres, names)
        axes.grid(visible=False)
        figure.colorbar(shown, ax=axes, shrink=0.8)

    return drawn(draw)


def scatter_chart(points: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> str:
    """Points of several names in a plane without units, as SVG.

    Args:
        points: Name -> x and y of its points.
    """

    def draw(figure: Any, axes: Any) -> None:
        for place, (name, (x, y)) in enumerate(points.items()):
            colour, mark = COLOURS[place % len(COLOURS)], MARKS[place % len(MARKS)]
            axes.scatter(x, y, s=5, color=colour, marker=mark, label=name, alpha=0.7, linewidth=0)
        axes.set_xticks([])
        axes.set_yticks([])
        figure.legend(loc="outside upper left", ncols=legend_columns(points), markerscale=2.0)

    return drawn(draw, (SIZE[0], SIZE[0] * 0.8))


def _written(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return f"{value:.0f}" if float(text) in (-1.0, 0.0, 1.0) else text
