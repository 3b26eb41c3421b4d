"""Pictures by matplotlib, styled alike, as SVG that depends on what it shows alone."""

import io
import re
from collections.abc import Callable, Iterable
from typing import Any

SIZE = (4.3, 3.0)  # inches: as wide as a phone, so that its letters keep their size
# Apart by lightness as well, and by their dashes: prints are often grey.
COLOURS = ("#0b3c6f", "#d1661b", "#3f8f5b", "#8a5aa8", "#b8a000", "#5b9bd5", "#a02c2c", "#707070")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 2)), (0, (8, 2)), (0, (3, 3)))
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
GREYS = "Blues"

_STYLE = {
    "svg.hashsalt": "concord",
    "svg.fonttype": "none",  # text, in the letters of the page
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.6,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "text.parse_math": False,  # a name with dollars is no formula
}
_NAMES = re.compile(r'(?<=<g) id="[A-Za-z][\w.]*_\d+"')
# Names of formats, which look like addresses, and a style that the page has: HTML needs neither.
_OUTSIDE = re.compile(r' xmlns(:xlink)?="[^"]*"|<defs>\s*<style.*?</style>\s*</defs>', re.DOTALL)
_PLACES = re.compile(r' (?:d|x|y|transform)="[^"]*"')
_LONG = re.compile(r"-?\d+\.\d{3,}")
_NO_DATE = dict.fromkeys(("Date", "Creator", "Format", "Type"))


def drawn(draw: Callable[[Any, Any], None], size: tuple[float, float] = SIZE) -> str:
    """A picture as an SVG element.

    Args:
        draw: Called with a matplotlib figure and its axes, it draws on them.
        size: Width and height in inches.
    """
    # Imported here: it takes half a second, and only who draws needs it.
    import matplotlib
    from matplotlib import rcsetup
    from matplotlib.figure import Figure

    text = io.StringIO()
    cycle = rcsetup.cycler(color=COLOURS, linestyle=DASHES)
    style: Any = {**_STYLE, "axes.prop_cycle": cycle}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure, figure.subplots())
        figure.savefig(text, format="svg", metadata=_NO_DATE)
    svg = text.getvalue()
    # Many pictures lie in one page, where a name may stand only once; nothing refers to these.
    svg = _NAMES.sub("", svg[svg.index("<svg") :]).strip()
    svg = _OUTSIDE.sub("", svg).replace("xlink:href=", "href=")
    return _PLACES.sub(_shorter, svg)


def legend_columns(names: Iterable[str]) -> int:
    """How many names fit beside each other above a picture."""
    return max(1, min(4, 52 // (max(map(len, names), default=1) + 8)))


def _shorter(attribute: re.Match[str]) -> str:
    """Places to a hundredth of a point, on one line: half of a picture would be further digits."""
    text = attribute[0].replace("\n", "")
    return _LONG.sub(lambda number: f"{float(number[0]):.2f}", text)
