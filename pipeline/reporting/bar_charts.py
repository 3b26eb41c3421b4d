"""Pictures of one number, or a few, for each of several names: bars, intervals, spreads."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.reporting.svg import COLOURS, MARKS, SIZE, drawn, legend_columns

_LINE = 0.19  # inches of a row


def _tall(rows: int) -> tuple[float, float]:
    return SIZE[0], max(1.1, 0.75 + _LINE * rows)


def bar_chart(values: Mapping[str, float], x_label: str) -> str:
    """A bar for each name, from above in the order of the names, as SVG."""

    def draw(figure: Any, axes: Any) -> None:
        axes.barh([*map(_short, values)], [*values.values()], color=COLOURS[0], height=0.65)
        axes.axvline(0.0, color="0.3", linewidth=0.8)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set(xlabel=x_label)

    return drawn(draw, _tall(len(values)))


def mark_chart(
    groups: Sequence[str],
    values: Mapping[str, Sequence[float]],
    x_label: str,
    of_all: Sequence[float] | None = None,
) -> str:
    """For each group a mark for each name, as SVG.

    Args:
        groups: Their names, from above.
        values: Name -> a value for each group.
        x_label: What the values are.
        of_all: A value for each group to compare with, that of all rows.
    """

    def draw(figure: Any, axes: Any) -> None:
        places = range(len(groups))
        if of_all is not None:
            line = {"marker": "|", "markersize": 9, "markeredgewidth": 1.6, "linestyle": ""}
            axes.plot(of_all, places, color="black", label="all rows", **line)
        for k, (name, of_groups) in enumerate(values.items()):
            colour, mark = COLOURS[k % len(COLOURS)], MARKS[k % len(MARKS)]
            marks = {"marker": mark, "markersize": 5, "markeredgewidth": 0.0, "alpha": 0.85}
            axes.plot(of_groups, places, color=colour, linestyle="", label=name, **marks)
        axes.set_yticks(places, [_short(group) for group in groups])
        axes.set_ylim(len(groups) - 0.5, -0.5)
        axes.set(xlabel=x_label)
        figure.legend(loc="outside upper left", ncols=legend_columns(values))

    width, height = _tall(len(groups) + 2)
    return drawn(draw, (width, height))


def interval_chart(values: Mapping[str, tuple[float, float, float]], x_label: str) -> str:
    """A value with its interval for each name, as SVG.

    Args:
        values: Name -> value, lower and upper end.
        x_label: What the values are.
    """

    def draw(figure: Any, axes: Any) -> None:
        for place, (value, low, high) in enumerate(values.values()):
            colour, mark = COLOURS[place % len(COLOURS)], MARKS[place % len(MARKS)]
            axes.plot((low, high), (place, place), color=colour, linewidth=2.0, linestyle="-")
            axes.plot((value,), (place,), color=colour, marker=mark, markersize=6)
        axes.set_yticks(range(len(values)), [*map(_short, values)])
        axes.set_ylim(len(values) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.locator_params(axis="x", nbins=5)
        axes.set(xlabel=x_label)

    return drawn(draw, _tall(len(values) + 1))


def spread_chart(quantiles: Mapping[str, Sequence[float]], x_label: str) -> str:
    """For each name the span of its values, as SVG.

    Args:
        quantiles: Name -> five values: the 5th, 25th, 50th, 75th and 95th of a hundred.
        x_label: What the values are.
    """

    def draw(figure: Any, axes: Any) -> None:
        for place, (least, low, middle, high, most) in enumerate(quantiles.values()):
            colour = COLOURS[place % len(COLOURS)]
            axes.plot((least, most), (place, place), color=colour, linewidth=1.2, linestyle="-")
            axes.barh(place, high - low, 0.5, left=low, color="white", edgecolor=colour)
            axes.plot((middle, middle), (place - 0.25, place + 0.25), color=colour, linestyle="-")
        axes.set_yticks(range(len(quantiles)), [*map(_short, quantiles)])
        axes.set_ylim(len(quantiles) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.set(xlabel=x_label)

    return drawn(draw, _tall(len(quantiles) + 1))


def dot_chart(dots: Mapping[str, Sequence[tuple[float, float]]], x_label: str, at: float) -> str:
    """For each name dots on a line, as SVG.

    Args:
        dots: Name -> dots, each of a value and a share in [0, 1], which is its area.
        x_label: What the values are.
        at: Value that a line is drawn at, to compare with.
    """

    def draw(figure: Any, axes: Any) -> None:
        for place, of_name in enumerate(dots.values()):
            values, shares = zip(*of_name, strict=True)
            sizes = [6.0 + 90.0 * share for share in shares]
            axes.scatter(
                values,
                [place] * len(values),
                s=sizes,
                facecolor=COLOURS[0],
                edgecolor="white",
                linewidth=0.5,
                alpha=0.75,
                zorder=3,
            )
        axes.axvline(at, color=COLOURS[1], linewidth=1.0, linestyle="--")
        axes.set_yticks(range(len(dots)), [*map(_short, dots)])
        axes.set_ylim(len(dots) - 0.5, -0.5)
        axes.set(xlabel=x_label)

    return drawn(draw, _tall(len(dots) + 1))


def _short(name: str, most: int = 24) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
