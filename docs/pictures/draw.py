"""Draws the pictures of README.md and docs/architecture.md: `python docs/pictures/draw.py`."""

import html
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent
INK, PALE, LINE, PAPER = "#1b1f24", "#57606a", "#8c959f", "#ffffff"
FONT = "font-family='Helvetica, Arial, sans-serif'"

METHODS = {
    "MBCnet": ("#0b6bcb", ("shared", "EFGC, cross, deep", "shared MLP", "fused + branches", "mean",
                           "co-teaching, differentiation")),
    "CETNet": ("#c2410c", ("one per branch", "DHEN, InterFormer", "none", "fused + branches",
                           "confidence", "symmetric KL")),
    "D-MoE": ("#15803d", ("per branch + gate", "CIN, cross", "an MLP each", "fused only",
                          "gate, tower", "de-correlation")),
}  # fmt: skip
AXES = {
    "tables": ("shared", "one per branch", "per branch + gate"),
    "branches": (
        "EFGC, cross, deep",
        "DHEN, InterFormer",
        "CIN, cross",
        "AutoInt, MaskNet, DIN, ...",
    ),
    "alignment": ("shared MLP", "none", "an MLP each"),
    "heads": ("fused + branches", "fused only"),
    "fusion": ("mean", "confidence", "gate, tower", "sum, concat, logit"),
    "cooperation": (
        "co-teaching, differentiation",
        "symmetric KL",
        "de-correlation",
        "distillation, distance",
    ),
}


@dataclass(frozen=True)
class Step:
    """A box of a journey.

    Attributes:
        title: What happens.
        room: Where its code lies.
        lines: What there is to say of it.
        aside: What leaves the road here.
    """

    title: str
    room: str
    lines: tuple[str, ...]
    aside: str = ""


@dataclass
class Picture:
    """An SVG under way."""

    width: int
    height: int
    parts: list[str] = field(default_factory=list)

    def text(
        self,
        x: float,
        y: float,
        content: str,
        size: int = 13,
        color: str = INK,
        bold: bool = False,
        anchor: str = "middle",
    ) -> None:
        weight = " font-weight='bold'" if bold else ""
        self.parts.append(
            f"<text x='{x:g}' y='{y:g}' font-size='{size}' fill='{color}' "
            f"text-anchor='{anchor}'{weight}>{html.escape(content, quote=False)}</text>"
        )

    def box(self, x: float, y: float, width: float, height: float, stroke: str = LINE) -> None:
        self.parts.append(
            f"<rect x='{x:g}' y='{y:g}' width='{width:g}' height='{height:g}' rx='6' "
            f"fill='#f6f8fa' stroke='{stroke}' stroke-width='{1 if stroke == LINE else 2}'/>"
        )

    def line(
        self,
        points: Sequence[tuple[float, float]],
        color: str = PALE,
        arrow: bool = True,
        dashed: bool = False,
    ) -> None:
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        end = " marker-end='url(#arrow)'" if arrow else ""
        dash = " stroke-dasharray='4 3'" if dashed else ""
        self.parts.append(
            f"<polyline points='{path}' fill='none' stroke='{color}' "
            f"stroke-width='1.5'{end}{dash}/>"
        )

    def curve(self, points: Sequence[tuple[float, float]], color: str) -> None:
        """A smooth line through points, level at each of them."""
        path = f"M {points[0][0]:g} {points[0][1]:g}"
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            middle = (x0 + x1) / 2
            path += f" C {middle:g} {y0:g}, {middle:g} {y1:g}, {x1:g} {y1:g}"
        self.parts.append(
            f"<path d='{path}' fill='none' stroke='{color}' stroke-width='3' "
            "stroke-opacity='0.75'/>"
        )

    def svg(self) -> str:
        body = "\n".join(self.parts)
        return (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {self.width} {self.height}' "
            f"width='{self.width}' height='{self.height}' {FONT}>\n"
            "<defs><marker id='arrow' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' "
            f"markerHeight='7' orient='auto'><path d='M0 0 L8 4 L0 8 z' fill='{PALE}'/></marker>"
            f"</defs>\n<rect width='100%' height='100%' fill='{PAPER}'/>\n{body}\n</svg>\n"
        )


