"""The section of a run's report about its branches: how they are alike, apart, and who counts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.evaluation.text_tables import TextTable, percent
from pipeline.reporting.bar_charts import bar_chart, mark_chart, spread_chart
from pipeline.reporting.data_sections import by_importance
from pipeline.reporting.line_charts import line_chart
from pipeline.reporting.page import Folded, Gallery, Part, Picture
from pipeline.reporting.plane_charts import block_map, heat_map, scatter_chart

_MOST_NAMES = 20  # branches that fit a heat map
_MOST_CATEGORIES = 20  # of a feature that are drawn
_PICTURED = 4  # features by whose categories the best-learned examples are drawn
# Of a pair: its title, what its colours say, and the value of a branch with itself.
_PAIRS = {
    "live_cross_expert_correlation": ("Cross-expert correlation of live units", 0.0),
    "logit_correlation": ("Correlation of the logits", 0.9),
    "disagreement": ("Disagreement", 0.0),
}


def branch_parts(report: Mapping[str, Any], numbers: Mapping[str, Any]) -> Iterator[Part]:
    """What there is to see of two branches or more.

    Args:
        report: What metrics.json says of the split.
        numbers: What report.json holds, or nothing.
    """
    cooperation = report.get("cooperation", {})
    pictures = [
        *_agreement(cooperation),
        *_shares(cooperation),
        *_fusion(numbers),
        *_units(numbers),
        *_gradients(numbers),
    ]
    if pictures:
        yield Gallery(pictures)
    yield from _categories(numbers)


def _agreement(cooperation: Mapping[str, Any]) -> Iterator[Picture]:
    pairs = cooperation.get("pairs", ())
    names = list(dict.fromkeys(name for pair in pairs for name in pair["branches"]))
    if not 2 <= len(names) <= _MOST_NAMES:
        return
    notes = {
        "live_cross_expert_correlation": "The mean |r| of a unit of one with a unit of the other.",
        "logit_correlation": "1 where one branch says what the other says.",
        "disagreement": "The share of rows with 0.5 between the two probabilities.",
    }
    for key, (title, low) in _PAIRS.items():
        if any(pair.get(key) is None for pair in pairs):
            continue
        matrix: list[list[float | None]] = [[None] * len(names) for _ in names]
        for pair in pairs:
            a, b = (names.index(name) for name in pair["branches"])
            matrix[a][b] = matrix[b][a] = pair[key]
        found = [pair[key] for pair in pairs]
        low = min(low, *found)
        high = max(found) if key == "disagreement" else 1.0
        yield Picture(title, heat_map(names, matrix, low, max(high, low + 1e-9)), notes[key])


def _shares(cooperation: Mapping[str, Any]) -> Iterator[Picture]:
    shares = {
        name: 100.0 * branch["best_share"]
        for name, branch in cooperation.get("branches", {}).items()
        if branch.get("best_share") is not None
    }
    if shares:
        note = "Rows on which it has the lowest logloss of all."
        yield Picture("Best branch", bar_chart(shares, "% of the rows"), note)


def _fusion(numbers: Mapping[str, Any]) -> Iterator[Picture]:
    weights = numbers.get("fusion_weights")
    if weights:
        note = "Over the rows: middle, middle half, and from 5 to 95 of a hundred."
        yield Picture("Weights in the fusion", spread_chart(weights, "weight"), note)


def _units(numbers: Mapping[str, Any]) -> Iterator[Picture]:
    units = numbers.get("units")
    if units:
        lines = {name: (range(1, len(each) + 1), each) for name, each in units.items()}
        picture = line_chart(lines, "unit", y_label="mean softmax")
        note = "The mean over rows of the softmax over a branch's units (MBCnet, Figure 6)."
        yield Picture("Strength of the units", picture, note)
    correlations = numbers.get("unit_correlations")
    if correlations and correlations["matrix"]:
        sizes = correlations["units"]
        picture = block_map([*sizes], [*sizes.values()], correlations["matrix"])
        note = "|r| of every live unit with every other, branch by branch."
        yield Picture("Correlation of live units", picture, note)
    plane = numbers.get("plane")
    if plane:
        points = {
            name: ([x for x, _ in each], [y for _, y in each])
            for name, each in plane["points"].items()
        }
        note = "Each point is a row's representation in a branch, by t-SNE; near ones are alike."
        yield Picture("Representations in two dimensions", scatter_chart(points), note)


def _gradients(numbers: Mapping[str, Any]) -> Iterator[Picture]:
    gradients = numbers.get("gradients")
    if gradients:
        note = "Cosine of the terms' gradients for the dense weights: below 0 they pull apart."
        picture = heat_map(gradients["terms"], gradients["cosines"], -1.0, 1.0)
        yield Picture("Where the loss terms' gradients point", picture, note)


def _categories(numbers: Mapping[str, Any]) -> Iterator[Part]:
    categories = numbers.get("categories", {})
    features = categories.get("features", {})
    if not features:
        return
    ordered = by_importance(features, numbers)
    count = categories["examples"]
    pictures = []
    for feature in ordered[:_PICTURED]:
        shares = dict([*features[feature].items()][:_MOST_CATEGORIES])
        branches = next(iter(shares.values()))["branches"]
        values: dict[str, Sequence[float]] = {
            name: [100.0 * share["branches"][name] for share in shares.values()]
            for name in branches
        }
        of_all = [100.0 * share["of_all"] for share in shares.values()]
        marks = mark_chart([*shares], values, f"% of the {count:,} best-learned rows", of_all)
        note = "Of the rows with a branch's lowest loglosses (MBCnet, Figures 1 and 7)."
        pictures.append(Picture(f"Best-learned rows by {feature}", marks, note))
    yield Gallery(pictures)
    tables = [_category_table(feature, features[feature], count) for feature in ordered]
    yield Folded("Best-learned rows by category, as numbers", tables)


def _category_table(feature: str, shares: Mapping[str, Any], count: int) -> TextTable:
    branches = next(iter(shares.values()))["branches"]
    return TextTable(
        f"{feature}: share of each category in the {count:,} rows that a branch learned best",
        (feature, *branches, "all rows"),
        [
            (
                name,
                *(percent(share["branches"][branch]) for branch in branches),
                percent(share["of_all"]),
            )
            for name, share in shares.items()
        ],
    )