def design_space() -> Picture:
    """The axes side by side, and each method as a line through its choices."""
    column, top, row, width = 176, 74, 46, 138
    picture = Picture(len(AXES) * column + 2, top + 4 * row + 4)
    places = {}
    for i, (axis, choices) in enumerate(AXES.items()):
        x = 20 + i * column
        picture.text(x + width / 2, 52, axis, 15, bold=True)
        for k, choice in enumerate(choices):
            places[axis, choice] = (x, top + k * row)
    for offset, (color, choices) in zip((-7, 0, 7), METHODS.values(), strict=True):
        points: list[tuple[float, float]] = []
        for axis, choice in zip(AXES, choices, strict=True):
            x, y = places[axis, choice]
            points += [(x, y + 15 + offset), (x + width, y + 15 + offset)]
        picture.curve(points, color)
    for (axis, choice), (x, y) in places.items():
        i = list(AXES).index(axis)
        colors = [color for color, choices in METHODS.values() if choices[i] == choice]
        picture.box(x, y, width, 30, colors[0] if len(colors) == 1 else LINE)
        picture.text(x + width / 2, y + 19.5, choice, 10 if len(choice) > 21 else 12)
    x = 20
    for name, (color, _) in METHODS.items():
        picture.line([(x, 19), (x + 28, 19)], color, arrow=False)
        picture.text(x + 34, 23, name, 13, color, bold=True, anchor="start")
        x += 118
    picture.text(x, 23, "... and any other line through the boxes", 13, PALE, anchor="start")
    return picture


def journey(steps: Sequence[Step], columns: int = 4) -> Picture:
    """Boxes in rows, read like text, with an arrow from each to the next."""
    width, gap, height, between = 218, 30, 88, 48
    rows = -(-len(steps) // columns)
    picture = Picture(columns * (width + gap) - gap + 24, rows * (height + between) - 8)
    corners = [
        (12 + (i % columns) * (width + gap), 12 + (i // columns) * (height + between))
        for i in range(len(steps))
    ]
    for i, (step, (x, y)) in enumerate(zip(steps, corners, strict=True)):
        picture.box(x, y, width, height)
        picture.text(x + width / 2, y + 22, f"{i + 1}. {step.title}", 13, bold=True)
        for k, content in enumerate(step.lines):
            picture.text(x + width / 2, y + 40 + 15 * k, content, 11, PALE)
        picture.text(x + width / 2, y + height - 10, step.room, 11, "#0b6bcb")
        if step.aside:
            picture.line([(x + 40, y + height), (x + 40, y + height + 22)], dashed=True)
            picture.text(x + 48, y + height + 20, step.aside, 11, PALE, anchor="start")
        if i + 1 == len(steps):
            continue
        next_x, next_y = corners[i + 1]
        if next_y == y:
            picture.line([(x + width, y + height / 2), (next_x - 1, y + height / 2)])
        else:
            turn = y + height + between - 20
            right, left = x + width / 2, next_x + width / 2
            picture.line([(right, y + height), (right, turn), (left, turn), (left, next_y - 1)])
    return picture


ROW = (
    Step("Found", "sources, job", ("files of the source by glob;", "columns assigned to features")),
    Step(
        "Read",
        "reading",
        ("text, JSON lines, Parquet,", "in parts, as blocks of text"),
        "not a row",
    ),
    Step(
        "Typed",
        "reading, features/raw.py",
        ("text to token, number, time,", "by the feature's kind"),
        "does not fit",
    ),
    Step("Joined", "joining", ("side tables by key;", "no match: missing, counted")),
    Step("History", "histories", ("events of the same key,", "strictly before its time")),
    Step("Split", "splits", ("train, valid or test:", "by time, day, hash, key, file")),
    Step("Analysed", "analysis", ("training rows alone give", "vocabularies, means, quantiles")),
    Step(
        "Encoded",
        "writing, features/",
        ("the preprocessing graph:", "tokens to ids, numbers scaled"),
    ),
    Step("Shuffled", "writing", ("a random shard and a random", "place in it, by seed and place")),
    Step("Written", "writing", ("records of 4,096 rows,", "raw columns side by side")),
    Step("Published", "job", ("manifest last, then renamed:", "whole or absent")),
)
BATCH = (
    Step(
        "Decoded", "pipeline/batches", ("records to columns; files,", "records and rows shuffled")
    ),
    Step(
        "Looked up",
        "models/embeddings",
        ("distinct rows gathered once,", "all fields and embedding sets"),
    ),
    Step(
        "Field embeddings",
        "models/embeddings",
        ("(B, F, d) for each embedding set;", "histories, masks"),
    ),
    Step(
        "Branches",
        "models/branches",
        ("each: its view to h_i (B, d_i),", "and its layers' outputs"),
    ),
    Step("Aligned", "models/alignment", ("z (B, n, d): shared MLP,", "an MLP each, or none")),
    Step("Heads and fusion", "models/network, fusion", ("s_i (B, n), weights, tower,", "s (B, 1)")),
    Step(
        "Loss terms",
        "models/network, cooperation",
        ("BCEs, cooperation, l2: each", "a share of the global mean"),
    ),
    Step(
        "Guarded update",
        "models/network, optimizers",
        ("all finite: tables by rows, the", "rest densely; else nothing"),
        "step counted, named",
    ),
)
CONFIGURATION = (
    Step("Files", "pipeline/config", ("the file and what it extends,", "laid over each other")),
    Step(
        "Preset",
        "pipeline/config/presets",
        ("starts the network anew; the file's", "own settings lie over it"),
    ),
    Step("Overrides", "pipeline/config", ("--set KEY=VALUE wins;", "values are YAML")),
    Step(
        "Checked",
        "features/, models/spec",
        ("unknown keys, types, ranges:", "a sentence, the nearest name"),
        "exit code 2",
    ),
    Step(
        "Built empty",
        "models/spec",
        ("the network without data:", "do its parts fit?"),
        "exit code 2",
    ),
    Step(
        "Resolved",
        "pipeline/runs",
        ("config.yaml of the run, and a", "fingerprint with the data's"),
    ),
    Step("Built", "models/spec", ("part by part, with sizes", "and groups of the bundle")),
    Step("Asked again", "pipeline/runs", ("evaluate and export read", "the run, not the file")),
)
REQUEST = (
    Step(
        "Received",
        "server/rpc, server/http",
        ("gRPC or REST,", "bounded in size and time"),
        "413, 408",
    ),
    Step(
        "Version found",
        "server/lifecycle",
        ("latest, number or label;", "counted before it is used"),
        "404",
    ),
    Step("Let in", "server/core", ("so many at a time,", "first come, first computed"), "429"),
    Step(
        "Checked",
        "server/core",
        ("names, types and shapes", "against the signature"),
        "400",
    ),
    Step(
        "Preprocessed", "features/, in the SavedModel", ("the same graph that", "the data job ran")
    ),
    Step(
        "User once",
        "models/embeddings",
        ("in rank: a batch of 1 looked up", "and pooled, then repeated"),
    ),
    Step("Scored", "models/network", ("the forward pass;", "no optimizer, no losses")),
    Step(
        "Answered",
        "server/rpc, server/http",
        ("prob, branches, weights;", "counted in the metrics"),
    ),
)


def pictures() -> Iterator[tuple[str, str]]:
    """Name and content of every picture."""
    yield "design_space.svg", design_space().svg()
    for name, steps in (
        ("row", ROW),
        ("batch", BATCH),
        ("configuration", CONFIGURATION),
        ("request", REQUEST),
    ):
        yield f"{name}.svg", journey(steps).svg()


if __name__ == "__main__":
    for name, content in pictures():
        (FOLDER / name).write_text(content, "utf-8")
        print(FOLDER / name)
